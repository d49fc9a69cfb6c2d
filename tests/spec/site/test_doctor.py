"""`weir site doctor`: all is checked in order, nothing is changed, and it says what to ask."""

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import pytest
from joserfc.jwk import OKPKey
from typer.testing import CliRunner

from service.cli import app
from service.demo.ehr import free_port
from service.errors import WeirError
from service.fhir import signature
from service.gateway.config import NetworkConfig
from service.measure.completeness import Verdict
from service.measure.package import load_package
from service.site.acquire import STOP, connect, opened
from service.site.acquisition import AcquiredFile, Acquisition
from service.site.building import build_store
from service.site.checkup import Check, State
from service.site.config import RefreshConfig, SiteConfig
from service.site.doctor import examine
from service.site.needs import Needs, plan_of
from service.site.pipeline import run
from service.site.readiness import check_measure, look_at_patients
from service.site.refreshing import refresh
from service.site.store import FILE, open_store
from service.site.vendor import load_vendor
from tests.ehr import PLAN, QUICK, SmallEhr, assert_no_canary, profiled, searching, with_fhir
from tests.faults.proxy import Fault, alter_json, answer
from tests.spec.release.test_signed_policy import POLICY as UNSIGNED

MEASURES = Path(__file__).parents[3] / "measures"
POLICY = UNSIGNED.format("")
ORDER = [
    "Configuration",
    "Traffic",
    "DNS",
    "TLS",
    "Proxy",
    "Token",
    "Scopes",
    "Metadata",
    "Vendor",
    "Export",
    "Search",
    "Disk",
    "Clock",
    "Network",
]


@pytest.fixture
def config(ehr: SmallEhr, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> SiteConfig:
    """A site at which all is in order; nothing is in its data_dir yet."""
    folder = tmp_path_factory.mktemp("site")
    sign_policy(folder)
    files = {"policy_file": folder / "policy.toml", "policy_key": folder / "policy.jwk.json"}
    return ehr.config(tmp_path / "data").model_copy(
        update={"measures": (MEASURES / "readmission",), **files}
    )


def sign_policy(folder: Path) -> None:
    """Write a policy, its signature and the key to check it with."""
    key = OKPKey.generate_key("Ed25519")
    (folder / "policy.toml").write_text(POLICY)
    signed = signature.sign(POLICY.encode(), key, key.thumbprint())
    (folder / "policy.toml.sig").write_text(signed)
    (folder / "policy.jwk.json").write_text(json.dumps(key.as_dict(private=False)))


def examined(config: SiteConfig, *faults: Fault, ehr: SmallEhr) -> dict[str, Check]:
    """The checks by name."""
    with ehr.proxy.fault(*faults):
        return {check.name: check for check in examine(config, QUICK)}


def test_the_checks_come_in_order_and_the_measures_last(ehr: SmallEhr, config: SiteConfig) -> None:
    checks = examined(config, ehr=ehr)
    *names, measure = checks
    assert names == ORDER
    assert "readmission" in measure.lower()
    states = {name: check.state for name, check in checks.items() if name != "Network"}
    assert set(states.values()) <= {State.GOOD, State.LOOK}
    assert checks["Search"].state is State.GOOD


def test_nothing_is_changed_here_or_there(
    ehr: SmallEhr, config: SiteConfig, tmp_path: Path
) -> None:
    examined(config, ehr=ehr)
    assert not (tmp_path / "data").exists()
    writes = [path for method, path in ehr.proxy.seen if method != "GET"]
    assert {path for path in writes if not path.endswith("/_search")} == {"/auth/token"}
    assert not [path for _, path in ehr.proxy.seen if "$export" in path]


def test_what_is_there_stays_as_it_is(ehr: SmallEhr, config: SiteConfig, tmp_path: Path) -> None:
    """Neither a pull that was broken off nor a store is touched, whether the EHR answers or not."""
    for name in ("pull/log.ndjson", "store/part-0001", "site.db", "unmapped-codes.csv"):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"what {name} held")
    before = listing(tmp_path)
    examined(config, ehr=ehr)
    examined(config, answer(503, "fhir"), ehr=ehr)
    assert listing(tmp_path) == before


