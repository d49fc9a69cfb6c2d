"""A pull from a real server: what is asked for, what comes, and what stays behind."""

import json
from base64 import urlsafe_b64decode
from dataclasses import replace
from pathlib import Path
from threading import Barrier
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from service.demo.ehr import EhrClient, run_ehr
from service.errors import EhrError
from service.fhir.endpoint import Endpoint
from service.fhir.exchange import send
from service.fhir.http import open_client
from service.fhir.keys import read_signing_key
from service.fhir.smart import BackendService, discover
from service.fhir.together import together
from service.measure.completeness import COMPLETE, Verdict
from service.site.acquire import acquire, opened
from service.site.building import build_store
from service.site.ehr_keys import published_keys
from service.site.verdict import Fault, Finding
from tests.ehr import (
    ADMINISTRATOR,
    GROUP,
    PATIENTS,
    PLAN,
    QUICK,
    SmallEhr,
    fill,
    searching,
    site_config,
    with_fhir,
    write_keys,
)
from tests.faults.proxy import Answer, answer
from tests.faults.proxy import Fault as Spoiled
from tests.spec.fhir.test_reaching_out import HOST, Authority, authority, hospital, proxy

__all__ = ["authority", "hospital", "proxy"]


def test_a_groups_patients_come_with_all_that_their_records_lead_to(
    ehr: SmallEhr, tmp_path: Path
) -> None:
    acquisition = acquire(ehr.config(tmp_path), PLAN, QUICK)
    store = build_store(acquisition, PLAN, tmp_path)
    acquisition.discard()
    records = list(store.patients())
    assert tuple(record.id for record in records) == PATIENTS
    for record in records:
        counts = {name: len(resources) for name, resources in record.resources.items()}
        assert counts == {
            "Patient": 1,
            "Encounter": 1,
            "Observation": 2,
            "MedicationRequest": 1,
            "Medication": 1,  # none of these is in the export: they are read by id,
            "Location": 2,  # and so is the ward that the bed is part of
        }
    assert store.completeness() == COMPLETE
    assert not (tmp_path / "pull").exists()


def test_the_export_is_asked_for_what_the_plan_names_and_then_deleted(
    ehr: SmallEhr, tmp_path: Path
) -> None:
    with ehr.proxy.fault():
        acquire(ehr.config(tmp_path), PLAN, QUICK)
    [kick_off] = [path for _, path in ehr.proxy.seen if "$export" in path]
    assert urlsplit(kick_off).path == f"/fhir/Group/{GROUP}/$export"
    assert parse_qs(urlsplit(kick_off).query) == {
        "_type": [",".join(sorted(PLAN.types))],
        "_outputFormat": ["application/fhir+ndjson"],
    }
    assert [method for method, path in ehr.proxy.seen if "bulk-status" in path][-1] == "DELETE"
    reads = [path for method, path in ehr.proxy.seen if "/Location/" in path]
    assert reads == ["/fhir/Location/bed-7", "/fhir/Location/ward"]  # each once


def test_without_a_group_all_patients_are_exported(ehr: SmallEhr, tmp_path: Path) -> None:
    config = ehr.config(tmp_path)
    everyone = config.model_copy(update={"fhir": config.fhir.model_copy(update={"group": None})})
    store = build_store(acquire(everyone, PLAN, QUICK), PLAN, tmp_path)
    assert store.facts.patients == len(PATIENTS) + 1


def test_the_files_are_for_their_owner_only(ehr: SmallEhr, tmp_path: Path) -> None:
    acquisition = acquire(ehr.config(tmp_path), PLAN, QUICK)
    assert acquisition.folder.stat().st_mode & 0o777 == 0o700
    for file in acquisition.files:
        assert len(file.path.read_text().splitlines()) == file.lines
    acquisition.discard()


