"""People who have two numbers at a hospital, of whom its Group lists one: the records of both are
there, or the result is doubted."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.measure.completeness import COMPLETE, Reason
from service.site.config import SiteConfig
from service.site.refreshing import refresh
from service.site.verdict import Fault
from tests.ehr import COHORT, GROUP, PATIENTS, PLAN, assert_doubted, searching, site_config
from tests.faults.hospital import Hospital, run_hospital
from tests.faults.proxy import Fault as Spoiled
from tests.faults.proxy import alter, alter_json, answer
from tests.properties.test_refresh import content

OLD, NEW, *OTHERS = PATIENTS
NO_SEARCH = answer(404, "/_search")
NO_GROUP = answer(404, f"GET .*/Group/{GROUP}$")
STRANGER = "pat-zyzzyva-9"


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    with run_hospital(tmp_path_factory.mktemp("merging")) as hospital:
        yield hospital


def lists(*ids: str) -> dict[str, Any]:
    """The Group with these members."""
    return {**COHORT, "member": [{"entity": {"reference": f"Patient/{id}"}} for id in ids]}


def says(hospital: Hospital, id: str, kind: str, other: str) -> dict[str, Any]:
    """A patient with a link to another one."""
    link = {"type": kind, "other": {"reference": f"Patient/{other}"}}
    return {**hospital.there["Patient", id], "link": [link]}


def merge(hospital: Hospital, *listed: str, told_by: str = "both") -> None:
    """Put two patients together; the Group lists some of the hospital's patients."""
    old, new = (hospital.there["Patient", id] for id in (OLD, NEW))
    hospital.put(lists(*listed), *({**one, "link": []} for one in (old, new)))
    if told_by in ("both", "old"):
        hospital.put(says(hospital, OLD, "replaced-by", NEW))
    if told_by in ("both", "new"):
        hospital.put(says(hospital, NEW, "replaces", OLD))


def without(id: str) -> tuple[Spoiled, ...]:
    """An export in which nothing of a patient is, and no count says so."""

    def is_of_another(line: bytes) -> bool:
        resource = json.loads(line)
        told = resource.get("subject", {}).get("reference")
        return resource["id"] != id and told != f"Patient/{id}"

    def rest(body: bytes) -> bytes:
        return b"".join(line for line in body.splitlines(keepends=True) if is_of_another(line))

    return (
        alter("bulk-files", rest),
        alter_json(
            "GET .*bulk-status",
            lambda m: {**m, "output": [{**f, "count": None} for f in m["output"]]},
        ),
    )


def exporting(hospital: Hospital, data_dir: Path) -> SiteConfig:
    return site_config(hospital.base_url, hospital.key, data_dir)


@pytest.mark.parametrize("told_by", ["both", "old", "new"])
@pytest.mark.parametrize("listed", [OLD, NEW], ids=["old", "new"])
def test_an_export_has_the_records_of_both_numbers(
    hospital: Hospital, tmp_path: Path, listed: str, told_by: str
) -> None:
    """The server sends the other's Patient at most; the rest is searched."""
    merge(hospital, listed, *OTHERS, told_by=told_by)
    one = refresh(exporting(hospital, tmp_path / "one"), PLAN)
    hospital.put(lists(*PATIENTS))
    both = refresh(exporting(hospital, tmp_path / "both"), PLAN)
    assert (one.completeness(), both.completeness()) == (COMPLETE, COMPLETE)
    assert content(tmp_path / "one") == content(tmp_path / "both")


def test_it_is_what_a_search_has(hospital: Hospital, tmp_path: Path) -> None:
    merge(hospital, NEW, *OTHERS)
    refresh(exporting(hospital, tmp_path / "exported"), PLAN)
    refresh(searching(exporting(hospital, tmp_path / "searched")), PLAN)
    assert content(tmp_path / "exported") == content(tmp_path / "searched")


def test_a_number_that_the_group_lists_and_the_export_lacks_is_searched(
    hospital: Hospital, tmp_path: Path
) -> None:
    """A Group that is slower than the hospital: nobody misses the old number where the new one is
    there, and the records may have either."""
    merge(hospital, *PATIENTS)
    refresh(exporting(hospital, tmp_path / "both"), PLAN)
    with hospital.proxy.fault(*without(OLD)):
        store = refresh(exporting(hospital, tmp_path / "one"), PLAN)
    assert store.completeness() == COMPLETE
    assert content(tmp_path / "one") == content(tmp_path / "both")


@pytest.mark.parametrize("listed", [OLD, NEW], ids=["old", "new"])
def test_where_nobody_may_search_the_result_is_doubted(
    hospital: Hospital, tmp_path: Path, listed: str
) -> None:
    merge(hospital, listed, *OTHERS)
    with hospital.proxy.fault(NO_SEARCH):
        store = refresh(exporting(hospital, tmp_path), PLAN)
    assert_doubted(store, {Reason.UNRESOLVED_REFERENCE})
    assert [finding.fault for finding in store.facts.findings] == [Fault.UNKNOWN_SUCCESSOR]


# A Group that the EHR exports and does not show


def test_of_whom_the_group_lists_nobody_knows_and_both_numbers_are_searched(
    hospital: Hospital, tmp_path: Path
) -> None:
    merge(hospital, NEW, *OTHERS)
    refresh(exporting(hospital, tmp_path / "shown"), PLAN)
    with hospital.proxy.fault(NO_GROUP):
        store = refresh(exporting(hospital, tmp_path / "hidden"), PLAN)
    assert store.completeness() == COMPLETE
    assert content(tmp_path / "shown") == content(tmp_path / "hidden")


@pytest.mark.parametrize("shown", [True, False], ids=["shown", "hidden"])
def test_who_is_somebody_else_is_no_member_for_naming_one(
    hospital: Hospital, tmp_path: Path, shown: bool
) -> None:
    """The server sends whoever names a member; whether they are one the Group alone can tell."""
    merge(hospital, *PATIENTS, told_by="nobody")
    known = hospital.there["Patient", STRANGER]
    hospital.put(says(hospital, STRANGER, "seealso", NEW))
    with hospital.proxy.fault(*([] if shown else [NO_GROUP])):
        store = refresh(exporting(hospital, tmp_path), PLAN)
    hospital.put({**known, "link": []})
    if shown:
        assert (store.facts.patients, store.completeness()) == (len(PATIENTS), COMPLETE)
        return
    assert_doubted(store, {Reason.UNRESOLVED_REFERENCE})
    assert [finding.fault for finding in store.facts.findings] == [Fault.UNKNOWN_MEMBER]
