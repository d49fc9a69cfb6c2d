"""A pull by export: what is asked for, at which level, and what the manifest may look like."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from service.errors import ConfigError
from service.measure.completeness import COMPLETE, Verdict
from service.site.acquire import acquire
from service.site.asking import Extent
from service.site.building import build_store
from service.site.comparison import MOST_UNANSWERED
from service.site.config import SiteConfig
from service.site.store import Store
from service.site.verdict import Fault
from tests.ehr import PATIENTS, PLAN, QUICK, SmallEhr, profiled, with_fhir
from tests.faults.proxy import Answer, alter, alter_json, answer
from tests.faults.proxy import Fault as Spoiled
from tests.sampling import sampled

STRANGER = "pat-zyzzyva-9"  # in the hospital, not in the group
PATIENT_TYPES = {"Encounter", "MedicationRequest", "Observation", "Patient"}


def pulled(config: SiteConfig) -> Store:
    """The store of a pull by export."""
    acquisition = acquire(config, PLAN, QUICK)
    assert acquisition.way == "export"
    store = build_store(acquisition, PLAN, config.data_dir)
    acquisition.discard()
    return store


@pytest.fixture(scope="module")
def truth(ehr: SmallEhr, tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """What an undisturbed pull gives."""
    return list(pulled(ehr.config(tmp_path_factory.mktemp("truth"))).patients())


def kick_offs(ehr: SmallEhr) -> list[tuple[str, str]]:
    """The kick-offs that were tried."""
    return [each for each in ehr.proxy.seen if "$export" in each[1]]


# Kick-off


def test_a_kick_off_by_post_asks_for_the_same(
    ehr: SmallEhr, tmp_path: Path, truth: list[Any]
) -> None:
    with ehr.proxy.fault():
        assert list(pulled(profiled(ehr.config(tmp_path), post="true")).patients()) == truth
    assert kick_offs(ehr) == [("POST", "/fhir/Group/cohort/$export")]


@pytest.mark.parametrize("sound", [False, True])
def test_increments_and_elements_are_asked_for_only_where_they_are_sound(
    ehr: SmallEhr, tmp_path: Path, sound: bool
) -> None:
    config = ehr.config(tmp_path / "data")
    if sound:
        config = profiled(config, since="true")
        profile = Path(config.fhir.vendor)
        text = profile.read_text().replace("elements = false", "elements = true", 1)
        profile.write_text(text)
    since = "2026-01-01T00:00:00+00:00"
    with ehr.proxy.fault():
        acquisition = acquire(config, PLAN, QUICK, extent=Extent(since=since))
    acquisition.discard()
    [(_, kick_off)] = kick_offs(ehr)
    asked = parse_qs(urlsplit(kick_off).query)
    assert asked.get("_since") == ([since] if sound else None)
    assert ("_elements" in asked) is sound
    assert acquisition.since == (since if sound else None)


def only_named(body: bytes) -> bytes:
    """A file of an export without what is of others than the first two patients."""
    others = [f'"{kind}{id}"' for id in (*PATIENTS[2:], STRANGER) for kind in ("", "Patient/")]
    lines = body.splitlines(keepends=True)
    return b"".join(line for line in lines if not any(one.encode() in line for one in others))


def two_patients(ehr: SmallEhr, tmp_path: Path) -> SiteConfig:
    """The first two patients alone, from an EHR that exports those who are named."""
    path = tmp_path / "cohort.txt"
    path.write_text("\n".join(PATIENTS[:2]))
    config = with_fhir(ehr.config(tmp_path / "data"), group=None, patients=path)
    return profiled(config, patients="true")


def test_an_export_of_patients_by_name(ehr: SmallEhr, tmp_path: Path, truth: list[Any]) -> None:
    """They are named in the body of a POST, and never in an address."""
    uncounted = alter_json(  # and without the message that `patient` was ignored
        "GET .*bulk-status",
        lambda m: {
            **m,
            "output": [{k: f[k] for k in ("type", "url")} for f in m["output"]],
            "error": [],
        },
    )
    named = alter("bulk-files", only_named)
    with ehr.proxy.fault(uncounted, named):
        store = pulled(two_patients(ehr, tmp_path))
    assert store.completeness() == COMPLETE
    assert list(store.patients()) == truth[:2]
    [sent] = [json.loads(body) for path, body in ehr.proxy.posted if "$export" in path]
    asked = [one["valueReference"] for one in sent["parameter"] if one["name"] == "patient"]
    assert asked == [{"reference": f"Patient/{id}"} for id in PATIENTS[:2]]
    assert not [path for _, path in ehr.proxy.seen if "pat-zyzzyva" in path]


def test_an_export_that_ignores_who_is_named_is_not_complete(
    ehr: SmallEhr, tmp_path: Path, truth: list[Any]
) -> None:
    """As the real server does. The others are left out; that it sent them is no good sign."""
    with ehr.proxy.fault():
        store = pulled(two_patients(ehr, tmp_path))
    assert store.completeness().verdict is not Verdict.COMPLETE
    assert list(store.patients()) == truth[:2]


def test_all_patients_by_the_system_where_there_is_no_export_of_patients(
    ehr: SmallEhr, tmp_path: Path
) -> None:
    config = profiled(with_fhir(ehr.config(tmp_path), group=None), levels='["patient", "system"]')
    with ehr.proxy.fault(answer(404, r"Patient/\$export")):
        store = pulled(config)
    assert store.facts.patients == len(PATIENTS) + 1
    assert kick_offs(ehr)[-1][1].startswith("/fhir/$export")


def test_types_that_are_nobodys_are_left_out_when_they_are_declined(
    ehr: SmallEhr, tmp_path: Path, truth: list[Any]
) -> None:
    with ehr.proxy.fault(answer(400, r"\$export.*Location")):
        assert list(pulled(ehr.config(tmp_path)).patients()) == truth
    asked = [parse_qs(urlsplit(path).query)["_type"][0] for _, path in kick_offs(ehr)]
    assert set(asked[-1].split(",")) == PATIENT_TYPES


# Manifest


def in_parts(method: str, path: str, given: Answer) -> Answer:
    """One file in each part of the manifest, and a part that is not ready at first."""
    if method != "GET" or "bulk-status" not in path or given.status != 200:
        return given
    manifest = json.loads(given.body)
    bare, _, number = path.partition("?part=")
    at = int(number or 0)
    links = [{"relation": "next", "url": f"{bare}?part={at + 1}"}]
    last = at + 1 == len(manifest["output"])
    part = {**manifest, "output": manifest["output"][at : at + 1], "link": [] if last else links}
    return Answer(200, given.headers, json.dumps(part).encode())


@pytest.mark.full
def test_a_manifest_in_parts_is_read_to_its_end(
    ehr: SmallEhr, tmp_path: Path, truth: list[Any]
) -> None:
    not_yet = answer(202, r"part=1", times=1, Retry_After="0")
    with ehr.proxy.fault(in_parts, not_yet):
        store = pulled(ehr.config(tmp_path))
    assert store.completeness() == COMPLETE
    assert list(store.patients()) == truth


def told_in_parts(element: str, file: dict[str, Any]) -> Spoiled:
    """A manifest in two parts; each names a file of this element, and the second all that is
    exported."""

    def fault(method: str, path: str, given: Answer) -> Answer:
        if method != "GET" or "bulk-status" not in path or given.status != 200:
            return given
        manifest = {**json.loads(given.body), element: [file]}
        if not path.endswith("?part=1"):
            more = {"relation": "next", "url": f"{path}?part=1"}
            manifest = {**manifest, "output": [], "link": [more]}
        return Answer(200, given.headers, json.dumps(manifest).encode())

    return fault


def test_errors_that_any_part_of_a_manifest_names_are_counted(
    ehr: SmallEhr, tmp_path: Path
) -> None:
    outcome = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "x"}]}
    file = {"type": "OperationOutcome", "url": f"{ehr.base_url}/bulk-files/errors.ndjson"}
    written = answer(200, "errors.ndjson", body=outcome)
    with ehr.proxy.fault(told_in_parts("error", file), written):
        store = pulled(ehr.config(tmp_path))
    assert [finding.fault for finding in store.facts.findings] == [Fault.EXPORT_ERROR] * 2
    assert store.facts.patients == len(PATIENTS)


def test_deletions_that_any_part_of_a_manifest_names_are_fetched(
    ehr: SmallEhr, tmp_path: Path
) -> None:
    file = {"type": "Bundle", "url": f"{ehr.base_url}/bulk-files/deleted.ndjson"}
    written = answer(200, "deleted.ndjson", body={"resourceType": "Bundle"})
    config = profiled(ehr.config(tmp_path / "data"), since="true")
    with ehr.proxy.fault(told_in_parts("deleted", file), written):
        acquisition = acquire(config, PLAN, QUICK, Extent(since="2026-01-01T00:00:00+00:00"))
    assert len(acquisition.deleted) == 2
    acquisition.discard()


def split(manifest: dict[str, Any]) -> dict[str, Any]:
    """Several files of one type."""
    output = [
        {**file, "url": f"{file['url']}?half={half}", "count": None}
        for file in manifest["output"]
        for half in (0, 1)
    ]
    return {**manifest, "output": output}


def half(method: str, path: str, given: Answer) -> Answer:
    """Every other line of a file."""
    _, _, number = path.partition("?half=")
    if not number or given.status != 200:
        return given
    lines = given.body.splitlines(keepends=True)[int(number) :: 2]
    return Answer(200, given.headers, b"".join(lines))


def test_several_files_of_a_type_are_one(ehr: SmallEhr, tmp_path: Path, truth: list[Any]) -> None:
    with ehr.proxy.fault(alter_json("GET .*bulk-status", split), half):
        store = pulled(ehr.config(tmp_path))
    assert store.completeness() == COMPLETE
    assert list(store.patients()) == truth


@pytest.mark.parametrize("told", [True, False, None])
def test_the_token_goes_only_with_downloads_that_ask_for_it(
    ehr: SmallEhr, tmp_path: Path, told: bool | None
) -> None:
    def said(manifest: dict[str, Any]) -> dict[str, Any]:
        rest = {k: v for k, v in manifest.items() if k != "requiresAccessToken"}
        return rest if told is None else {**rest, "requiresAccessToken": told}

    authorized: list[bool] = []
    with ehr.proxy.fault(alter_json("GET .*bulk-status", said)), ehr.proxy.heads() as heads:
        try:
            acquire(ehr.config(tmp_path), PLAN, QUICK).discard()
        except Exception:
            assert told is False  # this server wants it all the same
    authorized = [b"authorization" in head for path, head in heads if "bulk-files" in path]
    assert set(authorized) == {told is not False}


def elsewhere(host: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """The files are at another host."""

    def changed(manifest: dict[str, Any]) -> dict[str, Any]:
        output = [
            {**file, "url": file["url"].replace("127.0.0.1", host)} for file in manifest["output"]
        ]
        return {**manifest, "output": output}

    return changed


def test_files_at_another_host_are_fetched_only_if_that_is_allowed(
    ehr: SmallEhr, tmp_path: Path, truth: list[Any]
) -> None:
    config = ehr.config(tmp_path)
    moved = alter_json("GET .*bulk-status", elsewhere("localhost"))
    with ehr.proxy.fault(moved), pytest.raises(ConfigError, match="localhost"):
        pulled(config)
    assert not [path for _, path in ehr.proxy.seen if "bulk-files" in path]
    with ehr.proxy.fault(moved):
        store = pulled(with_fhir(config, hosts=("localhost",)))
    assert list(store.patients()) == truth


def test_what_was_deleted_since_comes_with_an_increment_only(ehr: SmallEhr, tmp_path: Path) -> None:
    def deleting(manifest: dict[str, Any]) -> dict[str, Any]:
        return {**manifest, "deleted": [{"type": "Bundle", "url": manifest["output"][0]["url"]}]}

    config = profiled(ehr.config(tmp_path / "data"), since="true")
    for since, files in (("2026-01-01T00:00:00+00:00", 1), (None, 0)):
        with ehr.proxy.fault(alter_json("GET .*bulk-status", deleting)):
            acquisition = acquire(config, PLAN, QUICK, extent=Extent(since=since))
        assert len(acquisition.deleted) == files
        assert {file.type for file in acquisition.files} == PLAN.types
        acquisition.discard()


# Held against a search


def missing_from_one_type(body: bytes) -> bytes:
    """One patient's observations are not there."""
    lines = body.splitlines(keepends=True)
    return b"".join(line for line in lines if f"Patient/{PATIENTS[1]}".encode() not in line)


