"""A pull by search: the same store as by export, whoever is meant and however the EHR is asked."""

from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from service.errors import ConfigError, EhrError
from service.measure.completeness import COMPLETE, Verdict
from service.site.acquire import acquire
from service.site.asking import Extent
from service.site.building import build_store
from service.site.config import SiteConfig
from service.site.store import Store
from service.site.verdict import Fault
from tests.ehr import GROUP, PATIENTS, PLAN, QUICK, SmallEhr, profiled, searching, with_fhir
from tests.faults.proxy import alter_json, answer

SEARCHED = ("Encounter", "MedicationRequest", "Observation", "Patient")


def pulled(config: SiteConfig) -> Store:
    """The store of a pull."""
    acquisition = acquire(config, PLAN, QUICK)
    store = build_store(acquisition, PLAN, config.data_dir)
    acquisition.discard()
    return store


def content(store: Store) -> str:
    """A digest of the files of a store, byte for byte."""
    found = sha256()
    for file in store.files:
        found.update(Path(file.path).read_bytes())
    return found.hexdigest()


@pytest.mark.parametrize(
    "how",
    [
        {},
        pytest.param({"method": '"post"'}, marks=pytest.mark.full),
        pytest.param({"include": "true"}, marks=pytest.mark.full),
        pytest.param({"patients_at_once": "1"}, marks=pytest.mark.full),
        pytest.param({"patients_at_once": "50", "page_size": "500"}, marks=pytest.mark.full),
        pytest.param({"page_size": "1"}, marks=pytest.mark.full),
        pytest.param({"totals": "false", "page_size": "5"}, marks=pytest.mark.full),
        {"totals": "false", "page_size": "6"},  # which the last page of observations fills
    ],
    ids=str,
)
def test_export_and_search_give_the_same_store(
    ehr: SmallEhr, tmp_path: Path, how: dict[str, str]
) -> None:
    exported = pulled(ehr.config(tmp_path / "export"))
    searched = pulled(searching(ehr.config(tmp_path / "search"), **how))
    assert exported.completeness() == searched.completeness() == COMPLETE
    assert content(exported) == content(searched)
    assert exported.facts.resources == searched.facts.resources
    assert exported.facts.months == searched.facts.months


@pytest.mark.parametrize("sound", [False, True])
def test_elements_are_chosen_by_the_server_only_where_it_does_so_soundly(
    ehr: SmallEhr, tmp_path: Path, sound: bool
) -> None:
    """This one does not: it leaves out elements of which there is a choice of types."""
    config = searching(ehr.config(tmp_path / "data"))
    profile = Path(config.fhir.vendor)
    text, _, rest = profile.read_text().rpartition("elements = false")
    profile.write_text(f"{text}elements = {str(sound).lower()}{rest}")
    with ehr.proxy.fault():
        store = pulled(config)
    asked = [path for _, path in ehr.proxy.seen if "/Observation?" in path]
    brought = [path for path in asked if "_summary=count" not in path]
    assert {"_elements=" in path for path in brought} == {sound}
    assert not [path for path in asked if "note" in path]
    assert ("Medication" in store.facts.resources) is not sound


@pytest.mark.parametrize(
    ("since", "came"),
    [("2020-01-01T00:00:00+00:00", 2 * len(PATIENTS)), ("2999-01-01T00:00:00+00:00", 0)],
)
def test_changes_alone_are_searched_where_the_server_tells_them_soundly(
    ehr: SmallEhr, tmp_path: Path, since: str, came: int
) -> None:
    """All patients come, and of their records those that changed."""
    config = searching(ehr.config(tmp_path), last_updated="true")
    with ehr.proxy.fault():
        acquisition = acquire(config, PLAN, QUICK, extent=Extent(since=since))
    assert acquisition.since == since
    lines = dict.fromkeys(PLAN.types, 0)
    for file in acquisition.files:
        lines[file.type] += sum(1 for _ in file.read())
    acquisition.discard()
    assert (lines["Patient"], lines["Observation"]) == (len(PATIENTS), came)
    asked = [urlsplit(path) for _, path in ehr.proxy.seen if "patient=" in path]
    told = {tuple(parse_qs(each.query).get("_lastUpdated", ())) for each in asked}
    assert told == {(f"ge{since}",)}


def test_where_it_does_not_all_is_searched(ehr: SmallEhr, tmp_path: Path) -> None:
    with ehr.proxy.fault():
        extent = Extent(since="2999-01-01T00:00:00+00:00")
        acquisition = acquire(searching(ehr.config(tmp_path)), PLAN, QUICK, extent=extent)
    acquisition.discard()
    assert acquisition.since is None
    assert not [path for _, path in ehr.proxy.seen if "_lastUpdated" in path]


