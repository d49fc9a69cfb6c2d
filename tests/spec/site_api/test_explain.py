"""`explain`: why one patient counted, for signed-in people alone."""

from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from tests.fhir_models import check_r4
from tests.spec.site_api.test_evaluate import JANUARY
from tests.spec.site_api.test_refusals import assert_refused

PATH = "/fhir/Measure/dreaming/$evaluate-measure"
BERTA = JANUARY | {"reportType": "subject", "subject": "canary-berta", "explain": "true"}


def clauses(parameter: dict[str, Any]) -> list[dict[str, Any]]:
    """The clauses within a parameter, each as its parts by name (the last of a name)."""
    found = []
    for part in parameter.get("part", ()):
        if part["name"] == "clause":
            found += [{one["name"]: one for one in part["part"]}, *clauses(part)]
    return found


def test_a_subjects_report_says_why(client: TestClient) -> None:
    answer = client.get(PATH, params=BERTA)
    assert answer.status_code == 200
    report = answer.json()
    check_r4(report)
    assert {one["code"] for one in report["meta"]["security"]} == {"local-only"}
    (told,) = [one for one in report["contained"] if one["resourceType"] == "Parameters"]
    eating = next(
        one
        for one in told["parameter"]
        if {"name": "population", "valueString": "eating-numerator"} in one["part"]
    )
    verdicts = {
        one["cql"]["valueString"]: one["result"]["valueCode"]
        for one in clauses(eating)
        if "result" in one
    }
    assert verdicts["S.ate"] == "false"
    # Berta drank; that she did not eat is told by the records that are not there.
    assert verdicts['"Within 24 Hours"("Eat Record", S.zero)'] == "false"


def test_a_post_asks_in_its_body(client: TestClient) -> None:
    parameters: list[dict[str, Any]] = [
        {"name": name, "valueString": value} for name, value in BERTA.items() if name != "explain"
    ]
    parameters.append({"name": "explain", "valueBoolean": True})
    answer = client.post(
        PATH,
        json={"resourceType": "Parameters", "parameter": parameters},
        headers={"Content-Type": "application/fhir+json"},
    )
    assert answer.status_code == 200
    assert any(one["url"] == "urn:weir:explanation" for one in answer.json()["extension"])


def test_without_asking_nothing_is_explained(client: TestClient) -> None:
    report = client.get(PATH, params=BERTA | {"explain": "false"}).json()
    assert all(one["resourceType"] != "Parameters" for one in report.get("contained", ()))


def test_who_has_no_token_is_told_nothing(stranger: TestClient) -> None:
    assert_refused(stranger.get(PATH, params=BERTA), 401, "login")


@pytest.mark.parametrize("report_type", ["population", "subject-list"])
def test_counts_of_everyone_have_no_explanation(client: TestClient, report_type: str) -> None:
    asked = JANUARY | {"reportType": report_type, "explain": "true"}
    assert_refused(client.get(PATH, params=asked), 400, "invalid")


def test_the_audit_log_tells_explaining_from_evaluating(
    client: TestClient, program: FastAPI
) -> None:
    client.get(PATH, params=BERTA)
    log = program.state.site.audit
    entries = log.entries(log.pseudonym("canary-berta"))
    assert [(one.action, one.outcome) for one in entries[-2:]] == [
        ("explain-measure", "started"),
        ("explain-measure", "done"),
    ]