def recounted(manifest: dict[str, Any]) -> dict[str, Any]:
    """The manifest agrees with what is there."""
    output = [
        {**file, "count": file["count"] - 2 * (file["type"] == "Observation")}
        for file in manifest["output"]
    ]
    return {**manifest, "output": output}


HIDDEN: dict[str, tuple[Any, ...]] = {
    "a patient is missing from one type": (
        alter("bulk-files.*Observation", missing_from_one_type),
        alter_json("GET .*bulk-status", recounted),
    ),
    "a file is missing": (
        alter_json(
            "GET .*bulk-status",
            lambda m: {**m, "output": [f for f in m["output"] if f["type"] != "Observation"]},
        ),
    ),
    "a filter was applied that was not asked for": (
        alter(
            "bulk-files.*Observation",
            lambda body: b"".join(
                line for line in body.splitlines(keepends=True) if b"loinc" in line
            ),
        ),
        alter_json("GET .*bulk-status", lambda m: without_counts(m)),
    ),
}


def without_counts(manifest: dict[str, Any]) -> dict[str, Any]:
    """Counts are optional."""
    output = [{k: v for k, v in file.items() if k != "count"} for file in manifest["output"]]
    return {**manifest, "output": output}


@pytest.mark.parametrize("name", sampled(HIDDEN, 3))
def test_what_an_export_leaves_out_unseen_a_search_finds(
    ehr: SmallEhr, tmp_path: Path, name: str
) -> None:
    config = with_fhir(ehr.config(tmp_path), check_patients=20)
    with ehr.proxy.fault(*HIDDEN[name]):
        store = pulled(config)
    assert {finding.fault for finding in store.facts.findings} == {Fault.LEFT_OUT}
    assert store.completeness().verdict is Verdict.PROVISIONAL


