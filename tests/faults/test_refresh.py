"""Changes pulled from a real server: the truth, or a verdict that says what they cannot show."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest

from service.measure.completeness import COMPLETE, Reason, Verdict
from service.site.refreshing import refresh
from service.site.store import Store
from tests.ehr import PATIENTS, PLAN, searching, site_config, with_fhir
from tests.faults.hospital import Hospital, run_hospital
from tests.properties.test_refresh import content, told


@pytest.fixture
def hospital(tmp_path: Path) -> Iterator[Hospital]:
    with run_hospital(tmp_path) as hospital:
        yield hospital


def night(hospital: Hospital, site: Path, full_days: int = 7) -> Store:
    return refresh(hospital.config(site, full_days), PLAN)


def searched(hospital: Hospital, site: Path) -> Store:
    """Everything, by another way than an export."""
    config = site_config(hospital.base_url, hospital.key, site)
    return refresh(searching(config, page_size="200", patients_at_once="10"), PLAN)


def check(hospital: Hospital, folder: Path, random: Random, nights: int, changes: int) -> int:
    """Nights of changes, and after each a full pull; how many nights showed less than the truth,
    which is what a search finds."""
    night(hospital, folder / "site")
    short = 0
    for number in range(nights):
        for _ in range(changes):
            hospital.change(random)
        laid = night(hospital, folder / "site")
        truth = searched(hospital, folder / f"fresh-{number}")
        if content(folder / "site") != content(folder / f"fresh-{number}"):
            short += 1
            assert laid.completeness().verdict is not Verdict.COMPLETE
            assert Reason.UNRECONCILED in laid.completeness().reasons
        full = night(hospital, folder / "site", full_days=0)
        assert content(folder / "site") == content(folder / f"fresh-{number}")
        assert told(full) == told(truth)
        assert Reason.UNRECONCILED not in full.completeness().reasons
    return short


@pytest.mark.full
def test_after_the_full_pull_the_store_is_that_of_a_fresh_one(
    hospital: Hospital, tmp_path: Path
) -> None:
    check(hospital, tmp_path, Random(1), nights=2, changes=6)


def test_changes_are_not_held_against_all_that_their_patients_have(
    hospital: Hospital, tmp_path: Path
) -> None:
    """A patient who changed comes without the records that did not."""
    config = with_fhir(hospital.config(tmp_path, full_days=7), check_patients=20)
    full = refresh(config, PLAN)
    hospital.put({**hospital.there["Patient", PATIENTS[0]], "birthDate": "1957-03-28"})
    laid = refresh(config, PLAN)
    again = refresh(config, PLAN)
    assert full.completeness() == COMPLETE
    for changed in (laid, again):
        assert changed.facts.reconciled == full.facts.reconciled
        assert changed.completeness().reasons == {Reason.UNRECONCILED}


@pytest.mark.full
def test_what_changes_do_not_show_is_named(hospital: Hospital, tmp_path: Path) -> None:
    """An export of a Group sends neither; it can be right before both and after both."""
    ward = hospital.there["Location", "ward"]
    pain = hospital.there["Observation", "pain-2"]
    elsewhere = {"reference": "Patient/pat-zyzzyva-9"}
    steps = {
        "a place": {**ward, "type": [{"text": "Medical ward"}]},
        "outside of the group": {**pain, "subject": elsewhere},
    }
    night(hospital, tmp_path / "site")
    for number, (name, change) in enumerate(steps.items()):
        hospital.put(change)
        [unseen] = night(hospital, tmp_path / "site").facts.findings
        night(hospital, tmp_path / f"fresh-{number}")
        assert content(tmp_path / "site") != content(tmp_path / f"fresh-{number}")
        assert name in str(unseen)
    hospital.put(ward, pain)


@pytest.mark.full
def test_a_window_shows_new_changed_moved_and_deleted_records_of_these_days(
    hospital: Hospital, tmp_path: Path
) -> None:
    """The pull of everything is an export here, and the window is searched."""
    today = {"effectiveDateTime": datetime.now(UTC).isoformat(timespec="seconds")}
    one = {**hospital.there["Observation", "pain-1"], "id": "today", **today}
    order = {**hospital.there["MedicationRequest", "order-1"], "id": "today"}  # of no date
    steps: list[Callable[[], None]] = [
        lambda: hospital.put(one, order),
        lambda: hospital.put({**one, "valueQuantity": {"value": 7}}),
        lambda: hospital.put({**one, "subject": {"reference": f"Patient/{PATIENTS[1]}"}}),
        lambda: hospital.delete(("Observation", "today")),
        lambda: hospital.delete(("MedicationRequest", "today")),
        lambda: None,
    ]
    config = hospital.windowed(tmp_path / "site")
    refresh(config, PLAN)
    for number, step in enumerate(steps):
        before = content(config.data_dir)
        step()
        laid = refresh(config, PLAN)
        truth = night(hospital, tmp_path / f"fresh-{number}")
        assert content(config.data_dir) == content(tmp_path / f"fresh-{number}")
        assert (content(config.data_dir) == before) is (number == len(steps) - 1)
        assert told(laid) == told(truth)
        assert laid.completeness().reasons == {Reason.UNRECONCILED}


@pytest.mark.full
def test_after_a_thousand_changes_too(hospital: Hospital, tmp_path: Path) -> None:
    assert check(hospital, tmp_path, Random(2), nights=20, changes=50) > 0
