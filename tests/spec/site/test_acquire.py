"""A pull from a real server: what is asked for, what comes, and what stays behind."""

import json
from pathlib import Path
from threading import Barrier
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from service.demo.ehr import EhrClient, run_ehr
from service.fhir.endpoint import Endpoint
from service.fhir.http import open_client
from service.fhir.keys import read_signing_key
from service.fhir.smart import BackendService, discover
from service.fhir.together import together
from service.measure.completeness import COMPLETE, Verdict
from service.site.acquire import acquire
from service.site.building import build_store
from service.site.verdict import Fault, Finding
from tests.ehr import (
    ADMINISTRATOR,
    GROUP,
    PATIENTS,
    PLAN,
    QUICK,
    SmallEhr,
    fill,
    site_config,
    write_keys,
)


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


def test_what_the_ehr_sends_unasked_is_not_kept(ehr: SmallEhr, tmp_path: Path) -> None:
    store = build_store(acquire(ehr.config(tmp_path), PLAN, QUICK), PLAN, tmp_path)
    stored = json.dumps([dict(r.resources) for r in store.patients()], default=str)
    for unwanted in ("Quetzalcoatlus", "note-syzygy", "Surgical ward", "lastUpdated"):
        assert unwanted not in stored


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