def test_a_type_that_the_ehr_refuses_is_left_out_and_known(ehr: SmallEhr, tmp_path: Path) -> None:
    with ehr.proxy.fault():
        acquisition = acquire(ehr.config(tmp_path, client_id="narrow"), PLAN, QUICK)
    [kick_off] = [path for _, path in ehr.proxy.seen if "$export" in path]
    assert "Observation" not in kick_off
    assert acquisition.findings == (Finding(Fault.TYPE_REFUSED, "Observation", 1, "Observation"),)
    store = build_store(acquisition, PLAN, tmp_path)
    assert store.completeness().verdict is Verdict.NOT_COMPUTABLE


def narrowed(without: str) -> Spoiled:
    """All tokens but the first do not grant a type."""
    given_out = []

    def fault(method: str, path: str, given: Answer) -> Answer:
        if "/auth/token" not in path:
            return given
        given_out.append(path)
        granted = " ".join(f"system/{name}.rs" for name in sorted(PLAN.types - {without}))
        scope = {"scope": granted} if len(given_out) > 1 else {}
        return replace(given, body=json.dumps({**json.loads(given.body), **scope}).encode())

    return fault


RUN_OUT = {
    "export": r"/Group/cohort/\$export",
    "search": r"/fhir/Patient\?",
    "comparison": "/Observation/_search",
}


@pytest.mark.parametrize("when", RUN_OUT)
def test_a_type_that_a_later_token_does_not_grant_is_refused(
    ehr: SmallEhr, tmp_path: Path, when: str
) -> None:
    """A server may leave it out of its answers from then on, and not say so."""
    config = with_fhir(ehr.config(tmp_path / "data"), check_patients=20)
    config = searching(config) if when == "search" else config
    with ehr.proxy.fault(narrowed("Observation"), answer(401, RUN_OUT[when], times=1)):
        acquisition = acquire(config, PLAN, QUICK)
    assert acquisition.findings == (Finding(Fault.TYPE_REFUSED, "Observation", 1, "Observation"),)
    asked = [path for _, path in ehr.proxy.seen if "Observation" in path and "_search" not in path]
    assert len(asked) == {"export": 1, "search": 0, "comparison": 2}[when]  # by the first token


def test_what_is_granted_as_before_ends_no_pull(ehr: SmallEhr, tmp_path: Path) -> None:
    with ehr.proxy.fault(answer(401, "bulk-files", times=1)):
        acquisition = acquire(ehr.config(tmp_path), PLAN, QUICK)
    assert acquisition.findings == ()
    assert len([path for _, path in ehr.proxy.seen if "$export" in path]) == 1
    assert len([path for _, path in ehr.proxy.seen if "/auth/token" in path]) > 1


def test_a_wide_token_that_grants_less_than_a_narrow_one_is_not_used(
    ehr: SmallEhr, tmp_path: Path
) -> None:
    """As of a server that wants system/* for an export, and answers it with what it has."""
    with ehr.proxy.fault(narrowed("Observation"), answer(403, RUN_OUT["export"], times=1)):
        acquisition = acquire(ehr.config(tmp_path), PLAN, QUICK)
    assert "Observation" in {file.type for file in acquisition.files}
    assert acquisition.findings == ()


def test_who_is_meant_is_not_known_where_that_may_not_be_searched(
    ehr: SmallEhr, tmp_path: Path
) -> None:
    config = with_fhir(ehr.config(tmp_path), group=None, patient_search="Encounter?class=IMP")
    plan = PLAN.without({"Encounter"})
    with ehr.proxy.fault(narrowed("Encounter"), answer(401, r"/Encounter", times=1)):
        acquisition = acquire(searching(config), plan, QUICK)
    assert Finding(Fault.TYPE_REFUSED, "Encounter") in acquisition.findings


def test_what_the_ehr_sends_unasked_is_not_kept(ehr: SmallEhr, tmp_path: Path) -> None:
    store = build_store(acquire(ehr.config(tmp_path), PLAN, QUICK), PLAN, tmp_path)
    stored = json.dumps([dict(r.resources) for r in store.patients()], default=str)
    for unwanted in ("Quetzalcoatlus", "note-syzygy", "Surgical ward", "lastUpdated"):
        assert unwanted not in stored


