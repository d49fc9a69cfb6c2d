"""The CQL operation: an expression's value, without patients or about the one who is named."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from fhir.resources.R4B.capabilitystatement import CapabilityStatement
from fhir.resources.R4B.parameters import Parameters

from service.cql import translator
from service.site.app import create_app
from tests.spec.site_api.conftest import signed_in, write_site
from tests.spec.site_api.hospital import assert_no_canary, fill_store
from tests.spec.site_api.test_refusals import assert_refused

pytestmark = pytest.mark.skipif(translator.missing() is not None, reason=str(translator.missing()))

CQL = "/fhir/$cql"
ANNA = {"name": "subject", "valueString": "Patient/canary-anna"}


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    """A site that has switched the operation on."""
    config = write_site(tmp_path_factory.mktemp("site")).model_copy(update={"evaluate_cql": True})
    fill_store(config)
    return create_app(config)


@pytest.fixture(scope="module")
def stranger(program: FastAPI) -> Iterator[TestClient]:
    with TestClient(program) as client:
        yield client


@pytest.fixture(scope="module")
def client(program: FastAPI) -> Iterator[TestClient]:
    with TestClient(program, headers=signed_in(program)) as client:
        yield client


def ask(client: TestClient, expression: str, *more: dict[str, Any]) -> Any:
    """The answer to a POST of an expression, with further parameters."""
    parameters = [{"name": "expression", "valueString": expression}, *more]
    return client.post(CQL, json={"resourceType": "Parameters", "parameter": parameters})


def returned(answer: Any) -> list[dict[str, Any]]:
    """What the answer gives as `return`."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/fhir+json"
    Parameters.model_validate(answer.json())
    parameters: list[dict[str, Any]] = answer.json()["parameter"]
    assert {one["name"] for one in parameters} == {"return"}
    return parameters


def error_of(answer: Any) -> dict[str, Any]:
    """The one issue of an evaluation error."""
    assert answer.status_code == 200, answer.text
    Parameters.model_validate(answer.json())
    (parameter,) = answer.json()["parameter"]
    assert parameter["name"] == "evaluation error"
    assert parameter["resource"]["resourceType"] == "OperationOutcome"
    (issue,) = parameter["resource"]["issue"]
    return dict(issue)


def test_a_site_does_not_have_it_unless_it_says_so(tmp_path: Path) -> None:
    with TestClient(create_app(write_site(tmp_path))) as client:
        assert_refused(client.get(CQL, params={"expression": "1"}), 404, "not-found")
        assert_refused(ask(client, "1"), 404, "not-found")
        assert "operation" not in client.get("/fhir/metadata").json()["rest"][0]


def test_the_capability_statement_has_it_where_it_is_on(stranger: TestClient) -> None:
    statement = CapabilityStatement.model_validate(stranger.get("/fhir/metadata").json())
    (operation,) = statement.rest[0].operation
    assert operation.definition == "http://hl7.org/fhir/uv/cql/OperationDefinition/cql-cql"
    assert operation.name == "cql"


def test_an_expression_is_evaluated_by_post_and_by_get(stranger: TestClient) -> None:
    assert returned(ask(stranger, "1 + 1")) == [{"name": "return", "valueInteger": 2}]
    got = stranger.get(CQL, params={"expression": "{ 'a', 'b' }", "_format": "json"})
    assert [one["valueString"] for one in returned(got)] == ["a", "b"]


def test_null_has_the_reason_why_it_is_absent(stranger: TestClient) -> None:
    (parameter,) = returned(ask(stranger, "1 + null"))
    reason = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
    assert parameter["_valueBoolean"]["extension"] == [{"url": reason, "valueCode": "unknown"}]


@pytest.mark.parametrize(
    ("expression", "code", "said"),
    [
        ("1 +", "invalid", "line 4"),
        ("1 + 'a'", "invalid", "Could not resolve"),
        ("[Encounter]", "invalid", "Encounter"),
        ("singleton from { 1, 2 }", "processing", "more than one"),
        ("Message(1, true, 'c', 'Error', 'text')", "processing", ""),
    ],
)
def test_an_evaluation_error_is_told_in_parameters(
    stranger: TestClient, expression: str, code: str, said: str
) -> None:
    issue = error_of(ask(stranger, expression))
    assert (issue["severity"], issue["code"]) == ("error", code)
    assert said in issue["details"]["text"]


def test_the_timestamp_is_now_and_its_offset_that_of_times_without_one(
    stranger: TestClient,
) -> None:
    at = {"name": "timestamp", "valueDateTime": "2020-02-29T23:30:00.000+05:30"}
    (now,) = returned(ask(stranger, "Now()", at))
    assert now["valueDateTime"] == "2020-02-29T23:30:00.000+05:30"
    (offset,) = returned(ask(stranger, "timezoneoffset from @2012-04-01T00:00", at))
    assert offset["valueDecimal"] == 5.5


