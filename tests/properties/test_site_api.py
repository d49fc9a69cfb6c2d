"""Whatever is asked of the site, in whatever shape: an answer or an OperationOutcome."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient
from fhir.resources.R4B.operationoutcome import OperationOutcome
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.site.app import create_app
from tests.spec.site_api.conftest import signed_in, write_site
from tests.spec.site_api.hospital import fill_store

CANARY = "canary-zyzzyva"
OPERATIONS = (
    "/fhir/Measure/$evaluate-measure",
    "/fhir/Measure/dreaming/$evaluate-measure",
    "/fhir/Measure/readmission/$data-requirements",
)
NAMES = (
    *("periodStart", "periodEnd", "reportType", "subject", "measure", "practitioner"),
    *("lastReceivedOn", "_format", "_id", "url", "name", "version", "name:exact", CANARY),
)
VALUES = (
    *("2026", "2026-01", "2026-01-31", "9999-12-31", "0000", "2026-02-30", "-1", ""),
    *("subject", "subject-list", "population", "summary", "individual", "json", "xml"),
    *("canary-anna", "Patient/canary-anna", "dreaming", "urn:weir:measure:dreaming", CANARY),
)

names = st.sampled_from(NAMES) | st.text(max_size=20)
values = st.sampled_from(VALUES) | st.text(max_size=60)
pairs = st.lists(st.tuples(names, values), max_size=6)
segments = st.lists(st.sampled_from(["fhir", "Measure", "dreaming", "$nope", CANARY]) | st.text())
paths = st.sampled_from(OPERATIONS) | st.sampled_from(["/fhir/Measure", "/fhir/metadata"])
methods = st.sampled_from(["GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH"])
json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)
value_names = st.sampled_from(["valueString", "valueCode", "valueDate", "valueId", "valueQuantity"])
parameter = st.builds(
    lambda name, kind, value: {"name": name, kind: value}, names, value_names, values
)
parameters = st.builds(
    lambda listed: {"resourceType": "Parameters", "parameter": listed},
    st.lists(parameter | json_values, max_size=6),
)
bodies = (parameters | json_values).map(lambda value: json.dumps(value).encode()) | st.binary()
media_types = st.sampled_from(["application/fhir+json", "application/json", "text/xml", ""])

many = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    config = write_site(tmp_path_factory.mktemp("site"))
    fill_store(config)
    program = create_app(config)
    with TestClient(program, headers=signed_in(program)) as client:
        yield client


def assert_answered(answer: Any) -> None:
    """An answer of ours: a resource, or an OperationOutcome that repeats nothing."""
    assert answer.status_code < 500, answer.text
    assert answer.headers["cache-control"] == "no-store"
    if answer.status_code >= 400 and answer.request.method != "HEAD":
        assert answer.headers["content-type"] == "application/fhir+json"
        OperationOutcome.model_validate(answer.json())
        assert CANARY not in answer.text


@many
@given(method=methods, path=paths, query=pairs)
def test_any_query(
    client: TestClient, method: str, path: str, query: list[tuple[str, str]]
) -> None:
    assert_answered(client.request(method, path, params=tuple(query)))


@many
@given(path=st.sampled_from(OPERATIONS), body=bodies, media_type=media_types)
def test_any_body(client: TestClient, path: str, body: bytes, media_type: str) -> None:
    assert_answered(client.post(path, content=body, headers={"Content-Type": media_type}))


@many
@given(method=methods, parts=segments)
@pytest.mark.full
def test_any_path(client: TestClient, method: str, parts: list[str]) -> None:
    path = "/".join(quote(part, safe="$") for part in parts)
    assert_answered(client.request(method, "http://testserver/" + path))


@many
@given(header=st.binary(max_size=80).filter(lambda it: not set(it) & set(b"\r\n\0")))
@pytest.mark.full
def test_any_authorization(client: TestClient, header: bytes) -> None:
    answer = client.get(OPERATIONS[1], headers={"Authorization": header})
    assert_answered(answer)
    assert answer.status_code == 401