@pytest.mark.full
def test_an_export_that_agrees_with_a_search_is_complete(
    ehr: SmallEhr, tmp_path: Path, truth: list[Any]
) -> None:
    store = pulled(with_fhir(ehr.config(tmp_path), check_patients=20))
    assert store.completeness() == COMPLETE
    assert list(store.patients()) == truth


@pytest.mark.parametrize(("when", "excused"), [("in a minute", True), ("in years", False)])
@pytest.mark.full
def test_what_changed_after_the_export_is_not_missing_from_it(
    ehr: SmallEhr, tmp_path: Path, when: str, excused: bool
) -> None:
    """As far as that can be: no record has changed in a year that is still to come."""
    later = datetime.now(UTC) + (timedelta(minutes=1) if excused else timedelta(days=900))

    def newer(page: dict[str, Any]) -> dict[str, Any]:
        for entry in page.get("entry", ()):
            entry["resource"]["id"] += "-new"
            entry["resource"]["meta"]["lastUpdated"] = later.isoformat()
        return page

    config = with_fhir(ehr.config(tmp_path), check_patients=20)
    with ehr.proxy.fault(alter_json(r"POST /fhir/Observation/_search", newer)):
        assert (pulled(config).completeness() == COMPLETE) is excused


def test_of_what_nobody_can_search_something_must_come(ehr: SmallEhr, tmp_path: Path) -> None:
    lost = alter_json(
        "GET .*bulk-status",
        lambda m: {**m, "output": [f for f in m["output"] if f["type"] != "Observation"]},
    )
    config = with_fhir(ehr.config(tmp_path), check_patients=20)
    with ehr.proxy.fault(lost, answer(404, r"/_search")):
        store = pulled(config)
    assert [finding.fault for finding in store.facts.findings] == [Fault.NOTHING_CAME]
    assert store.completeness().verdict is Verdict.PROVISIONAL


