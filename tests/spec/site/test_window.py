"""A window: of whom is what is dated lately not as the store has it?

`tests/properties/test_refresh.py` compares what comes of it with full pulls, and
`tests/faults/test_ehr_search_window.py` has a real server.
"""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from service.errors import ConfigError
from service.fhir.compartment import SHARED
from service.site.config import RefreshConfig
from service.site.refreshing import refresh
from service.site.store import open_store
from service.site.window import Window, patients_with_news, window_of
from tests.ehr import PLAN as EHRS
from tests.ehr import SmallEhr, searching, with_fhir
from tests.faults.proxy import answer
from tests.spec.site.test_store import PLAN, built, observation, patient, pulled, replaced_by

WINDOW = Window("2026-04")
DATED = {"Observation"}
Resource = dict[str, Any]


def on(day: str, id: str = "o1", of: str = "a", value: int = 1) -> Resource:
    """An Observation of a day."""
    return observation(id, of, value) | {"effectiveDateTime": day}


def news(site: Path, *seen: Resource) -> frozenset[str] | None:
    """The patients who have news, after what was seen."""
    came = pulled(site / "seen", *([each] for each in seen))
    return patients_with_news(came, PLAN, WINDOW, DATED, site)


def stored(site: Path, *resources: Resource) -> None:
    built(site, *([each] for each in resources))


A, B = patient("a"), patient("b")


@pytest.mark.parametrize(
    ("before", "seen", "who"),
    [
        ([on("2026-04-02")], [on("2026-04-02")], set()),
        ([], [on("2026-04-02")], {"a"}),
        ([on("2026-04-02")], [on("2026-04-02", value=2)], {"a"}),
        ([on("2026-04-02")], [], {"a"}),
        ([on("2026-03-31")], [], set()),
        ([on("2026-03-31")], [on("2026-03-31")], set()),
        ([on("2026-03-31")], [on("2026-04-01")], {"a"}),
        ([observation("o1", "a")], [], set()),
        ([on("2026-04-02")], [on("2026-04-02", of="b")], {"a", "b"}),
        ([on("2026-03-31")], [on("2026-04-02", of="b")], {"b"}),
    ],
    ids=[
        *("the same", "new", "otherwise", "gone", "before the window and not asked for"),
        *("before it and sent all the same", "now in it", "of no date", "moved"),
        "moved into it: whoever had it is found when it is laid over the store",
    ],
)
def test_who_has_news(
    tmp_path: Path, before: list[Resource], seen: list[Resource], who: set[str]
) -> None:
    stored(tmp_path, A, B, *before)
    assert news(tmp_path, A, B, *seen) == who


def test_of_a_type_without_a_search_by_date_all_is_seen(tmp_path: Path) -> None:
    stay = {"resourceType": "Encounter", "id": "e", "subject": {"reference": "Patient/a"}}
    stored(tmp_path, A, B, stay)
    assert news(tmp_path, A, B, stay) == set()
    assert news(tmp_path, A, B) == {"a"}


def test_a_new_patient_is_news_and_one_who_left_waits_for_the_full_pull(tmp_path: Path) -> None:
    stored(tmp_path, A, on("2026-04-02"))
    assert news(tmp_path, B) == {"b"}


def test_records_of_patients_who_were_not_asked_for_are_nobodys_news(tmp_path: Path) -> None:
    stored(tmp_path, A)
    assert news(tmp_path, A, on("2026-04-02", of="stranger")) == set()


def test_who_was_put_together_is_pulled_together(tmp_path: Path) -> None:
    old = patient("old") | {"link": [replaced_by("a")]}
    stored(tmp_path, A, B, old)
    assert news(tmp_path, A, B, old) == set()
    assert news(tmp_path, A, B, old, on("2026-04-02", of="old")) == {"a", "old"}
    assert news(tmp_path, A, B, patient("old")) == {"a", "old"}
    assert news(tmp_path, A, B | {"link": [replaced_by("a")]}, old) == {"a", "b", "old"}


@pytest.mark.parametrize("left", ["a", "old"])
def test_when_one_of_them_has_left_everything_is_wanted(tmp_path: Path, left: str) -> None:
    old = patient("old") | {"link": [replaced_by("a")]}
    stored(tmp_path, A, B, old)
    assert news(tmp_path, *(each for each in (A, B, old) if each["id"] != left)) is None


def test_what_is_nobodys_own_is_not_looked_at(tmp_path: Path) -> None:
    """A Device is somebody's when it says so, and comes only where something refers to it."""
    device = {"resourceType": "Device", "id": "d", "patient": {"reference": "Patient/a"}}
    assert "Device" in SHARED
    stored(tmp_path, A, device)
    assert news(tmp_path, A) == set()


def test_a_window_begins_with_a_month_and_is_asked_for_a_day_earlier(tmp_path: Path) -> None:
    stored(tmp_path, A)
    facts = open_store(tmp_path).facts
    assert facts.reconciled == "2026-06-01T00:00:00+00:00"
    assert window_of(facts, 1) == window_of(facts, 31) == Window("2026-05")
    assert window_of(facts, 32) == WINDOW
    assert WINDOW.day == date(2026, 3, 31)


NIGHTLY = RefreshConfig(full_days=7, window_days=31)


def test_without_a_search_by_date_there_is_no_window_and_that_is_said(
    ehr: SmallEhr, tmp_path: Path
) -> None:
    config = searching(ehr.config(tmp_path / "data"))
    config = config.model_copy(update={"refresh": NIGHTLY})
    with pytest.raises(ConfigError, match="refresh.window_days"):
        refresh(config, EHRS)  # on the first night, when no window is wanted yet


def test_who_cannot_be_searched_is_pulled_whole(
    ehr: SmallEhr, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An export knows a Group that may not be read; a window needs its members."""
    config = with_fhir(ehr.config(tmp_path / "data"), vendor="epic")
    config = config.model_copy(update={"refresh": NIGHTLY})
    with ehr.proxy.fault(answer(403, "GET .*/Group/cohort$")):
        refresh(config, EHRS)
        capsys.readouterr()
        store = refresh(config, EHRS)
    assert "everything is pulled instead" in capsys.readouterr().err
    assert not store.facts.findings


@pytest.mark.parametrize("damage", [Path.unlink, lambda part: part.write_bytes(b"PAR1" * 9)])
def test_a_store_with_a_lost_or_damaged_file_is_pulled_anew(
    ehr: SmallEhr,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    damage: Callable[[Path], object],
) -> None:
    """Changes can be laid over what is there alone."""
    config = with_fhir(ehr.config(tmp_path / "data"), vendor="epic")
    config = config.model_copy(update={"refresh": NIGHTLY})
    truth = list(refresh(config, EHRS).patients())
    for part in (config.data_dir / "store").glob("*"):
        damage(part)
    store = refresh(config, EHRS)
    assert (list(store.patients()), store.facts.findings) == (truth, [])
    assert "everything is pulled" in capsys.readouterr().err