@pytest.mark.parametrize(("day", "came"), [("2026-01-06", 2), ("2026-01-07", 0)])
def test_what_is_dated_since_a_day_is_searched_where_the_profile_names_how(
    ehr: SmallEhr, tmp_path: Path, day: str, came: int
) -> None:
    """Of other types all that there is, and nothing that is nobody's own: none of it is stored."""
    config = searching(ehr.config(tmp_path))
    with Path(config.fhir.vendor).open("a") as profile:
        profile.write('\n[search.dates]\nObservation = "date"\n')
    with ehr.proxy.fault():
        acquisition = acquire(config, PLAN, QUICK, extent=Extent(dated=date.fromisoformat(day)))
    lines = {file.type: file.lines for file in acquisition.files}
    acquisition.discard()
    patients = len(PATIENTS)
    assert lines == {
        "Patient": patients,
        "Encounter": patients,
        "MedicationRequest": patients,
        "Observation": came * patients,
    }
    asked = [path for _, path in ehr.proxy.seen if "patient=" in path]
    assert {"date=ge" in path for path in asked if "/Observation?" in path} == {True}
    assert {"date=ge" in path for path in asked if "/Observation?" not in path} == {False}


def test_some_patients_are_searched_whole(ehr: SmallEhr, tmp_path: Path) -> None:
    config = searching(ehr.config(tmp_path))
    some = frozenset(PATIENTS[:1])
    acquisition = acquire(config, PLAN, QUICK, extent=Extent(patients=some))
    lines = {file.type: file.lines for file in acquisition.files}
    acquisition.discard()
    assert acquisition.whole and not acquisition.findings
    assert (lines["Patient"], lines["Observation"], lines["Medication"]) == (1, 2, 1)


@pytest.mark.full
def test_included_records_are_not_read_again(ehr: SmallEhr, tmp_path: Path) -> None:
    with ehr.proxy.fault():
        pulled(searching(ehr.config(tmp_path), include="true"))
    read = {path for _, path in ehr.proxy.seen if "/Location/" in path or "/Medication/" in path}
    assert read == {"/fhir/Location/ward"}  # which the bed refers to, and no encounter


def test_patients_are_asked_for_so_many_at_a_time(ehr: SmallEhr, tmp_path: Path) -> None:
    with ehr.proxy.fault():
        pulled(searching(ehr.config(tmp_path), page_size="100"))
    asked = [
        parse_qs(urlsplit(path).query)["patient"][0].split(",")
        for _, path in ehr.proxy.seen
        if "/Encounter?" in path and "_summary" not in path
    ]
    assert sorted(asked) == [list(PATIENTS[:3]), list(PATIENTS[3:])]


def test_the_search_that_brought_the_most_is_counted_once_for_each_type(
    ehr: SmallEhr, tmp_path: Path
) -> None:
    with ehr.proxy.fault():
        pulled(searching(ehr.config(tmp_path), page_size="100"))
    counted = [urlsplit(path) for _, path in ehr.proxy.seen if "_summary=count" in path]
    assert sorted(each.path for each in counted) == [
        f"/fhir/{name}" for name in SEARCHED if name != "Patient"
    ]
    assert {parse_qs(each.query)["patient"][0] for each in counted} == {",".join(PATIENTS[:3])}


def test_by_post_no_patient_stands_in_an_address(ehr: SmallEhr, tmp_path: Path) -> None:
    with ehr.proxy.fault():
        store = pulled(searching(ehr.config(tmp_path), method='"post"'))
    assert store.completeness() == COMPLETE
    searches = [path for method, path in ehr.proxy.seen if method == "POST" and "_search" in path]
    assert len(searches) > 8
    assert any(b"_offset" in body for _, body in ehr.proxy.posted)  # later pages, too
    assert not [path for _, path in ehr.proxy.seen if "pat-" in path]


DEAF = r"POST /fhir/\w+/_search"


@pytest.mark.parametrize(
    ("permitted", "status"),
    [
        ("the site", 405),
        ("the profile", 404),
        *(pytest.param("the profile", one, marks=pytest.mark.full) for one in (400, 415, 501)),
    ],
)
def test_a_server_that_knows_no_post_is_asked_by_get_where_that_is_permitted(
    ehr: SmallEhr, tmp_path: Path, permitted: str, status: int, capfd: pytest.CaptureFixture[str]
) -> None:
    method = "post-else-get" if permitted == "the profile" else "post"
    config = searching(ehr.config(tmp_path), method=f'"{method}"', page_size="100")
    with ehr.proxy.fault(answer(status, DEAF)):
        store = pulled(with_fhir(config, get_searches=permitted == "the site"))
    assert store.completeness() == COMPLETE
    assert store.facts.patients == len(PATIENTS)
    told = capfd.readouterr().err
    assert told.count("a search for Encounter by POST: GET is used") == 1
    posted = {path for path, _ in ehr.proxy.posted if "_search" in path}
    assert posted == {f"/fhir/{name}/_search" for name in SEARCHED}


