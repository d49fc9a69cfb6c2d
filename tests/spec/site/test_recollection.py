"""Only what changed is evaluated again, and the results are as if everything had been."""

import shutil
import stat
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from service.disclosure import Policy, parse_policy
from service.measure.package import load_package
from service.site import recollection
from service.site.evaluation import Exact, counts_of, evaluate
from service.site.mapped_store import MappedStore
from service.site.mapping import NO_MAPPING
from service.site.needs import needs_of
from service.site.recollection import FILE, count_again
from service.site.store import open_store
from tests.spec.site_api.conftest import MEASURES, write_site
from tests.spec.site_api.hospital import CHART, event, fill_store, surgical

PACKAGES = [load_package(MEASURES / name) for name in ("dreaming", "readmission")]
UTC = ZoneInfo("UTC")
AS_OF = datetime.fromisoformat("2026-06-01T00:00:00+00:00")
EVERYBODY = ["canary-anna", "canary-berta", "canary-carl", "canary-dora", "canary-emil"]


SEX = """
[[strata]]
measure = "urn:weir:measure:dreaming"
stratifier = "sex"
values = ["{}"]
"""


def policy(last: str = "2026-01", sex: str = "") -> Policy:
    """Releases both measures from January on, and of one sex if it is given."""
    releases = "".join(
        f'[[release]]\nmeasure = "{one.url}"\nwindow = "month"\nfrom = "2026-01"\nto = "{last}"\n'
        for one in PACKAGES
    )
    head = 'network = "n"\nversion = "1"\nthreshold = 11\nrounding = 3\nlegal_basis = "x"\n'
    strata = SEX.format(sex) if sex else ""
    return parse_policy((head + releases + strata).encode())


class Spied(MappedStore):
    """A store that tells whose records were evaluated."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.read: list[str] = []

    def mapped(self, record: Any) -> Any:
        self.read.append(record.id)
        return super().mapped(record)


class Site:
    """A site's folder with the small hospital's store."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = write_site(folder)
        self.counted: Sequence[Exact] = ()
        self.packages = PACKAGES
        self.zone = UTC
        self.fill(CHART)

    def fill(self, chart: Sequence[dict[str, Any]]) -> None:
        fill_store(self.config, chart)

    def count(
        self, mapping: str = "none", last: str = "2026-01", sex: str = "", as_of: datetime = AS_OF
    ) -> list[str]:
        """Count with what is kept, compare with a count of everybody, tell who was read."""
        needs = [needs_of(one) for one in self.packages]
        releases = policy(last, sex)
        spied = Spied(open_store(self.config.data_dir), NO_MAPPING, needs)
        counts = counts_of(self.packages, releases, self.zone, as_of)
        self.counted = count_again(spied, self.packages, counts, mapping, self.config.data_dir)
        fresh = MappedStore(open_store(self.config.data_dir), NO_MAPPING, needs)
        assert told(self.counted) == told(
            evaluate(fresh.patients(), self.packages, releases, self.zone, as_of)
        )
        for need in needs:
            assert spied.survey.findings(need) == fresh.survey.findings(need)
            assert spied.survey.gaps(need, ["2026-02"]) == fresh.survey.gaps(need, ["2026-02"])
        assert spied.survey.unmapped == fresh.survey.unmapped
        return spied.read


def told(results: Sequence[Exact]) -> list[Any]:
    return [(one.package.url, one.period, one.table, one.failed) for one in results]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_nobody_is_evaluated_twice_as_long_as_nothing_changes(site: Site) -> None:
    assert site.count() == EVERYBODY
    assert site.count() == []
    site.fill(CHART)  # the same, pulled again
    assert site.count() == []


def test_only_a_patient_whose_records_changed_is_evaluated_again(site: Site) -> None:
    site.count()
    new = event("canary-berta", "eat", "01-06T15:00")
    strange = event("canary-carl", "odd", "01-06T15:00")
    strange["code"] = {"coding": [{"system": "urn:x", "code": "odd"}]}
    site.fill([*CHART, new, strange])
    assert site.count() == ["canary-berta", "canary-carl"]


