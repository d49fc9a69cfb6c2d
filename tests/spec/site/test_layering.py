"""A pull of changes laid over the store: what a full pull would give, or the wish for a full pull.

`tests/properties/test_refresh.py` compares the two after anything that can happen; here stands what
changes alone cannot show.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from service.measure.completeness import COMPLETE, Verdict
from service.site.acquisition import AcquiredFile, Acquisition
from service.site.layering import lay_over
from service.site.store import Store
from service.site.verdict import Fault
from tests.spec.site.test_store import (
    BASE,
    PLAN,
    built,
    observation,
    patient,
    pulled,
    replaced_by,
)

SINCE = "2026-06-01T00:00:00+00:00"


def changed(
    site: Path, *files: Iterable[dict[str, Any] | str], deleted: Iterable[str] = ()
) -> Store | None:
    """The store after changes, and after what was deleted (as in Patient/1); None as `lay_over`."""
    folder = site / "night"
    came = pulled(folder, *files)
    entries = [{"request": {"method": "DELETE", "url": url}} for url in deleted]
    told = folder / "deleted.ndjson"
    told.write_text(json.dumps({"resourceType": "Bundle", "entry": entries}) + "\n")
    gone = (AcquiredFile(told, "Bundle", 1),)
    night = Acquisition(folder, BASE, SINCE, came.files, (), since=SINCE, deleted=gone)
    return lay_over(night, PLAN, site)


def held(store: Store | None) -> dict[str, list[str]]:
    """The ids of each patient's Observations."""
    assert store is not None
    return {
        one.id: [each["id"] for each in one.resources.get("Observation", ())]
        for one in store.patients()
    }


def test_of_whom_nothing_changed_nothing_changes(tmp_path: Path) -> None:
    built(tmp_path, [patient("a"), patient("b")], [observation("o1", "a"), observation("o2", "b")])
    after = changed(tmp_path, [observation("o3", "b")])
    assert held(after) == {"a": ["o1"], "b": ["o2", "o3"]}


def test_what_is_lacking_is_lacking_once_however_often_it_is_looked_at(tmp_path: Path) -> None:
    """Of a patient with news all is read again."""
    nameless = {name: of for name, of in observation("x", "a").items() if name != "status"}
    built(tmp_path, [patient("a")], [*(observation(f"o{n}", "a") for n in range(30)), nameless])
    for night in range(3):
        after = changed(tmp_path, [observation(f"new-{night}", "a")])
        assert after is not None
        lacking = [one.count for one in after.facts.findings if one.fault is Fault.NOT_UNDERSTOOD]
        assert lacking == [1]


def test_records_that_come_again_do_not_make_what_is_lost_less(tmp_path: Path) -> None:
    many = [observation(f"o{n}", "a") for n in range(30)]
    store = built(tmp_path, [patient("a")], [*many, "spoiled", "spoiled", "spoiled"])
    assert store.completeness().verdict is Verdict.NOT_COMPUTABLE
    for _ in range(3):
        after = changed(tmp_path, many)
        assert after is not None
        assert after.completeness().verdict is Verdict.NOT_COMPUTABLE


def test_what_is_to_be_expected_a_full_pull_tells(tmp_path: Path) -> None:
    """What was deleted, and not told to be, is still in a layer."""
    first = [observation(f"o{n}", "a") for n in range(40)]
    anew = [observation(f"again-{n}", "a") for n in range(40)]
    built(tmp_path, [patient("a")], first)
    after = changed(tmp_path, anew)
    assert after is not None and after.facts.resources["Observation"] == 80
    assert built(tmp_path, [patient("a")], anew).completeness() == COMPLETE


def test_a_new_patient_needs_no_full_pull(tmp_path: Path) -> None:
    built(tmp_path, [patient("a")], [observation("o1", "a")])
    assert held(changed(tmp_path, [patient("b")], [observation("o2", "b")])) == {
        "a": ["o1"],
        "b": ["o2"],
    }


# A patient's records stay at the EHR when the patient is deleted there. They are nobody's then, and
# are not kept. Should the patient come back, changes bring the Patient, and none of those records:
# the store would hold half of a patient.


def test_a_patient_who_comes_back_needs_a_full_pull(tmp_path: Path) -> None:
    built(tmp_path, [patient("a"), patient("b")], [observation("o1", "a"), observation("o2", "b")])
    after = changed(tmp_path, deleted=["Patient/b"])
    assert held(after) == {"a": ["o1"]}
    assert after is not None and after.facts.absent == ["b"]
    assert changed(tmp_path, [observation("o3", "a")]) is not None  # others can still change
    assert changed(tmp_path, [patient("b")]) is None


def test_a_patient_who_leaves_nothing_behind_may_come_back(tmp_path: Path) -> None:
    built(tmp_path, [patient("a"), patient("b")], [observation("o1", "b")])
    changed(tmp_path, deleted=["Patient/b", "Observation/o1"])
    assert held(changed(tmp_path, [patient("b")])) == {"a": [], "b": []}


def test_a_patient_who_comes_after_their_records_needs_a_full_pull(tmp_path: Path) -> None:
    store = built(tmp_path, [patient("a")], [observation("o1", "late")])
    assert store.facts.absent == ["late"]
    assert changed(tmp_path, [patient("late")]) is None


def test_so_does_one_whose_records_came_with_changes(tmp_path: Path) -> None:
    built(tmp_path, [patient("a")], [observation("o1", "a")])
    assert held(changed(tmp_path, [observation("o2", "late")])) == {"a": ["o1"]}
    assert changed(tmp_path, [patient("late")]) is None


def test_and_one_who_takes_over_such_records(tmp_path: Path) -> None:
    """Who replaces a patient has their records, those too that were set aside."""
    built(tmp_path, [patient("a")], [observation("o1", "old")])
    link = {"other": {"reference": "Patient/old"}, "type": "replaces"}
    assert changed(tmp_path, [patient("a") | {"link": [link]}]) is None
    assert changed(tmp_path, [patient("old") | {"link": [replaced_by("a")]}]) is None
