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
    place,
    pulled,
    replaced_by,
    stay,
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


def test_a_type_that_was_mostly_lost_stays_so_until_a_full_pull(tmp_path: Path) -> None:
    lost = [observation(f"x{n}", "a") | {"status": "Final"} for n in range(4)]
    store = built(tmp_path, [patient("a")], [*lost, observation("o1", "a")])
    assert store.completeness().verdict is Verdict.NOT_COMPUTABLE
    after = changed(tmp_path, [stay("e", "a", "bed")], [place("bed")])
    assert after is not None
    assert Fault.MOSTLY_LOST in {finding.fault for finding in after.facts.findings}


def test_what_comes_again_every_night_is_not_lost_anew(tmp_path: Path) -> None:
    built(tmp_path, [patient("a")], [observation(f"o{n}", "a") for n in range(20)])
    odd = [observation(f"o{n}", "a") | {"status": "Final"} for n in range(4)]
    for _ in range(4):
        after = changed(tmp_path, odd)
    assert after is not None
    assert Fault.MOSTLY_LOST not in {finding.fault for finding in after.facts.findings}


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


def test_what_a_record_contains_is_there_and_stays_when_its_patient_changes(tmp_path: Path) -> None:
    """A stay at a ward that is no record of its own at the EHR."""

    def at_home(id: str, of: str) -> dict[str, Any]:
        ward = {"resourceType": "Location", "id": "here", "status": "active"}
        return stay(id, of, "x") | {
            "contained": [ward],
            "location": [{"location": {"reference": "#here"}}],
        }

    def wards(store: Store | None) -> dict[str, list[str]]:
        assert store is not None and not {
            each.fault
            for each in store.facts.findings
            if each.fault not in (Fault.UNRECONCILED, Fault.UNKNOWN_PATIENT)
        }
        return {
            one.id: [each["id"] for each in one.resources.get("Location", ())]
            for one in store.patients()
        }

    before = built(tmp_path, [patient("a"), patient("b")], [at_home("e", "a"), at_home("f", "b")])
    assert wards(before) == {"a": ["Encounter~e~here"], "b": ["Encounter~f~here"]}
    after = changed(tmp_path, [observation("o1", "a")], [at_home("g", "b"), at_home("h", "x")])
    assert wards(after) == {
        "a": ["Encounter~e~here"],
        "b": ["Encounter~f~here", "Encounter~g~here"],
    }
    assert after and after.facts.resources["Location"] == 3, "none of the stranger's"


def test_what_a_place_contains_is_there_when_somebody_comes_to_it_later(tmp_path: Path) -> None:
    """A ward within a building that is no record of its own; and an id that only looks like it."""
    building = {"resourceType": "Location", "id": "up", "status": "active"}
    ward = place("new") | {"contained": [building], "partOf": {"reference": "#up"}}
    built(tmp_path, [patient("a")], [stay("e", "a", "ward")], [place("ward"), ward, place("icu~1")])
    after = changed(tmp_path, [stay("f", "a", "new"), stay("g", "a", "icu~1")])
    assert after is not None
    [found] = after.patients()
    places = [each["id"] for each in found.resources["Location"]]
    assert places == ["Location~new~up", "icu~1", "new", "ward"]
    assert {each.fault for each in after.facts.findings} == {Fault.UNRECONCILED}