def test_who_comes_is_counted_and_who_goes_is_not(site: Site) -> None:
    site.count()
    gone = [one for one in CHART if "anna" not in str(one)]
    site.fill([*gone, *surgical("canary-zoe", ("drink", "eat", "mobilise"))])
    assert site.count() == ["canary-zoe"]


def test_a_period_that_has_ended_meanwhile_is_evaluated_for_everybody(site: Site) -> None:
    site.count(last="2026-01")
    assert site.count(last="2026-02") == EVERYBODY
    assert site.count(last="2026-02") == []


def test_other_strata_are_evaluated_for_everybody(site: Site) -> None:
    site.count()
    for sex in ("female", "male"):
        assert site.count(sex=sex) == EVERYBODY
        assert site.count(sex=sex) == []


def test_a_period_that_is_released_no_more_costs_nothing(site: Site) -> None:
    site.count(last="2026-02")
    assert site.count(last="2026-01") == []
    assert site.count(last="2026-01") == []


def test_another_mapping_or_program_holds_for_everybody(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.count()
    assert site.count(mapping="sha256:other") == EVERYBODY
    monkeypatch.setattr(recollection, "program_hash", lambda: "a later version")
    assert site.count(mapping="sha256:other") == EVERYBODY


def test_another_logic_or_time_zone_holds_for_everybody(site: Site, tmp_path: Path) -> None:
    site.count()
    site.zone = ZoneInfo("Asia/Tokyo")
    assert site.count() == EVERYBODY
    shutil.copytree(MEASURES / "dreaming", tmp_path / "dreaming")
    logic = tmp_path / "dreaming" / "elm" / "Dreaming.json"
    logic.write_text(logic.read_text().replace('"value":24', '"value":1'))
    site.packages = [load_package(tmp_path / "dreaming"), PACKAGES[1]]
    assert site.count() == EVERYBODY
    assert site.count() == []


@pytest.mark.parametrize("keep", [0, 30, 400, -5])
def test_a_damaged_file_costs_time_and_nothing_else(site: Site, keep: int) -> None:
    site.count()
    path = site.config.data_dir / FILE
    path.write_bytes(path.read_bytes()[:keep])
    assert site.count()
    assert site.count() == []


def test_a_patient_whose_result_is_not_defined_stays_one(site: Site) -> None:
    odd = surgical("canary-zoe", ("drink", "eat", "mobilise"))
    for one in odd:
        if one["resourceType"] == "Procedure":
            one["performedPeriod"] = {"start": "soon", "end": "later"}
    site.fill([*CHART, *odd])
    assert site.count() == [*EVERYBODY, "canary-zoe"]
    assert site.count() == []
    assert sum(one.failed for one in site.counted) > 0


def test_what_is_kept_is_its_owners_alone(site: Site) -> None:
    site.count()
    assert stat.S_IMODE((site.config.data_dir / FILE).stat().st_mode) == 0o600


def test_a_later_pull_finds_what_was_found_when_the_period_was_followed_up(site: Site) -> None:
    """Readmission asks whether thirty days have passed since a discharge in January."""
    assert any("Now()" in text.read_text() for text in (MEASURES / "readmission").rglob("*.cql"))
    assert site.count() == EVERYBODY
    assert site.count(as_of=AS_OF + timedelta(days=100)) == []


def test_on_the_first_day_it_is_not_over_by_every_clock(site: Site) -> None:
    followed_up = datetime.fromisoformat("2026-03-03T00:00:00+00:00")
    assert site.count(as_of=followed_up) == EVERYBODY
    assert site.count(as_of=followed_up + timedelta(hours=23)) == EVERYBODY
    assert site.count(as_of=followed_up + timedelta(hours=24)) == EVERYBODY
    assert site.count(as_of=followed_up + timedelta(hours=25)) == []