def test_where_our_keys_are_is_told_with_each_request_for_a_token(
    ehr: SmallEhr, tmp_path: Path
) -> None:
    jku = "https://weir.example/.well-known/jwks.json"
    with ehr.proxy.fault():
        acquire(with_fhir(ehr.config(tmp_path), jku=jku), PLAN, QUICK).discard()
    forms = [parse_qs(body.decode()) for path, body in ehr.proxy.posted if "/auth/token" in path]
    headers = [form["client_assertion"][0].partition(".")[0] for form in forms]
    told = [json.loads(urlsafe_b64decode(f"{header}===")) for header in headers]
    assert [header["jku"] for header in told] == [jku] * len(forms) and forms


def test_keys_are_changed_without_a_gap(tmp_path: Path) -> None:
    """Of an EHR that gave the former key an id, and fetched the set before the change."""
    for name in ("former", "next"):
        (tmp_path / name).mkdir()
    former, following = (write_keys(tmp_path / name)["ec"] for name in ("former", "next"))
    config = site_config("http://127.0.0.1", former, tmp_path / "data")
    before = with_fhir(config, kid=None, other_keys=(following,), kids={former: "weir-1"})
    known = EhrClient("weir", published_keys(before.fhir))
    with run_ehr(tmp_path / "server", [ADMINISTRATOR, known]) as server:
        fill(server.base_url)
        before = with_fhir(before, base_url=server.base_url)
        after = with_fhir(before, key_file=following, other_keys=(former,))
        for changing in (before, after):
            acquisition = acquire(changing, PLAN, QUICK)
            assert acquisition.findings == ()
            acquisition.discard()


@pytest.mark.full
def test_a_server_that_wants_wider_scopes_for_an_export_is_asked_for_them(tmp_path: Path) -> None:
    keys = write_keys(tmp_path)
    clients = [ADMINISTRATOR, EhrClient("weir", read_signing_key(keys["ec"], "ec").jwks())]
    with run_ehr(tmp_path / "server", clients, enforce_scopes=True) as server:
        fill(server.base_url)
        config = site_config(server.base_url, keys["ec"], tmp_path / "data")
        store = build_store(acquire(config, PLAN, QUICK), PLAN, tmp_path / "data")
    assert store.completeness() == COMPLETE
    assert store.facts.patients == len(PATIENTS)


def test_several_calls_at_once_that_want_wider_scopes_get_them(tmp_path: Path) -> None:
    """As downloads that go on after a run was killed: each is refused before any asks for more."""
    keys = write_keys(tmp_path)
    signing = read_signing_key(keys["ec"], "ec")
    refused = Barrier(4, timeout=60)

    def wait_for_the_others(response: httpx.Response) -> None:
        if response.status_code == 403:
            refused.wait()

    with (
        run_ehr(
            tmp_path / "server", [EhrClient("weir", signing.jwks())], enforce_scopes=True
        ) as server,
        open_client() as client,
    ):
        client.event_hooks["response"].append(wait_for_the_others)
        configuration = discover(client, server.base_url)
        service = BackendService(client, configuration, "weir", signing, ["Patient"])
        endpoint = Endpoint(server.base_url, client, service, QUICK)
        answers = together(endpoint.get, [f"{server.base_url}/Location"] * 4, 4)
    assert [each.status_code for each in answers] == [200] * 4


def test_the_ehrs_authority_and_this_sites_certificate_are_those_of_the_configuration(
    authority: Authority, hospital: int, proxy: list[str], tmp_path: Path
) -> None:
    """Without either there is no way in."""
    config = with_fhir(
        site_config(f"https://{HOST}:{hospital}", tmp_path / "rsa.pem", tmp_path),
        ca_file=authority.ca_file,
        client_certificate=authority.give("weir"),
    )
    with opened(config) as (client, _):
        assert send(client, client.build_request("GET", config.fhir.base_url)).text == "weir"
    for left_out in ("ca_file", "client_certificate"):
        without = with_fhir(config, **{left_out: None})
        with opened(without) as (client, _), pytest.raises(EhrError):
            send(client, client.build_request("GET", config.fhir.base_url))
