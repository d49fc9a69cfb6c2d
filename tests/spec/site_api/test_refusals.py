"""What is refused: each by its HTTP status and an OperationOutcome that repeats nothing asked."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from fastapi.testclient import TestClient
from fhir.resources.R4B.operationoutcome import OperationOutcome

from service.site.app import create_app
from service.site.parameters_body import MAX_BODY_BYTES
from tests.spec.site_api.conftest import signed_in, write_site
from tests.spec.site_api.hospital import assert_no_canary

DREAMING = "/fhir/Measure/dreaming/$evaluate-measure"
ANY = "/fhir/Measure/$evaluate-measure"
JANUARY = {"periodStart": "2026-01-01", "periodEnd": "2026-01-31"}


def assert_refused(answer: Any, status: int, code: str) -> str:
    """An OperationOutcome with this status and issue type; returns what it says."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/fhir+json"
    OperationOutcome.model_validate(answer.json())
    assert_no_canary(answer.text)
    (issue,) = answer.json()["issue"]
    assert issue["code"] == code
    return str(issue["diagnostics"])


# Paths, methods, measures


@pytest.mark.parametrize("path", ["/", "/fhir", "/fhir/Patient/canary-anna", "/fhir/Measure/a/b"])
def test_a_path_that_is_not_there(client: TestClient, path: str) -> None:
    assert_refused(client.get(path), 404, "not-found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", DREAMING, {"GET", "POST"}),
        ("PUT", ANY, {"GET", "POST"}),
        ("POST", "/fhir/Measure", {"GET"}),
        ("PATCH", "/fhir/Measure/dreaming", {"GET"}),
        ("POST", "/fhir/metadata", {"GET"}),
        ("POST", "/health", {"GET"}),
    ],
)
def test_a_method_that_is_not_allowed(
    client: TestClient, method: str, path: str, allowed: set[str]
) -> None:
    answer = client.request(method, path)
    assert_refused(answer, 405, "not-supported")
    assert set(answer.headers["allow"].split(", ")) == allowed


@pytest.mark.parametrize(
    "path",
    ["/fhir/Measure/canary", "/fhir/Measure/canary/$evaluate-measure", "/fhir/Measure/$nope"],
)
def test_a_measure_that_the_site_does_not_have(client: TestClient, path: str) -> None:
    said = assert_refused(client.get(path, params=JANUARY), 404, "not-found")
    assert "dreaming, readmission" in said


def test_a_measure_parameter_that_the_site_does_not_have(client: TestClient) -> None:
    asked = JANUARY | {"measure": "urn:weir:measure:dreaming|9.9.9"}
    assert_refused(client.get(ANY, params=asked), 404, "not-found")


# Parameters


@pytest.mark.parametrize(
    ("asked", "code", "said"),
    [
        ({"periodStart": None}, "invalid", "periodStart"),
        ({"periodEnd": None}, "invalid", "periodEnd"),
        ({"periodStart": "canary"}, "invalid", "periodStart"),
        ({"periodStart": "2026-02-30", "periodEnd": "2026-03-01"}, "invalid", "Not a period"),
        ({"periodStart": "2026-13"}, "invalid", "Not a period"),
        ({"periodStart": "0000"}, "invalid", "Not a period"),
        ({"periodStart": "2026-1-1"}, "invalid", "periodStart"),
        ({"periodStart": "٢٠٢٦"}, "invalid", "periodStart"),
        ({"periodEnd": "2026-01-31T00:00:00Z"}, "invalid", "periodEnd"),
        ({"periodStart": "2026-02-01"}, "invalid", "ends before it starts"),
        ({"reportType": "canary"}, "invalid", "reportType"),
        ({"reportType": "subject"}, "required", "subject"),
        ({"reportType": "population", "subject": "canary-anna"}, "invalid", "subject"),
        ({"reportType": "subject-list", "subject": "canary-anna"}, "invalid", "subject"),
        ({"subject": "Group/canary-anna"}, "invalid", "subject"),
        ({"subject": "https://ehr.example/fhir/Patient/canary-anna"}, "invalid", "subject"),
        ({"subject": ""}, "invalid", "subject"),
        ({"subject": "canary-anna " * 50}, "invalid", "subject"),
        ({"practitioner": "Practitioner/canary"}, "not-supported", "practitioner"),
        ({"lastReceivedOn": "2026-01-01"}, "not-supported", "lastReceivedOn"),
        ({"measure": "dreaming"}, "invalid", "the path names the measure"),
        ({"canary-anna": "canary-anna"}, "invalid", "not known"),
        ({"_format": "xml"}, "invalid", "_format"),
    ],
)
def test_a_parameter_that_cannot_be_used(
    client: TestClient, asked: Mapping[str, str | None], code: str, said: str
) -> None:
    params = {name: value for name, value in {**JANUARY, **asked}.items() if value is not None}
    assert said in assert_refused(client.get(DREAMING, params=params), 400, code)
    parameters = [{"name": name, "valueString": value} for name, value in params.items()]
    body = {"resourceType": "Parameters", "parameter": parameters}
    assert said in assert_refused(client.post(DREAMING, json=body), 400, code)


