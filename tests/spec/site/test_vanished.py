"""What the last store had and a pull did not bring is looked up before it is taken for gone."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from service.measure.completeness import COMPLETE, Reason
from service.site.building import build_store
from service.site.changes import Key
from service.site.looking_up import look_up
from service.site.refreshing import refresh
from service.site.store import Store
from service.site.vanished import LookedUp
from service.site.verdict import Fault
from tests.ehr import SmallEhr, searching
from tests.faults.proxy import Fault as Problem
from tests.faults.proxy import answer
from tests.faults.test_ehr_search_faults import pages, relinked
from tests.spec.site.test_store import PLAN, built, faults, observation, patient, pulled
from tests.spec.site.test_window import EHRS

FIRST = [patient("a"), patient("b")], [observation(f"o{n}", "a") for n in range(5)]


def again(
    folder: Path, *files: Any, there: Sequence[dict[str, Any]] | None = ()
) -> tuple[Store, int]:
    """The store of a further pull of an EHR that has these of what is looked up, or with None does
    not say; and how much of that was asked for."""
    asked: list[Key] = []

    def look_up(keys: Sequence[Key]) -> LookedUp:
        asked.extend(keys)
        if there is None:
            return LookedUp(unsure=keys)
        found = (one for one in there if (one["resourceType"], one["id"]) in keys)
        return LookedUp([json.dumps(one).encode() for one in found])

    store = build_store(pulled(folder / "pull", *files), PLAN, folder, look_up=look_up)
    return store, len(asked)


def test_what_is_gone_at_the_ehr_is_gone(tmp_path: Path) -> None:
    built(tmp_path, *FIRST)
    store, asked = again(tmp_path, FIRST[0], FIRST[1][1:])
    assert (asked, store.facts.resources["Observation"]) == (1, 4)
    assert store.completeness() == COMPLETE


def test_what_is_there_was_left_out_and_goes_into_the_store(tmp_path: Path) -> None:
    built(tmp_path, *FIRST)
    for _ in range(2):  # it is not forgotten the next time
        store, asked = again(tmp_path, FIRST[0], FIRST[1][1:], there=FIRST[1])
        assert (asked, store.facts.resources["Observation"]) == (1, 5)
        assert faults(store) == {(Fault.LEFT_OUT, "Observation"): 1}
    assert again(tmp_path, *FIRST)[0].completeness() == COMPLETE


def test_what_cannot_be_looked_up_is_doubted_until_a_second_pull_lacks_it_too(
    tmp_path: Path,
) -> None:
    built(tmp_path, *FIRST)
    store, asked = again(tmp_path, FIRST[0], FIRST[1][1:], there=None)
    assert (asked, store.facts.resources["Observation"]) == (1, 4)
    assert faults(store) == {(Fault.VANISHED, "Observation"): 1}
    assert again(tmp_path, FIRST[0], FIRST[1][1:], there=None)[0].completeness() == COMPLETE


def test_what_moved_to_a_patient_who_was_asked_before_is_found(tmp_path: Path) -> None:
    built(tmp_path, *FIRST)
    moved = observation("o0", "b")
    store, _ = again(tmp_path, FIRST[0], FIRST[1][1:], there=[moved])
    assert [len(one.resources.get("Observation", ())) for one in store.patients()] == [4, 1]
    assert store.completeness().reasons == {Reason.MISSING_DATA}


def test_what_moved_to_somebody_who_is_not_in_the_group_is_none_of_ours(tmp_path: Path) -> None:
    built(tmp_path, *FIRST)
    store, _ = again(tmp_path, FIRST[0], FIRST[1][1:], there=[observation("o0", "stranger")])
    assert store.completeness() == COMPLETE


def test_of_those_who_left_nothing_is_looked_up(tmp_path: Path) -> None:
    built(tmp_path, *FIRST)
    assert again(tmp_path, [patient("b")])[1] == 0


def without_pain_4(page: dict[str, Any]) -> dict[str, Any]:
    """A page of a search that leaves out one of its matches, and does not count it either."""
    kept = [each for each in page["entry"] if each["resource"]["id"] != "pain-4"]
    return {**page, "entry": kept, "total": page["total"] - len(page["entry"]) + len(kept)}


def not_supported(page: dict[str, Any]) -> dict[str, Any]:
    """An answer that is none, although it is one by its form."""
    issue = {"severity": "error", "code": "not-supported"}
    outcome = {"resourceType": "OperationOutcome", "issue": [issue]}
    entry = {"resource": outcome, "search": {"mode": "outcome"}}
    return {**page, "entry": [entry], "total": 0}


PAIN_4_LEFT_OUT = pages(without_pain_4, r"/Observation\?.*patient=")
LOOKED_UP = r"/Observation\?.*_id="


@pytest.mark.full
@pytest.mark.parametrize("fault", [answer(403, LOOKED_UP), pages(not_supported, LOOKED_UP)])
def test_a_real_ehr_that_lets_nobody_search_by_id_is_doubted(
    ehr: SmallEhr, tmp_path: Path, fault: Problem
) -> None:
    config = searching(ehr.config(tmp_path / "data"))
    refresh(config, EHRS)
    with ehr.proxy.fault(PAIN_4_LEFT_OUT, fault):
        store = refresh(config, EHRS)
    assert faults(store) == {(Fault.VANISHED, "Observation"): 1}
    assert store.completeness().reasons == {Reason.MISSING_DATA}


def test_what_was_pulled_is_not_lost_when_nothing_can_be_looked_up(
    ehr: SmallEhr, tmp_path: Path
) -> None:
    def leading_elsewhere(page: dict[str, Any]) -> dict[str, Any]:
        return relinked(page, "next", "https://elsewhere.example/fhir?page=2")

    keys = [("Observation", "pain-4")]
    with ehr.proxy.fault(pages(leading_elsewhere, LOOKED_UP)):
        looked_up = look_up(searching(ehr.config(tmp_path / "data")), EHRS, keys)
    assert looked_up == LookedUp(unsure=keys)


@pytest.mark.full
def test_a_real_ehr_that_leaves_out_a_record_is_asked_for_it(ehr: SmallEhr, tmp_path: Path) -> None:
    """One of many: no count would tell."""
    config = searching(ehr.config(tmp_path / "data"))
    truth = list(refresh(config, EHRS).patients())
    with ehr.proxy.fault(PAIN_4_LEFT_OUT):
        store = refresh(config, EHRS)
        assert [path for _, path in ehr.proxy.seen if "_id=pain-4" in path]
    assert list(store.patients()) == truth
    assert store.completeness().reasons == {Reason.MISSING_DATA}
