"""What is open to everyone: what the site can do, its measures, its key for the EHR, its health."""

import re
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.capabilitystatement import CapabilityStatement
from fhir.resources.R4B.library import Library
from fhir.resources.R4B.measure import Measure

DREAMING = "urn:weir:measure:dreaming"


def test_the_capability_statement_is_valid_and_true(stranger: TestClient) -> None:
    answer = stranger.get("/fhir/metadata")
    assert answer.headers["content-type"] == "application/fhir+json"
    statement = CapabilityStatement.model_validate(answer.json())
    assert (statement.fhirVersion, statement.kind, statement.status) == (
        "4.0.1", "instance", "active",
    )  # fmt: skip
    (measure,) = statement.rest[0].resource
    assert {one.code for one in measure.interaction} == {"read", "search-type"}
    assert {one.name for one in measure.operation} == {"evaluate-measure", "data-requirements"}
    for parameter in measure.searchParam:
        assert stranger.get("/fhir/Measure", params={parameter.name: "x"}).status_code == 200


def test_every_operation_of_the_statement_is_answered(
    stranger: TestClient, program: FastAPI
) -> None:
    paths = program.openapi()["paths"]
    statement = stranger.get("/fhir/metadata").json()
    for operation in statement["rest"][0]["resource"][0]["operation"]:
        assert f"/fhir/Measure/{{measure_id}}/${operation['name']}" in paths


def test_measures_are_listed(stranger: TestClient) -> None:
    bundle = stranger.get("/fhir/Measure").json()
    Bundle.model_validate(bundle)
    assert bundle["total"] == 2
    assert [entry["resource"]["id"] for entry in bundle["entry"]] == ["dreaming", "readmission"]
    for entry in bundle["entry"]:
        Measure.model_validate(entry["resource"])
        assert stranger.get(entry["fullUrl"]).json() == entry["resource"]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("_id=dreaming", ["dreaming"]),
        ("_id=dreaming,readmission", ["dreaming", "readmission"]),
        (f"url={DREAMING}", ["dreaming"]),
        (f"url={DREAMING}&version=1.0.0", ["dreaming"]),
        (f"url={DREAMING}&version=0.9.0", []),
        ("url=urn:weir:measure", []),  # a uri is matched whole
        ("name=READ", ["readmission"]),  # a string from its start, whatever its case
        ("name=mission", []),
        ("name:exact=Dreaming", ["dreaming"]),
        ("name:exact=dreaming", []),
        ("_id=dreaming&_format=json", ["dreaming"]),
    ],
)
def test_measures_are_searched(stranger: TestClient, asked: str, found: list[str]) -> None:
    bundle = stranger.get(f"/fhir/Measure?{asked}").json()
    Bundle.model_validate(bundle)
    assert [entry["resource"]["id"] for entry in bundle.get("entry", [])] == found
    assert bundle["total"] == len(found)


def test_a_search_parameter_that_is_not_known_is_refused(stranger: TestClient) -> None:
    answer = stranger.get("/fhir/Measure?status=active")
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (400, "not-supported")


def test_a_measure_tells_what_data_it_needs(stranger: TestClient) -> None:
    path = "/fhir/Measure/readmission/$data-requirements"
    library = stranger.get(path, params={"periodStart": "2026", "periodEnd": "2026"}).json()
    Library.model_validate(library)
    needed = {one["type"] for one in library["dataRequirement"]}
    assert {"Patient", "Encounter"} <= needed
    assert stranger.get(path, params={"periodStart": "canary"}).status_code == 400


def test_what_data_is_needed_can_be_asked_by_post_and_of_a_named_measure(
    stranger: TestClient,
) -> None:
    library = stranger.get("/fhir/Measure/readmission/$data-requirements").json()
    named = {"name": "measure", "valueString": "readmission"}
    body: dict[str, Any] = {"resourceType": "Parameters", "parameter": []}
    path = "/fhir/Measure/$data-requirements"
    assert stranger.get(path, params={"measure": "Measure/readmission"}).json() == library
    both = {"resourceType": "Parameters", "parameter": [named]}
    assert stranger.post(path, json=both).json() == library
    assert stranger.post("/fhir/Measure/readmission/$data-requirements", json=body).json() == (
        library
    )
    assert stranger.get(path).status_code == 400
    assert stranger.post(path, json=body).status_code == 400
    half = {"measure": "readmission", "periodStart": "2026"}
    assert stranger.get(path, params=half).status_code == 400
    one = {"measure": "readmission"}
    assert stranger.get("/fhir/Measure/dreaming/$data-requirements", params=one).status_code == 400


def test_the_documentation_loads_nothing_from_elsewhere(stranger: TestClient) -> None:
    page = stranger.get("/docs")
    assert page.status_code == 200
    assert "http://" not in page.text and "https://" not in page.text
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert stranger.get("/static-offline-docs/swagger-ui-bundle.js").status_code == 200


def test_every_operation_is_described(program: FastAPI) -> None:
    described: list[dict[str, Any]] = [
        operation
        for path, operations in program.openapi()["paths"].items()
        if path.startswith("/fhir")
        for operation in operations.values()
    ]
    for operation in described:
        assert operation["summary"] and operation["description"], operation
        assert "example" in operation["responses"]["200"]["content"]["application/fhir+json"]
        assert "HTTPValidationError" not in str(operation)
    evaluations = [one for one in described if "Evaluation" in one["tags"]]
    assert len(evaluations) == 4
    assert all(one["security"] == [{"HTTPBearer": []}] for one in evaluations)


def test_the_keys_for_the_ehr_are_public_halves(stranger: TestClient) -> None:
    (key,) = stranger.get("/.well-known/jwks.json").json()["keys"]
    assert (key["kid"], key["kty"], key["alg"]) == ("north-1", "EC", "ES384")
    assert "d" not in key


def test_health_says_nothing_of_the_data(stranger: TestClient) -> None:
    assert stranger.get("/health").json() == {"status": "ok"}


def test_the_documents_name_every_path_and_no_other(program: FastAPI) -> None:
    page = (Path(__file__).parents[3] / "docs" / "developers-endpoints.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| `GET")]
    told = {path for row in rows for path in re.findall(r"(/[^\s`,]+)", row.split("|")[1])}
    assert told == {*program.openapi()["paths"], "/docs", "/openapi.json"}
