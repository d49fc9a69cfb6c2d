"""Who is meant, where the EHR says so oddly: nobody is taken in, or left out, in silence."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service.errors import EhrError, UnavailableError
from service.measure.completeness import COMPLETE, Reason, Verdict
from service.site.acquire import acquire
from service.site.building import build_store
from service.site.config import SiteConfig
from service.site.store import Store
from service.site.verdict import Fault
from tests.ehr import GROUP, PATIENTS, PLAN, QUICK, SmallEhr, searching, with_fhir
from tests.faults.proxy import Answer, alter, alter_json, answer
from tests.faults.proxy import Fault as Spoiled
from tests.sampling import sampled

STRANGER = "pat-zyzzyva-9"
WAYS = ["export", pytest.param("search", marks=pytest.mark.full)]


def pulled(config: SiteConfig) -> Store:
    """The store of a pull."""
    acquisition = acquire(config, PLAN, QUICK)
    store = build_store(acquisition, PLAN, config.data_dir)
    acquisition.discard()
    return store


def ids_of(store: Store) -> list[str]:
    """The patients of a store."""
    return [patient.id for patient in store.patients()]


def group(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Spoiled:
    """The Group with a change."""
    return alter_json(f"/Group/{GROUP}$", change)


def first_member(**more: Any) -> Spoiled:
    """The Group, with more said of its first member."""
    return group(lambda g: {**g, "member": [{**g["member"][0], **more}, *g["member"][1:]]})


def both(config: SiteConfig) -> dict[str, SiteConfig]:
    return {"export": config, "search": searching(config)}


# A Group


@pytest.mark.full
def test_a_membership_that_is_over_is_none(ehr: SmallEhr, tmp_path: Path) -> None:
    for end in ("2020", "2020-02", "2020-02-03", "2020-02-03T04:05:06Z"):
        with ehr.proxy.fault(first_member(period={"end": end})):
            store = pulled(searching(ehr.config(tmp_path / end[:10])))
        assert (ids_of(store), store.completeness()) == (list(PATIENTS[1:]), COMPLETE)
    with ehr.proxy.fault(first_member(period={"start": "2020", "end": "2999-01"})):
        assert ids_of(pulled(searching(ehr.config(tmp_path / "then")))) == list(PATIENTS)


def wards(*members: dict[str, Any]) -> Spoiled:
    """The Group `wards` with other members; the first is the Group of the cohort."""
    cohort = {"entity": {"reference": f"Group/{GROUP}"}}
    first, *others = members
    return alter_json("/Group/wards$", lambda g: {**g, "member": [{**cohort, **first}, *others]})


OVER: list[dict[str, Any]] = [{"inactive": True}, {"period": {"end": "2020"}}]
STRANGER_TOO = {"entity": {"reference": f"Patient/{STRANGER}"}}


@pytest.mark.parametrize("over", OVER, ids=str)
def test_the_members_of_a_group_that_has_left_are_none(
    ehr: SmallEhr, tmp_path: Path, over: dict[str, Any]
) -> None:
    config = with_fhir(searching(ehr.config(tmp_path / "data")), group="wards")
    with ehr.proxy.fault(wards(over, STRANGER_TOO)):
        store = pulled(config)
    assert (ids_of(store), store.completeness()) == ([STRANGER], COMPLETE)


def test_a_group_that_has_left_may_be_a_member_otherwise(ehr: SmallEhr, tmp_path: Path) -> None:
    again = {"entity": {"reference": f"Group/{GROUP}"}}
    config = with_fhir(searching(ehr.config(tmp_path / "data")), group="wards")
    with ehr.proxy.fault(wards(OVER[0], STRANGER_TOO, again)):
        store = pulled(config)
    assert (ids_of(store), store.completeness()) == ([*PATIENTS, STRANGER], COMPLETE)


def test_a_group_that_has_left_need_not_be_there(ehr: SmallEhr, tmp_path: Path) -> None:
    config = with_fhir(searching(ehr.config(tmp_path / "data")), group="wards")
    gone = answer(410, f"/Group/{GROUP}$")
    with ehr.proxy.fault(wards(OVER[0], STRANGER_TOO), gone):
        store = pulled(config)
    assert (ids_of(store), store.completeness()) == ([STRANGER], COMPLETE)


@pytest.mark.full
def test_who_left_with_a_group_and_is_exported_all_the_same_is_no_stranger(
    ehr: SmallEhr, tmp_path: Path
) -> None:
    """As is a patient who left: servers differ in whether an export has them."""
    inner = {"entity": {"reference": "Group/inner"}, "inactive": True}
    shown = group(lambda g: {**g, "member": [*g["member"][:3], inner]})
    left = {"entity": {"reference": f"Patient/{PATIENTS[3]}"}}
    of_it = answer(200, "/Group/inner$", body={"resourceType": "Group", "member": [left]})
    with ehr.proxy.fault(shown, of_it):
        store = pulled(ehr.config(tmp_path))
    assert (ids_of(store), store.completeness()) == (list(PATIENTS), COMPLETE)


@pytest.mark.parametrize("way", WAYS)
def test_members_that_are_counted_and_not_listed_are_missing(
    ehr: SmallEhr, tmp_path: Path, way: str
) -> None:
    config = both(ehr.config(tmp_path / "data"))[way]
    with ehr.proxy.fault(group(lambda g: {**g, "quantity": len(g["member"]) + 2})):
        store = pulled(config)
    [finding] = store.facts.findings
    assert (finding.fault, finding.count) == (Fault.COHORT_INCOMPLETE, 2)


def test_a_group_that_lists_nobody_is_exported_and_not_searched(
    ehr: SmallEhr, tmp_path: Path
) -> None:
    unlisted = group(lambda g: {"resourceType": "Group", "id": g["id"], "quantity": 4})
    with ehr.proxy.fault(unlisted):
        assert ids_of(pulled(ehr.config(tmp_path / "export"))) == list(PATIENTS)
        with pytest.raises(EhrError, match="does not list its members"):
            pulled(searching(ehr.config(tmp_path / "search")))


@pytest.mark.parametrize("odd", sampled([None, 5, "Patient/1", [], {"entity": 3}], 3), ids=repr)
def test_members_that_are_none_are_counted(ehr: SmallEhr, tmp_path: Path, odd: Any) -> None:
    with ehr.proxy.fault(group(lambda g: {**g, "member": [*g["member"], odd]})):
        store = pulled(searching(ehr.config(tmp_path / "data")))
    assert ids_of(store) == list(PATIENTS)
    [finding] = store.facts.findings
    assert (finding.fault, finding.count) == (Fault.COHORT_INCOMPLETE, 1)


@pytest.mark.parametrize("way", WAYS)
def test_of_a_group_that_is_not_active_that_is_said(
    ehr: SmallEhr, tmp_path: Path, way: str, capfd: pytest.CaptureFixture[str]
) -> None:
    config = both(ehr.config(tmp_path / "data"))[way]
    with ehr.proxy.fault(group(lambda g: {**g, "active": False})):
        assert ids_of(pulled(config)) == list(PATIENTS)
    assert "Group of patients is not active" in capfd.readouterr().err


# A List


def census(ehr: SmallEhr, data_dir: Path) -> SiteConfig:
    """The patients of the List `census` are meant."""
    return with_fhir(ehr.config(data_dir), group=None, list="census")


def test_a_list_that_was_entered_in_error_is_nobodys_cohort(ehr: SmallEhr, tmp_path: Path) -> None:
    in_error = alter_json("/List/census", lambda it: {**it, "status": "entered-in-error"})
    with ehr.proxy.fault(in_error), pytest.raises(EhrError, match=r"in error.*in fhir\.list"):
        pulled(census(ehr, tmp_path / "data"))
    assert not [path for _, path in ehr.proxy.seen if "Patient" in path]


def test_of_a_list_that_nobody_keeps_up_that_is_said(
    ehr: SmallEhr, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with ehr.proxy.fault(alter_json("/List/census", lambda it: {**it, "status": "retired"})):
        assert ids_of(pulled(census(ehr, tmp_path / "data"))) == list(PATIENTS[:2])
    assert "List of patients is retired" in capfd.readouterr().err


# Nobody


NOBODY: dict[str, tuple[dict[str, Any], str, str]] = {
    "List": ({"list": "census"}, "entry", "/List/census"),
    "Group": ({"group": GROUP}, "member", f"/Group/{GROUP}$"),
    "file": ({"patients": "cohort.txt"}, "", "nowhere"),
}


@pytest.mark.parametrize("kind", NOBODY)
def test_where_nobody_is_in_the_cohort_nobody_is_asked_for(
    ehr: SmallEhr, tmp_path: Path, kind: str
) -> None:
    """To name nobody in an export is to ask for the whole hospital."""
    named, element, address = NOBODY[kind]
    (tmp_path / "cohort.txt").write_text("# nobody yet\n")
    if kind == "file":
        named = {"patients": tmp_path / "cohort.txt"}
    config = with_fhir(ehr.config(tmp_path / "data"), **{"group": None, **named})
    emptied = alter_json(address, lambda r: {**r, element: []})
    with ehr.proxy.fault(emptied, answer(404, r"Group/.*\$export")):
        store = pulled(with_fhir(config, check_patients=20))
    assert ids_of(store) == []
    assert store.completeness().verdict is Verdict.NOT_COMPUTABLE
    assert Fault.NO_PATIENTS in {finding.fault for finding in store.facts.findings}
    everybody = [path for _, path in ehr.proxy.seen if "/Patient/$export" in path]
    assert not [*everybody, *(path for _, path in ehr.proxy.seen if "bulk-files" in path)]


# A file


def everybody(method: str, path: str, given: Answer) -> Answer:
    """A server that does not know a parameter leaves it out of account: all patients come."""
    if not path.endswith("/Patient/_search"):
        return given
    found = [
        {
            "resourceType": "Patient",
            "id": id,
            "birthDate": "1957-03-29",
            "identifier": [{"system": "urn:hospital:mrn", "value": f"mrn-{id[-1]}"}],
        }
        for id in (*PATIENTS, STRANGER)
    ]
    page = {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": len(found),
        "entry": [{"resource": each} for each in found],
    }
    return Answer(200, {}, json.dumps(page).encode())


@pytest.mark.parametrize(
    ("identifier", "meant"),
    [("urn:hospital:mrn|mrn-1", list(PATIENTS[:1])), ("urn:other|mrn-1", [])],
)
def test_a_patient_is_not_found_by_an_identifier_of_others(
    ehr: SmallEhr, tmp_path: Path, identifier: str, meant: list[str]
) -> None:
    path = tmp_path / "cohort.txt"
    path.write_text(f"{identifier}\n")
    config = with_fhir(ehr.config(tmp_path / "data"), group=None, patients=path)
    with ehr.proxy.fault(everybody):
        store = pulled(searching(config, method='"post"'))
    assert ids_of(store) == meant
    assert (store.completeness() == COMPLETE) is bool(meant)


def test_a_pull_that_was_broken_off_does_not_go_on_with_others(
    ehr: SmallEhr, tmp_path: Path
) -> None:
    path = tmp_path / "cohort.txt"
    path.write_text(f"{PATIENTS[0]}\n")
    config = searching(with_fhir(ehr.config(tmp_path / "data"), group=None, patients=path))
    with ehr.proxy.fault(answer(500, "GET .*/Location/")), pytest.raises(UnavailableError):
        pulled(config)
    path.write_text(f"{PATIENTS[1]}\n{PATIENTS[2]}\n")
    store = pulled(config)
    assert (ids_of(store), store.completeness()) == (list(PATIENTS[1:3]), COMPLETE)


# A search


def test_patients_with_ids_that_fhir_does_not_have_are_found_by_their_records(
    ehr: SmallEhr, tmp_path: Path
) -> None:
    """And records of whom nobody can tell whose they are do not vanish."""
    config = with_fhir(ehr.config(tmp_path), group=None, patient_search="Encounter?class=IMP")
    renamed = alter(
        r"/Encounter.*class=IMP",
        lambda body: body.replace(b"Patient/pat-zyzzyva-1", b"Patient/pat_1").replace(
            b"Patient/pat-zyzzyva-2", b"urn:uuid:2"
        ),
    )
    with ehr.proxy.fault(renamed):
        store = pulled(searching(config))
    [finding] = store.facts.findings
    assert (finding.fault, finding.count) == (Fault.COHORT_INCOMPLETE, 2)  # pat_1 is not there


def test_what_was_searched_for_is_asked_for_strictly_and_shown(
    ehr: SmallEhr, tmp_path: Path
) -> None:
    """What chooses how an answer looks is no filter, and need not be among what was looked at."""
    text = "Patient?_has:Encounter:patient:class=IMP&_sort=birthdate&_summary=false"
    config = with_fhir(ehr.config(tmp_path), group=None, patient_search=text)

    def plainly(page: Any) -> Any:
        links = [{**link, "url": link["url"].replace("_sort=", "x=")} for link in page["link"]]
        return {**page, "link": links}

    with ehr.proxy.heads() as heads, ehr.proxy.fault(alter_json("_sort", plainly)):
        store = pulled(searching(config))
    assert (ids_of(store), store.completeness()) == ([*PATIENTS, STRANGER], COMPLETE)
    asked = [sent.get(b"prefer") for path, sent in heads if "_sort" in path]
    assert asked and set(asked) == {b"handling=strict"}


@pytest.mark.parametrize(
    "text",
    sampled(
        [
            "Encounter?class=IMP",
            "Patient?_has:Encounter:patient:class=IMP",
            "Patient?birthdate=gt1900&_has:Encounter:patient:class=IMP",
            "Patient?_lastUpdated=gt2001-01-01",
            f"Patient?_id={PATIENTS[0]}",
        ],
        3,
    ),
)
@pytest.mark.parametrize("told", ["another", "none", "nothing"])
def test_a_filter_that_the_server_may_have_left_out_of_account_is_noticed(
    ehr: SmallEhr, tmp_path: Path, text: str, told: str
) -> None:
    """Its link `self` says what it has looked at; without it nobody can tell."""
    config = with_fhir(ehr.config(tmp_path), group=None, patient_search=text)
    type_name, _, parameters = text.partition("?")
    name = parameters.rpartition("&")[2].partition("=")[0]

    def without_it(page: Any) -> Any:
        kept = [link for link in page["link"] if link["relation"] != "self"]
        url = {"another": f"{ehr.base_url}/{type_name}?x=1&birthdate=gt1900", "none": ehr.base_url}
        link = [] if told == "nothing" else [{"relation": "self", "url": url[told]}]
        return {**page, "link": [*kept, *link]}

    with ehr.proxy.fault(alter_json(f"/{type_name}\\?.*{name}", without_it)):
        store = pulled(searching(config, page_size="100"))
    assert store.completeness().verdict is Verdict.PROVISIONAL
    assert Fault.COHORT_INCOMPLETE in {finding.fault for finding in store.facts.findings}


# Who was put together with whom


def linked(id: str, kind: Any, other: Any) -> Spoiled:
    """A patient who says so."""

    def change(body: bytes) -> bytes:
        def said(resource: Any) -> Any:
            told = [{"type": kind, "other": other}, None, {"type": "seealso", "other": None}]
            return {**resource, "link": told} if resource.get("id") == id else resource

        if b'"Bundle"' in body:
            page = json.loads(body)
            found = [{**each, "resource": said(each["resource"])} for each in page.get("entry", ())]
            return json.dumps({**page, "entry": found}).encode()
        return b"\n".join(json.dumps(said(json.loads(line))).encode() for line in body.splitlines())

    return alter(r"/Patient(\?|$)|bulk-files.*Patient", change)


def assert_in_doubt(store: Store) -> None:
    """All are there, and whose records they have is not certain."""
    assert ids_of(store) == list(PATIENTS)
    assert store.completeness().reasons == {Reason.UNRESOLVED_REFERENCE}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "other",
    [
        {"reference": "Patient/gone"},
        {"reference": f"https://other.example/fhir/Patient/{PATIENTS[1]}"},
        {"identifier": {"value": "mrn-2"}},
        {"reference": f"Patient/{PATIENTS[0]}"},
        None,
    ],
    ids=["gone", "elsewhere", "by identifier", "by themselves", "by nobody"],
)
def test_a_patient_who_was_replaced_nobody_knows_by_whom_is_in_doubt(
    ehr: SmallEhr, tmp_path: Path, way: str, other: Any
) -> None:
    """What was theirs may be recorded as the other's by now."""
    with ehr.proxy.fault(linked(PATIENTS[0], "replaced-by", other)):
        store = pulled(both(ehr.config(tmp_path / "data"))[way])
    assert_in_doubt(store)