def test_a_parameter_given_twice(client: TestClient) -> None:
    """Taking the first or the last would be a guess."""
    params = [*JANUARY.items(), ("subject", "canary-anna"), ("subject", "canary-berta")]
    assert_refused(client.get(f"{DREAMING}?{urlencode(params)}"), 400, "invalid")
    parameters = [{"name": name, "valueString": value} for name, value in params]
    body = {"resourceType": "Parameters", "parameter": parameters}
    assert_refused(client.post(DREAMING, json=body), 400, "invalid")


def test_a_type_level_operation_without_measure(client: TestClient) -> None:
    assert "measure" in assert_refused(client.get(ANY, params=JANUARY), 400, "required")


def test_a_patient_who_is_not_in_the_store(client: TestClient) -> None:
    asked = JANUARY | {"subject": "canary-nobody"}
    assert_refused(client.get(DREAMING, params=asked), 404, "not-found")


# Bodies


@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/xml", "application/fhir+xml", ""]
)
def test_a_body_of_another_content_type(client: TestClient, media_type: str) -> None:
    answer = client.post(DREAMING, content=b"{}", headers={"Content-Type": media_type})
    assert_refused(answer, 415, "not-supported")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"resourceType": "Parameters", "parameter": [',
        b"\xff\xfe",
        b"[]",
        b"null",
        b'"canary"',
        b'{"resourceType": "Patient", "id": "canary-anna"}',
        b'{"parameter": []}',
        b'{"resourceType": "Parameters", "parameter": {}}',
        b'{"resourceType": "Parameters", "parameter": [{"valueString": "canary"}]}',
        b'{"resourceType": "Parameters", "parameter": [{"name": "periodStart"}]}',
        b'{"resourceType": "Parameters", "parameter": [{"name": "subject", "valueQuantity": 1}]}',
        b'{"resourceType": "Parameters", "parameter": [{"name": "a", "valueId": "", "valueUri": ""}'
        b"]}",
        b'{"resourceType": "Parameters", "parameter": [{"name": "a", "part": []}]}',
        b'{"resourceType": "Parameters", "canary": ' + b"[" * 20_000,
        b'{"resourceType": "Parameters", "canary": ' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    ],
)
def test_a_body_that_is_no_parameters_resource(client: TestClient, body: bytes) -> None:
    answer = client.post(DREAMING, content=body, headers={"Content-Type": "application/fhir+json"})
    assert_refused(answer, 400, "structure")


def test_a_body_that_is_too_long(client: TestClient) -> None:
    body = {"resourceType": "Parameters", "id": "x" * MAX_BODY_BYTES}
    assert_refused(client.post(DREAMING, json=body), 413, "too-long")


def test_a_post_with_parameters_in_its_address(client: TestClient) -> None:
    body = {"resourceType": "Parameters", "parameter": []}
    answer = client.post(f"{DREAMING}?subject=canary-anna", json=body)
    assert_refused(answer, 400, "invalid")


# Data


def test_a_store_that_is_not_there_yet(tmp_path: Path) -> None:
    program = create_app(write_site(tmp_path))
    with TestClient(program, headers=signed_in(program)) as client:
        answer = client.get(DREAMING, params=JANUARY)
        assert "`weir site run`" in assert_refused(answer, 503, "transient")
        assert answer.headers["retry-after"]


def test_a_store_that_is_damaged(tmp_path: Path) -> None:
    config = write_site(tmp_path)
    program = create_app(config)
    (config.data_dir / "store.parquet").write_bytes(b"PAR1 canary PAR1")
    with TestClient(program, headers=signed_in(program)) as client:
        assert "damaged" in assert_refused(client.get(DREAMING, params=JANUARY), 503, "transient")
