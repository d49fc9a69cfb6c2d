"""The verdict on a measure in a month, from what is known of the store and the site's own rules."""

from collections.abc import Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from service.measure.completeness import Reason, Verdict
from service.measure.package import load_package
from service.measure.period import Period
from service.site.config import VerdictConfig
from service.site.judging import Judge, Judged
from service.site.mapped_store import MappedStore
from service.site.mapping import NO_MAPPING
from service.site.needs import needs_of
from service.site.verdict import Fault, Finding
from tests.spec.site_api.conftest import MEASURES, write_site
from tests.spec.site_api.hospital import CHART, Resource, event, fill_store

DREAMING = load_package(MEASURES / "dreaming")
JANUARY, FEBRUARY = Period.parse("2026-01"), Period.parse("2026-02")


def judged(
    folder: Path,
    period: Period,
    rules: VerdictConfig,
    chart: Sequence[Resource] = CHART,
    found: Sequence[Finding] = (),
) -> Judged:
    """The verdict on a period after a pull on 1 June 2026."""
    store = fill_store(write_site(folder), chart, found)
    mapped = MappedStore(store, NO_MAPPING, [needs_of(DREAMING)])
    assert list(mapped.patients())  # looks at all of them
    return Judge(store.facts, mapped.survey, ZoneInfo("UTC"), rules).on(DREAMING, period)


def test_a_month_is_provisional_for_as_long_as_the_site_says_that_records_come_late(
    tmp_path: Path,
) -> None:
    days = 31 + 30 + 31 + 28  # from the end of January to the pull on 1 June
    early = judged(tmp_path, JANUARY, VerdictConfig(late_days=days + 1))
    assert early.completeness.verdict is Verdict.PROVISIONAL
    assert early.completeness.reasons == {Reason.WINDOW_OPEN}
    (tmp_path / "later").mkdir()
    later = judged(tmp_path / "later", JANUARY, VerdictConfig(late_days=days - 2))
    assert later.completeness.verdict is Verdict.COMPLETE


@pytest.mark.parametrize(
    ("share", "verdict"), [(0.05, Verdict.PROVISIONAL), (0.01, Verdict.NOT_COMPUTABLE)]
)
def test_above_the_sites_share_of_lost_records_there_is_no_number(
    tmp_path: Path, share: float, verdict: Verdict
) -> None:
    events = [{**event("canary-anna", "drink", "01-06T15:00"), "id": f"o{n}"} for n in range(200)]
    lost = Finding(Fault.UNREADABLE, "0001-Observation.ndjson", 5, "Observation")
    rules = VerdictConfig(tolerated_share=share)
    found = judged(tmp_path, JANUARY, rules, [*CHART, *events], [lost])
    assert found.completeness.verdict is verdict


def test_a_month_of_nothing_after_a_month_of_much_counts_against_it(tmp_path: Path) -> None:
    events = [{**event("canary-anna", "drink", "01-06T15:00"), "id": f"o{n}"} for n in range(12)]
    for period, missed in ((JANUARY, False), (FEBRUARY, True)):
        folder = tmp_path / f"{period.start}"
        folder.mkdir()
        found = judged(folder, period, VerdictConfig(), [*CHART, *events])
        assert (Fault.EMPTY_MONTH in {one.fault for one in found.findings}) is missed
        assert (Reason.MISSING_DATA in found.completeness.reasons) is missed