@pytest.mark.parametrize("way", WAYS)
def test_patients_who_replace_each_other_are_in_doubt(
    ehr: SmallEhr, tmp_path: Path, way: str
) -> None:
    one, two = ({"reference": f"Patient/{id}"} for id in PATIENTS[:2])
    with ehr.proxy.fault(
        linked(PATIENTS[0], "replaced-by", two), linked(PATIENTS[1], "replaced-by", one)
    ):
        store = pulled(both(ehr.config(tmp_path / "data"))[way])
    assert_in_doubt(store)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("kind", "other"),
    sampled(
        [
            ("replaces", {"identifier": {"value": "4711"}}),
            ("replaces", None),
            ("Replaced-By", {"reference": "Patient/elsewhere"}),
            (None, {"reference": "Patient/elsewhere"}),
            (["replaces"], {"reference": "Patient/elsewhere"}),
        ],
        2,
    ),
)
def test_who_replaces_nobody_knows_whom_is_in_doubt(
    ehr: SmallEhr, tmp_path: Path, way: str, kind: Any, other: Any
) -> None:
    """The other may be here, too, and be counted beside them."""
    with ehr.proxy.fault(linked(PATIENTS[0], kind, other)):
        store = pulled(both(ehr.config(tmp_path / "data"))[way])
    assert_in_doubt(store)
    assert len(ids_of(store)) == len(PATIENTS)