def listing(folder: Path) -> dict[str, tuple[int, str]]:
    """Every file and folder with its time and a hash of what it holds."""
    return {
        str(path): (
            path.stat().st_mtime_ns,
            sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
        )
        for path in folder.rglob("*")
    }


def test_nothing_of_a_patient_is_told(ehr: SmallEhr, config: SiteConfig) -> None:
    assert_no_canary(*map(str, examined(config, ehr=ehr).values()))


def late(method: str, path: str, given: object) -> object:
    """The server's clock is an hour ahead."""
    told = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    given.headers["date"] = told  # type: ignore[attr-defined]
    return given


BROKEN: dict[str, tuple[Fault, str, State, str]] = {
    "another address": (answer(404, "/metadata"), "Metadata", State.BAD, "fhir.base_url"),
    "an unreachable server": (answer(503, "/metadata"), "TLS", State.BAD, "Try again"),
    "an unknown client": (
        answer(401, "/auth/token", body={"error": "invalid_client"}),
        "Token",
        State.BAD,
        "fhir.kid",
    ),
    "no SMART": (
        answer(200, "smart-configuration|auth", body={}),
        "Token",
        State.BAD,
        "registered",
    ),
    "a scope that is not granted": (
        alter_json("/auth/token", lambda t: {**t, "scope": "system/Patient.rs"}),
        "Scopes",
        State.BAD,
        "system/Encounter",
    ),
    "a scope that is too wide": (
        alter_json("/auth/token", lambda t: {**t, "scope": "system/*.cruds"}),
        "Scopes",
        State.LOOK,
        "no more than reading",
    ),
    "a scope that is none": (
        alter_json(
            "/auth/token", lambda t: {**t, "scope": "system/*.* system/pat-zyzzyva-1.write"}
        ),
        "Scopes",
        State.LOOK,
        "system/*.* 1 other scopes",
    ),
    "a name that steers the terminal": (
        alter_json("/metadata", lambda s: {**s, "software": {"name": "\x1b[31mHAPI\n\u202e"}}),
        "Metadata",
        State.GOOD,
        "[31mHAPI, FHIR",
    ),
    "a group that cannot be read": (answer(403, "/Group/"), "Search", State.BAD, "fhir.group"),
    "a type that is not served": (
        alter_json(
            "/metadata",
            lambda s: {
                **s,
                "rest": [
                    {
                        **r,
                        "resource": [x for x in r["resource"] if x["type"] != "Encounter"],
                    }
                    for r in s["rest"]
                ],
            },
        ),
        "Metadata",
        State.BAD,
        "Encounter",
    ),
    "another vendor": (
        alter_json("/metadata", lambda s: {**s, "software": {"name": "HAPI FHIR Server"}}),
        "Vendor",
        State.LOOK,
        "hapi",
    ),
    "a type that cannot be searched": (
        answer(400, "/Encounter/_search"),
        "Search",
        State.LOOK,
        "Encounter",
    ),
    "a clock that is wrong": (late, "Clock", State.BAD, "NTP"),  # type: ignore[dict-item]
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_in_the_way_is_named_with_what_to_do(
    ehr: SmallEhr, config: SiteConfig, name: str
) -> None:
    fault, check, state, todo = BROKEN[name]
    checks = examined(config, fault, ehr=ehr)
    assert checks[check].state is state
    assert todo in f"{checks[check].what} {checks[check].todo} {checks[check].ask}"
    assert {"Disk", "Network"} <= checks.keys()  # whatever went before
    assert_no_canary(*map(str, checks.values()))


NIGHTLY = RefreshConfig(full_days=7, window_days=31)
UNUSABLE: dict[str, tuple[Callable[[SiteConfig], SiteConfig], str]] = {
    "no policy": (lambda c: without(c, "policy.toml"), "the policy cannot be read"),
    "no signature": (lambda c: without(c, "policy.toml.sig"), "the policy cannot be read"),
    "another policy than was signed": (
        lambda c: written(c, "policy.toml", POLICY + "threshold = 1\n"),
        "not signed by the policy key",
    ),
    "no measure": (lambda c: changed(c, measures=(Path("/nowhere"),)), "/nowhere"),
    "no mapping": (lambda c: changed(c, mapping=Path("/nowhere")), "The mapping has no table"),
    "a mapping with other columns": (
        lambda c: changed(written(c, "a.csv", "x,y\n"), mapping=c.policy_file.parent),
        "The table has other columns",
    ),
    "no vendor profile": (lambda c: with_fhir(c, vendor="none.toml"), "fhir.vendor"),
    "a window without dates": (lambda c: changed(c, refresh=NIGHTLY), "refresh.window_days"),
    "no rounding key": (
        lambda c: changed(written(c, "keys/signing.key", "x"), data_dir=c.policy_file.parent),
        "rounding key is missing",
    ),
    "bookkeeping that is no database": (
        lambda c: changed(written(c, "site.db", "no database"), data_dir=c.policy_file.parent),
        "bookkeeping cannot be opened",
    ),
}


def changed(config: SiteConfig, **changes: object) -> SiteConfig:
    """The configuration with other values."""
    return config.model_copy(update=changes)


def without(config: SiteConfig, name: str) -> SiteConfig:
    """The same, and a file beside the policy is gone."""
    (config.policy_file.parent / name).unlink()
    return config


def written(config: SiteConfig, name: str, text: str) -> SiteConfig:
    """The same, and a file beside the policy holds a text."""
    path = config.policy_file.parent / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return config


@pytest.mark.parametrize("name", UNUSABLE)
def test_what_a_run_reads_before_it_pulls_is_looked_at(
    ehr: SmallEhr, config: SiteConfig, name: str
) -> None:
    """With the words of the run itself, which would fail before it asks the EHR for anything."""
    spoil, words = UNUSABLE[name]
    spoilt = spoil(config)
    checks = examined(spoilt, ehr=ehr)
    found = checks["Configuration"]
    assert found.state is State.BAD
    assert words in f"{found.what} {found.todo}"
    assert checks["TLS"].state is State.GOOD  # which does not need it
    with pytest.raises(WeirError) as error:
        run(spoilt)
    assert error.value.what in found.what


def test_everything_that_cannot_be_used_is_told_at_once(ehr: SmallEhr, config: SiteConfig) -> None:
    config = changed(without(config, "policy.toml"), mapping=Path("/nowhere"))
    with ehr.proxy.fault():
        found = [check for check in examine(config, QUICK) if check.name == "Configuration"]
    assert [check.state for check in found] == [State.BAD, State.BAD]


def test_without_measures_nothing_is_said_of_what_they_need(
    ehr: SmallEhr, config: SiteConfig
) -> None:
    checks = examined(changed(config, measures=(Path("/nowhere"),)), ehr=ehr)
    assert list(checks) == ORDER
    assert {checks[name].state for name in ("Token", "Scopes", "Search")} == {State.SKIPPED}
    assert checks["Clock"].state is State.GOOD


def test_a_disk_without_room_for_another_pull_is_told(
    ehr: SmallEhr, config: SiteConfig, tmp_path: Path
) -> None:
    config.data_dir.mkdir()
    file = tmp_path / "Patient.ndjson"
    file.write_text('{"resourceType":"Patient","id":"a","birthDate":"1957-03-29"}\n')
    pull = Acquisition(
        tmp_path, ehr.base_url, "2026-06-01T00:00:00Z", (AcquiredFile(file, "Patient", 1),), ()
    )
    build_store(pull, PLAN, config.data_dir)
    assert open_store(config.data_dir).facts.size == file.stat().st_size
    assert examined(config, ehr=ehr)["Disk"].state is State.GOOD

    index = json.loads((config.data_dir / FILE).read_text())
    index["facts"]["size"] = shutil.disk_usage(tmp_path).free
    (config.data_dir / FILE).write_text(json.dumps(index))
    disk = examined(config, ehr=ehr)["Disk"]
    assert disk.state is State.BAD
    assert "Make room" in disk.todo


def test_a_spool_that_cannot_be_written_is_told(
    ehr: SmallEhr, config: SiteConfig, tmp_path: Path
) -> None:
    """A run leaves there what the gateway sends, and does not begin without it."""
    (tmp_path / "spool").write_text("a file, and no folder")
    handing_over = changed(config, network=None, spool=tmp_path / "spool")
    disk = examined(handing_over, ehr=ehr)["Disk"]
    assert disk.state is State.BAD
    assert "spool" in disk.todo
    fine = examined(changed(handing_over, spool=tmp_path / "made" / "later"), ehr=ehr)
    assert fine["Disk"].state is State.GOOD
    assert fine["Network"].state is State.SKIPPED


def test_elements_that_no_record_has_are_named(ehr: SmallEhr, config: SiteConfig) -> None:
    bare = alter_json(
        "/fhir/Encounter/_search",
        lambda p: {
            **p,
            "entry": [
                {"resource": {"resourceType": "Encounter", "id": f"e{n}"}}
                for n, _ in enumerate(p["entry"])
            ],
        },
    )
    told = of_the_measure(examined(config, bare, ehr=ehr))
    assert "Encounter without" in told.what
    assert "period" in told.what
    assert "Encounter.period" in told.ask


def unlisted(statement: Any) -> Any:
    """A CapabilityStatement without operations."""
    rest = [
        {**r, "operation": [], "resource": [{**x, "operation": []} for x in r["resource"]]}
        for r in statement["rest"]
    ]
    return {**statement, "rest": rest}


@pytest.mark.parametrize(
    ("fall_back", "listed", "state", "words"),
    [
        ("true", True, State.GOOD, "not tried"),
        ("false", True, State.LOOK, "not tried: if it is refused, a run fails"),
        ("true", False, State.LOOK, "does not list $export"),
        ("false", False, State.BAD, "does not list $export"),
    ],
)
def test_an_export_is_not_started_and_only_what_is_listed_is_told(
    ehr: SmallEhr, config: SiteConfig, fall_back: str, listed: bool, state: State, words: str
) -> None:
    """Where nothing is to be searched instead, a run stands and falls with it."""
    faults = [] if listed else [alter_json("/metadata", unlisted)]
    found = examined(profiled(config, fall_back=fall_back), *faults, ehr=ehr)["Export"]
    assert found.state is state
    assert words in found.what


def of_the_measure(checks: dict[str, Check]) -> Check:
    """The row of the only measure."""
    return next(check for name, check in checks.items() if name not in ORDER)


def test_a_type_of_which_nothing_could_be_seen_is_no_good_row(
    ehr: SmallEhr, config: SiteConfig
) -> None:
    """An export may bring what no search does."""
    told = of_the_measure(examined(config, answer(403, "/Encounter/_search"), ehr=ehr))
    assert told.state is State.LOOK
    assert "Encounter, of which nothing could be seen" in told.what
    assert "search Encounter by patient" in told.ask


def test_where_a_run_would_search_such_a_type_is_in_its_way(
    ehr: SmallEhr, config: SiteConfig
) -> None:
    searched = searching(config, method='"post"')
    fault = answer(403, "/Encounter/_search")
    assert of_the_measure(examined(searched, fault, ehr=ehr)).state is State.BAD
    with ehr.proxy.fault(fault):
        store = refresh(searched, plan_of(load_package(MEASURES / "readmission")))
    assert store.completeness().verdict is Verdict.NOT_COMPUTABLE


def test_a_type_that_is_searched_in_slices_is_looked_at_in_slices(
    ehr: SmallEhr, config: SiteConfig
) -> None:
    """As a run does: servers that need them refuse the whole."""
    sliced = searching(config, method='"post"')
    vendor = Path(sliced.fhir.vendor)
    vendor.write_text(vendor.read_text() + '\n[search.slices]\nEncounter = ["class=IMP"]\n')
    examined(sliced, ehr=ehr)
    asked = [body for path, body in ehr.proxy.posted if path.endswith("/Encounter/_search")]
    assert asked
    assert all(b"class=IMP" in body for body in asked)


NEEDS = Needs("http://example.org/a", PLAN.elements, {}, frozenset(), ())


def told_of_shared(ehr: SmallEhr, config: SiteConfig, *faults: Fault) -> list[Check]:
    """The rows of a measure that reads all that the small hospital has, its medications and
    locations, too."""
    with ehr.proxy.fault(*faults), opened(config) as (client, _):
        endpoint = connect(config, PLAN, client, QUICK)
        _, seen = look_at_patients(endpoint, config, load_vendor("default"), PLAN.types)
    assert seen is not None
    assert_no_canary(str(seen))
    return list(check_measure("a measure", NEEDS, seen, by_search=False))


def test_what_is_nobodys_own_is_read_by_the_references_to_it(
    ehr: SmallEhr, config: SiteConfig
) -> None:
    """A location refers to the ward that it is part of, which has a type."""
    (told,) = told_of_shared(ehr, config)
    assert told.state is State.LOOK
    assert "Location" not in told.what  # nor Medication: they have all
    assert "Encounter without hospitalization" in told.what
    nameless = alter_json("GET .*/Medication/", lambda m: {"resourceType": "Medication", "id": "m"})
    (told,) = told_of_shared(ehr, config, nameless)
    assert "Medication without code" in told.what


def test_what_is_referred_to_and_cannot_be_read_is_said(ehr: SmallEhr, config: SiteConfig) -> None:
    told = told_of_shared(ehr, config, answer(403, "GET .*/Medication/"))[0]
    assert told.state is State.LOOK
    assert "refer to Medication, of which nothing could be read" in told.what
    assert "read Medication" in told.ask


def test_what_nothing_refers_to_is_not_called_good(ehr: SmallEhr, config: SiteConfig) -> None:
    coded = alter_json("/MedicationRequest/_search", lambda p: {**p, "entry": []})
    told = told_of_shared(ehr, config, coded)[0]
    assert told.state is State.LOOK
    assert "Medication was not looked at" in told.what


def test_a_host_that_is_not_there_stops_what_builds_on_it(
    ehr: SmallEhr, config: SiteConfig
) -> None:
    address = f"http://127.0.0.1:{free_port()}/fhir"
    checks = examined(with_fhir(config, base_url=address), ehr=ehr)
    assert checks["TLS"].state is State.BAD
    assert {checks[name].state for name in AT_THE_EHR} == {State.SKIPPED}


AT_THE_EHR = ("Token", "Scopes", "Metadata", "Vendor", "Export", "Search", "Clock")


@pytest.mark.parametrize(
    "fault", [answer(503, "/metadata"), answer(404, "/metadata"), answer(401, "/auth/token")]
)
def test_what_was_not_looked_at_is_there_as_skipped(
    ehr: SmallEhr, config: SiteConfig, fault: Fault
) -> None:
    """After whatever failure each check and each measure has its row."""
    checks = examined(config, fault, ehr=ehr)
    *names, _ = checks
    assert names == ORDER
    assert checks["Search"].state is State.SKIPPED
    assert of_the_measure(checks).state is State.SKIPPED


def test_a_certificate_that_cannot_be_read_is_a_row_too(ehr: SmallEhr, config: SiteConfig) -> None:
    checks = examined(with_fhir(config, ca_file=Path("/nowhere")), ehr=ehr)
    assert checks["TLS"].state is State.BAD
    assert "ca_file" in checks["TLS"].todo
    assert {checks[name].state for name in AT_THE_EHR} == {State.SKIPPED}


def test_while_traffic_is_stopped_that_is_said_and_nothing_is_asked(
    ehr: SmallEhr, config: SiteConfig
) -> None:
    config.data_dir.mkdir()
    (config.data_dir / STOP).touch()
    checks = examined(config, ehr=ehr)
    assert checks["Traffic"].state is State.BAD
    assert "stopped" in checks["Traffic"].what
    assert "weir site stop --off" in checks["Traffic"].todo
    assert {checks[name].state for name in ("TLS", *AT_THE_EHR)} == {State.SKIPPED}
    assert not ehr.proxy.seen


@pytest.mark.parametrize(("key", "type_name"), [("group", "Group"), ("list", "List")])
def test_a_group_that_is_not_there_is_said_to_be_not_found(
    ehr: SmallEhr, config: SiteConfig, key: str, type_name: str
) -> None:
    nowhere = with_fhir(config, **{"group": None, key: "nowhere"})
    search = examined(nowhere, ehr=ehr)["Search"]
    assert search.state is State.BAD
    assert f"no {type_name} is found under the id in fhir.{key}" in search.what
    assert "id of the" in search.ask


def test_what_is_asked_for_fits_what_failed(ehr: SmallEhr, config: SiteConfig) -> None:
    refused = examined(config, answer(403, "GET .*/Group/"), ehr=ehr)["Search"]
    assert refused.ask == "to let this client read Group"
    busy = examined(config, answer(503, "GET .*/Group/"), ehr=ehr)["Search"]
    assert busy.ask == ""
    everyone = with_fhir(config, group=None)
    refused = examined(everyone, answer(403, "/Patient/_search"), ehr=ehr)["Search"]
    assert "the search for patients is not answered" in refused.what
    assert refused.ask == "to let this client search Patient"


def network(config: SiteConfig, url: str, kind: Literal["weir", "fhir"]) -> SiteConfig:
    """The configuration with another network."""
    return changed(config, network=NetworkConfig(url=url, kind=kind))


def test_the_network_is_looked_at_where_it_takes_reports(ehr: SmallEhr, config: SiteConfig) -> None:
    """The EHR stands for it: a network tells of itself at /fhir/metadata, a FHIR server at
    /metadata."""
    root = ehr.base_url.removesuffix("/fhir")
    weir, plain = network(config, root, "weir"), network(config, ehr.base_url, "fhir")
    assert examined(weir, ehr=ehr)["Network"].state is State.GOOD
    assert examined(plain, ehr=ehr)["Network"].state is State.GOOD


@pytest.mark.parametrize(
    ("fault", "state", "words"),
    [
        (answer(404, "/elsewhere/"), State.LOOK, "HTTP 404"),
        (answer(405, "/elsewhere/"), State.LOOK, "HTTP 405"),
        (answer(401, "/elsewhere/"), State.LOOK, "signed in"),
        (answer(200, "/elsewhere/", body="a portal"), State.LOOK, "something else"),
        (answer(501, "/elsewhere/"), State.LOOK, "HTTP 501"),
        (answer(503, "/elsewhere/"), State.BAD, "HTTP 503"),
    ],
)
def test_not_every_answer_is_the_networks(
    ehr: SmallEhr, config: SiteConfig, fault: Fault, state: State, words: str
) -> None:
    there = network(config, f"{ehr.base_url}/elsewhere", "fhir")
    found = examined(there, fault, ehr=ehr)["Network"]
    assert found.state is state
    assert words in found.what
    sent = [method for method, path in ehr.proxy.seen if "elsewhere" in path]
    assert sent
    assert set(sent) == {"GET"}


def test_the_command_ends_in_a_table_and_an_exit_code(
    ehr: SmallEhr, config: SiteConfig, tmp_path: Path
) -> None:
    sign_policy(tmp_path)
    (tmp_path / "site.toml").write_text(
        f"""
        measures = ["{MEASURES}/readmission"]
        policy_file = "policy.toml"
        policy_key = "policy.jwk.json"
        data_dir = "data"
        [fhir]
        base_url = "{ehr.base_url}"
        client_id = "weir"
        key_file = "{ehr.keys["ec"]}"
        kid = "ec"
        group = "cohort"
        [network]
        url = "{ehr.base_url}"
        """
    )
    told = CliRunner().invoke(app, ["site", "doctor", "--config", str(tmp_path / "site.toml")])
    assert told.exit_code in (0, 3), told.output
    assert "A run will work" in told.output
    text = (tmp_path / "site.toml").read_text().replace('"weir"', '"nobody"')
    (tmp_path / "site.toml").write_text(text)
    told = CliRunner().invoke(app, ["site", "doctor", "--config", str(tmp_path / "site.toml")])
    assert told.exit_code == 1
    assert "A run will not work: 1 of" in told.output