def test_parameters_are_there_by_name(stranger: TestClient) -> None:
    """More than one of a name are a list, and parts a tuple."""
    given = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "doses", "valueQuantity": {"value": 1.5, "code": "mg"}},
            {"name": "doses", "valueQuantity": {"value": 2500, "code": "ug"}},
            {"name": "It", "part": [{"name": "a", "valueString": "it's"}, {"name": "b", **NULL}]},
            {"name": "stay", "valuePeriod": {"start": "2026-01-05", "end": "2026-01-09"}},
        ],
    }
    parameters = {"name": "parameters", "resource": given}
    (sum_,) = returned(ask(stranger, "Sum(doses)", parameters))
    assert (sum_["valueQuantity"]["value"], sum_["valueQuantity"]["code"]) == (4000, "ug")
    assert returned(ask(stranger, "It.a", parameters))[0]["valueString"] == "it's"
    assert returned(ask(stranger, "It.b is null", parameters))[0]["valueBoolean"] is True
    (inside,) = returned(ask(stranger, "@2026-01-07 during day of stay", parameters))
    assert inside["valueBoolean"] is True


NULL: dict[str, Any] = {
    "_valueBoolean": {
        "extension": [
            {
                "url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason",
                "valueCode": "unknown",
            }
        ]
    }
}


@pytest.mark.parametrize(
    "value",
    [
        {"valueInteger": "5"},
        {"valueDate": "tomorrow"},
        {"valueDateTime": "2026-13-01"},
        {"valueQuantity": {"unit": "mg"}},
        {"valueQuantity": {"value": "much"}},
        {"valueAttachment": {"data": "AA=="}},
        {"part": [{"valueInteger": 1}]},
        {},
    ],
)
def test_parameters_that_the_language_has_no_type_for_are_refused(
    stranger: TestClient, value: dict[str, Any]
) -> None:
    given = {"resourceType": "Parameters", "parameter": [{"name": "x", **value}]}
    answer = ask(stranger, "x", {"name": "parameters", "resource": given})
    assert_refused(answer, 400, "value")


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ([], "expression"),
        ([{"name": "expression", "valueString": ""}], "expression"),
        ([{"name": "expression", "valueString": "1"}] * 2, "more than once"),
        (
            [
                {"name": "expression", "valueString": "1"},
                {"name": "dataEndpoint", "resource": {"resourceType": "Endpoint"}},
            ],
            "not known",
        ),
        (
            [
                {"name": "expression", "valueString": "1"},
                {"name": "timestamp", "valueDateTime": "2026-01-01"},
            ],
            "timestamp",
        ),
        ([{"name": "expression", "valueString": "1"}, {**ANNA, "valueString": "a/b/c"}], "subject"),
    ],
)
def test_a_bad_request_is_refused(
    stranger: TestClient, parameters: list[dict[str, Any]], said: str
) -> None:
    body = {"resourceType": "Parameters", "parameter": parameters}
    refused = stranger.post(CQL, json=body)
    assert refused.status_code == 400
    assert said in assert_refused(refused, 400, "invalid")


def test_a_body_that_is_no_parameters_resource_is_refused(stranger: TestClient) -> None:
    assert_refused(stranger.post(CQL, json={"expression": "1"}), 400, "structure")
    text = {"content-type": "text/plain"}
    assert_refused(stranger.post(CQL, content="1 + 1", headers=text), 415, "not-supported")
    assert_refused(stranger.get(CQL), 400, "invalid")


# About a patient


BORN = "year from Patient.birthDate"


def test_without_sign_in_no_patient_is_seen(stranger: TestClient) -> None:
    assert_refused(ask(stranger, BORN, ANNA), 401, "login")
    assert error_of(ask(stranger, BORN))["code"] == "invalid"
    bad = {"Authorization": "Bearer weir_00000000_nothing"}
    parameters = [{"name": "expression", "valueString": BORN}, ANNA]
    body = {"resourceType": "Parameters", "parameter": parameters}
    assert_refused(stranger.post(CQL, json=body, headers=bad), 401, "login")


def test_who_has_signed_in_may_ask_about_a_patient(client: TestClient, program: FastAPI) -> None:
    (year,) = returned(ask(client, BORN, ANNA))
    assert year["valueInteger"] == 1961
    (count,) = returned(ask(client, "Count([Observation])", ANNA))
    assert count["valueInteger"] == 3
    entries = [one for one in program.state.site.audit.entries() if one.action == "cql"]
    assert [one.outcome for one in entries] == ["started", "done"] * 2
    assert_no_canary(json.dumps([one.model_dump() for one in entries]))


def test_a_patient_is_not_named_in_an_address(client: TestClient) -> None:
    asked = {"expression": BORN, "subject": "Patient/canary-anna"}
    assert_refused(client.get(CQL, params=asked), 400, "invalid")


def test_a_patient_whom_the_site_does_not_have(client: TestClient) -> None:
    unknown = {"name": "subject", "valueString": "Patient/canary-nobody"}
    assert_refused(ask(client, BORN, unknown), 404, "not-found")


def test_data_of_the_server_are_what_a_subject_has(client: TestClient) -> None:
    without = {"name": "useServerData", "valueBoolean": False}
    assert_refused(ask(client, BORN, ANNA, without), 400, "invalid")
    assert returned(ask(client, "1", without))[0]["valueInteger"] == 1


def test_what_the_store_was_not_built_with_is_not_taken_for_absent(client: TestClient) -> None:
    assert_refused(ask(client, "exists [Condition]", ANNA), 422, "not-supported")