@pytest.mark.parametrize("way", WAYS)
def test_a_patient_of_another_server_is_none_of_ours(
    ehr: SmallEhr, tmp_path: Path, way: str
) -> None:
    """One with the same id is here, in the hospital and not in the group."""
    elsewhere = {"reference": f"https://other.example/fhir/Patient/{STRANGER}"}
    with ehr.proxy.fault(linked(PATIENTS[0], "replaces", elsewhere)):
        store = pulled(both(ehr.config(tmp_path / "data"))[way])
    assert (ids_of(store), store.completeness()) == (list(PATIENTS), COMPLETE)


def test_of_everyone_the_records_are_searched_whatever_their_links_look_like(
    ehr: SmallEhr, tmp_path: Path
) -> None:
    config = searching(with_fhir(ehr.config(tmp_path), group=None))
    with ehr.proxy.fault(linked(PATIENTS[0], "refer", None)):
        [first, *_] = pulled(config).patients()
    assert (first.id, len(first.resources["Observation"])) == (PATIENTS[0], 2)


def test_a_member_for_whom_nobody_stands_is_not_replaced(ehr: SmallEhr, tmp_path: Path) -> None:
    """Who is said to replace another must come; that the other came is not enough."""
    second = {"reference": f"Patient/{PATIENTS[1]}"}
    lost = alter(
        "bulk-files",
        lambda body: b"".join(
            line for line in body.splitlines(keepends=True) if PATIENTS[1].encode() not in line
        ),
    )
    uncounted = alter_json(
        "GET .*bulk-status",
        lambda m: {**m, "output": [{**f, "count": None} for f in m["output"]]},
    )
    with ehr.proxy.fault(lost, linked(PATIENTS[0], "replaced-by", second), uncounted):
        store = pulled(ehr.config(tmp_path))
    assert Fault.COHORT_INCOMPLETE in {finding.fault for finding in store.facts.findings}
