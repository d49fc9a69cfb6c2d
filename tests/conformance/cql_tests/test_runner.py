"""The tests of cql-tests through `$cql`, asked, read and compared the way HL7's runner does it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from fastapi.testclient import TestClient

from service.cql import translator
from service.site.app import create_app
from tests.conformance.cql_tests import runner
from tests.conformance.cql_tests.known_gaps import KNOWN_GAPS
from tests.conformance.cql_tests.suite import FOLDER, Case, cases
from tests.spec.site_api.conftest import write_site

CASES = cases()
SAMPLE = CASES[::12]
pytestmark = [
    pytest.mark.skipif(not CASES, reason=f"HL7's cql-tests are not at {FOLDER}"),
    pytest.mark.skipif(translator.missing() is not None, reason=str(translator.missing())),
]
# What passes on the command line, and the runner reads from Parameters as something else.
LOST = {
    "IntervalOperatorsTest:Expand:ExpandPerDay": "a Period of Dates is read as one of DateTimes",
}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    config = write_site(tmp_path_factory.mktemp("site")).model_copy(update={"evaluate_cql": True})
    with TestClient(create_app(config)) as client:
        yield client


def differences(client: TestClient, asked: Sequence[Case]) -> dict[str, str]:
    """The tests that the runner would count as failed, with what it would say."""
    told = {case.id: difference(client, case) for case in asked}
    return {name: said for name, said in told.items() if said}


def difference(client: TestClient, case: Case) -> str:
    answer = client.post("/fhir/$cql", json=runner.question(case.expression))
    body = answer.json()
    got = runner.actual(body)  # also of errors, whose text it reads
    if runner.is_error(answer.status_code, body):
        return "" if case.invalid else str(got)
    if case.invalid:
        return f"no error but {got}"
    expected = runner.parse(case.output or "")
    same = runner.equal(*map(runner.without_offset, (expected, got)))
    return "" if same else f"{got} is not {expected}"


@pytest.mark.full
def test_a_sample_of_the_suite_passes_over_http(client: TestClient) -> None:
    expected = [case for case in SAMPLE if case.id not in KNOWN_GAPS | LOST]
    assert differences(client, expected) == {}


@pytest.mark.full
def test_all_of_the_suite_passes_over_http_but_for_the_known_gaps(client: TestClient) -> None:
    assert differences(client, CASES).keys() == KNOWN_GAPS.keys() | LOST.keys()