def test_where_it_is_not_permitted_nothing_is_computed_and_it_is_said(
    ehr: SmallEhr, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with ehr.proxy.fault(answer(405, DEAF)):
        store = pulled(searching(ehr.config(tmp_path), method='"post"'))
    assert store.completeness().verdict is Verdict.NOT_COMPUTABLE
    assert not [path for _, path in ehr.proxy.seen if "pat-" in path]
    assert "only `fhir.get_searches` would let GET be used" in capfd.readouterr().err


@pytest.mark.full
def test_patients_whom_nobody_asked_for_are_left_out(ehr: SmallEhr, tmp_path: Path) -> None:
    """As those come whom a server sends that does not read the form of a search by POST."""
    stranger = {"resourceType": "Patient", "id": "pat-zyzzyva-9", "birthDate": "1957-03-29"}

    def all_come(page: dict[str, Any]) -> dict[str, Any]:
        entry = {"resource": stranger, "search": {"mode": "match"}}
        return {**page, "entry": [*page["entry"], entry], "total": page["total"] + 1}

    with ehr.proxy.fault(alter_json(r"/Patient\?.*_id", all_come)):
        store = pulled(searching(ehr.config(tmp_path), page_size="100"))
    assert {record.id for record in store.patients()} == set(PATIENTS)
    assert store.completeness() == COMPLETE


def test_a_type_that_is_searched_in_parts_is_never_complete(ehr: SmallEhr, tmp_path: Path) -> None:
    config = searching(ehr.config(tmp_path))
    with open(config.fhir.vendor, "a") as profile:
        profile.write('\n[search.slices]\nObservation = ["status=final", "status=amended"]\n')
    store = pulled(config)
    assert store.completeness().verdict is Verdict.PROVISIONAL
    assert {finding.fault for finding in store.facts.findings} == {Fault.SLICED}
    assert store.facts.resources["Observation"] == 2 * len(PATIENTS)


def test_a_vendors_harmless_message_is_taken_for_what_it_is(ehr: SmallEhr, tmp_path: Path) -> None:
    outcome = {
        "resourceType": "OperationOutcome",
        "issue": [
            {
                "severity": "warning",
                "code": "processing",
                "details": {"coding": [{"system": "urn:x", "code": "4101"}]},
            }
        ],
    }
    entry = {"resource": outcome, "search": {"mode": "outcome"}}
    told = alter_json(r"GET /fhir/Encounter\?", lambda p: {**p, "entry": [*p["entry"], entry]})
    config = searching(ehr.config(tmp_path))
    with ehr.proxy.fault(told):
        assert pulled(config).completeness().verdict is Verdict.PROVISIONAL
    text = Path(config.fhir.vendor).read_text()
    Path(config.fhir.vendor).write_text(f'{text}\nharmless = ["4101"]\n')
    with ehr.proxy.fault(told):
        assert pulled(config).completeness() == COMPLETE


@pytest.mark.parametrize("way", ["export", "search"])
def test_of_a_type_that_the_server_does_not_list_something_must_come(
    ehr: SmallEhr, tmp_path: Path, way: str
) -> None:
    """It finds nothing where it should say that it does not serve the type."""

    def without(statement: dict[str, Any]) -> dict[str, Any]:
        [rest] = statement["rest"]
        left = [each for each in rest["resource"] if each["type"] != "Observation"]
        return {**statement, "rest": [{**rest, "resource": left}]}

    def at(name: str) -> SiteConfig:
        config = ehr.config(tmp_path / name)
        return searching(config) if way == "search" else config

    unlisted = alter_json("/metadata", without)
    with ehr.proxy.fault(unlisted):
        assert pulled(at("something")).completeness() == COMPLETE
    nothing = alter_json(
        r"/Observation\?", lambda page: {**page, "entry": [], "total": 0, "link": []}
    )
    no_file = alter_json(
        "GET .*bulk-status",
        lambda m: {**m, "output": [file for file in m["output"] if file["type"] != "Observation"]},
    )
    with ehr.proxy.fault(unlisted, nothing, no_file):
        store = pulled(at("nothing"))
    assert [finding.fault for finding in store.facts.findings] == [Fault.UNLISTED]
    assert store.completeness().verdict is Verdict.PROVISIONAL


# Whoever is meant


def ids_of(config: SiteConfig) -> list[str]:
    """The patients of a pull."""
    store = pulled(config)
    assert store.completeness() == COMPLETE
    return [patient.id for patient in store.patients()]


def cohort(config: SiteConfig, **named: object) -> SiteConfig:
    """The configuration with another cohort."""
    return with_fhir(config, **{"group": None, **named})


@pytest.mark.parametrize("way", ["export", "search"])
def test_everyone(ehr: SmallEhr, tmp_path: Path, way: str) -> None:
    config = cohort(ehr.config(tmp_path / "data"))
    assert len(ids_of(searching(config) if way == "search" else config)) == len(PATIENTS) + 1


def test_the_patients_of_a_list(ehr: SmallEhr, tmp_path: Path) -> None:
    config = cohort(ehr.config(tmp_path / "data"), list="census")
    assert ids_of(config) == list(PATIENTS[:2])  # the third was taken off it


def test_the_patients_of_a_search(ehr: SmallEhr, tmp_path: Path) -> None:
    found = cohort(ehr.config(tmp_path / "data"), patient_search="Encounter?class=IMP&_count=2")
    assert len(ids_of(found)) == len(PATIENTS) + 1


def test_the_patients_of_a_file(ehr: SmallEhr, tmp_path: Path) -> None:
    path = tmp_path / "cohort.txt"
    path.write_text(f"\ufeff{PATIENTS[2]}  # an id\n\nurn:hospital:mrn|mrn-1\n", "utf-8")
    with ehr.proxy.fault():
        assert ids_of(cohort(ehr.config(tmp_path / "data"), patients=path)) == [
            PATIENTS[0],
            PATIENTS[2],
        ]
    assert not [path for _, path in ehr.proxy.seen if "mrn" in path]


def test_patients_of_a_file_who_are_not_there_are_counted(ehr: SmallEhr, tmp_path: Path) -> None:
    path = tmp_path / "cohort.txt"
    path.write_text(f"{PATIENTS[0]}\nnobody\nurn:hospital:mrn|mrn-0\n")
    store = pulled(cohort(ehr.config(tmp_path / "data"), patients=path))
    [finding] = store.facts.findings
    assert (finding.fault, finding.count) == (Fault.COHORT_INCOMPLETE, 2)


def test_identifiers_never_stand_in_an_address(ehr: SmallEhr, tmp_path: Path) -> None:
    path = tmp_path / "cohort.txt"
    path.write_text("urn:hospital:mrn|mrn-1\n")
    config = cohort(ehr.config(tmp_path / "data"), patients=path)
    with (
        ehr.proxy.fault(answer(404, "Patient/_search")),
        pytest.raises(EhrError, match="own ids in the file"),
    ):
        pulled(config)
    assert not [path for _, path in ehr.proxy.seen if "mrn" in path]


@pytest.mark.parametrize("text", ["a b", "a/b", "a?b", "sys|a b"])
def test_a_line_that_is_no_patient_is_an_error(ehr: SmallEhr, tmp_path: Path, text: str) -> None:
    path = tmp_path / "cohort.txt"
    path.write_text(text)
    with pytest.raises(ConfigError, match="one patient a line") as error:
        pulled(cohort(ehr.config(tmp_path / "data"), patients=path))
    assert text not in str(error.value)


def test_groups_of_groups_and_former_members(ehr: SmallEhr, tmp_path: Path) -> None:
    """`wards` has the cohort as a member, itself, and a patient who left."""
    config = with_fhir(searching(ehr.config(tmp_path / "data")), group="wards")
    assert ids_of(config) == list(PATIENTS)


def test_who_was_not_asked_for_is_left_out(ehr: SmallEhr, tmp_path: Path) -> None:
    """A server that exports everyone whatever the group."""
    everyone = alter_json(
        f"/Group/{GROUP}$", lambda g: {**g, "member": g["member"][:2], "id": GROUP}
    )
    with ehr.proxy.fault(everyone):
        store = pulled(ehr.config(tmp_path))
    assert [patient.id for patient in store.patients()] == list(PATIENTS[:2])
    assert store.completeness().verdict is Verdict.NOT_COMPUTABLE


def test_a_member_whom_the_export_has_not_is_counted(ehr: SmallEhr, tmp_path: Path) -> None:
    more = {"entity": {"reference": "Patient/another"}}
    with ehr.proxy.fault(
        alter_json(f"/Group/{GROUP}$", lambda g: {**g, "member": [*g["member"], more]})
    ):
        store = pulled(ehr.config(tmp_path))
    [finding] = store.facts.findings
    assert (finding.fault, finding.count) == (Fault.COHORT_INCOMPLETE, 1)


def test_without_falling_back_a_server_that_does_not_export_is_an_error(
    ehr: SmallEhr, tmp_path: Path
) -> None:
    config = profiled(ehr.config(tmp_path), fall_back="false")
    with ehr.proxy.fault(answer(501, r"\$export")), pytest.raises(EhrError, match="HTTP 501"):
        pulled(config)