@pytest.mark.parametrize("status", [403, 500])
def test_what_one_search_shows_to_be_missing_counts_whatever_becomes_of_another(
    ehr: SmallEhr, tmp_path: Path, status: int
) -> None:
    """One patient's observations were left out, and another's cannot be searched."""
    config = with_fhir(profiled(ehr.config(tmp_path / "data"), method='"get"'), check_patients=20)
    for refused in (PATIENTS[0], PATIENTS[-1]):  # before and after
        unanswered = answer(status, rf"/fhir/Observation\?patient={refused}")
        with ehr.proxy.fault(*HIDDEN["a patient is missing from one type"], unanswered):
            store = pulled(config)
        [finding] = store.facts.findings
        assert (finding.fault, finding.count) == (Fault.LEFT_OUT, 2)


def test_a_type_that_cannot_be_searched_is_given_up_soon(ehr: SmallEhr, tmp_path: Path) -> None:
    config = with_fhir(ehr.config(tmp_path), check_patients=20)
    with ehr.proxy.fault(answer(404, "/Observation/_search")):
        pulled(config)
    asked = [path for _, path in ehr.proxy.seen if path == "/fhir/Observation/_search"]
    assert len(asked) == MOST_UNANSWERED < len(PATIENTS)


def test_where_there_is_no_searching_that_is_said(
    ehr: SmallEhr, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config = with_fhir(ehr.config(tmp_path), check_patients=20)
    with ehr.proxy.fault(answer(404, r"/_search")):
        assert pulled(config).completeness() == COMPLETE
    assert "Not compared with a search" in capfd.readouterr().err


# The clock


def told_at(when: datetime) -> Spoiled:
    """An export that is said to be as of then."""
    return alter_json(
        "GET .*bulk-status", lambda m: {**m, "transactionTime": when.isoformat(timespec="seconds")}
    )


@pytest.mark.parametrize("ahead", [timedelta(minutes=2), timedelta(hours=1), timedelta(days=9999)])
def test_a_clock_that_is_ahead_ends_no_period_too_early(
    ehr: SmallEhr, tmp_path: Path, ahead: timedelta
) -> None:
    """What was recorded after the pull began need not be in it, however long it takes."""
    begun = datetime.now(UTC)
    kicked_off = []

    def watched(method: str, path: str, given: Answer) -> Answer:
        if "$export" in path:
            kicked_off.append(datetime.now(UTC))
        return given

    with ehr.proxy.fault(told_at(begun + ahead), watched):
        acquisition = acquire(ehr.config(tmp_path), PLAN, QUICK)
    assert begun <= datetime.fromisoformat(acquisition.transaction_time) <= kicked_off[0]
    acquisition.discard()


def test_a_clock_that_is_behind_is_believed(ehr: SmallEhr, tmp_path: Path) -> None:
    with ehr.proxy.fault(told_at(datetime(2020, 1, 1, tzinfo=UTC))):
        acquisition = acquire(ehr.config(tmp_path), PLAN, QUICK)
    assert acquisition.transaction_time == "2020-01-01T00:00:00+00:00"
