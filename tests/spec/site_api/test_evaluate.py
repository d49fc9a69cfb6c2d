"""`$evaluate-measure`: R4's three report types, exact, over the store and marked as local."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from fhir.resources.R4B.measurereport import MeasureReport

from service.disclosure import parse_policy
from service.errors import RefusedError
from service.measure.summary import parse
from service.site.app import create_app
from service.site.evaluation import evaluate
from service.site.mapped_store import MappedStore
from service.site.needs import needs_of
from service.site.store import open_store
from service.site.verdict import Fault, Finding
from tests.spec.site_api.conftest import signed_in, write_site
from tests.spec.site_api.hospital import CHART, event, fill_store, patient, stay, surgical
from tests.spec.site_api.test_refusals import assert_refused

MAPPING = """\
source_system,source_code,source_display,target_system,target_code,target_display,\
relationship,reviewed_by,reviewed_on
urn:local,4711,Free fluids,urn:weir:codesystem:dreaming-event,drink,,equivalent,A. N.,2026-05-01
"""
POLICY = b"""
network = "test"
version = "1"
legal_basis = "none: nothing leaves a test"
[[release]]
measure = "urn:weir:measure:dreaming"
window = "month"
from = "2026-01"
to = "2026-01"
[[release]]
measure = "urn:weir:measure:readmission"
window = "quarter"
from = "2026-01"
to = "2026-03"
"""
JANUARY = {"periodStart": "2026-01-01", "periodEnd": "2026-01-31"}
QUARTER = {"periodStart": "2026-01-01", "periodEnd": "2026-03-31"}


def evaluated(client: TestClient, measure: str, asked: Mapping[str, str]) -> dict[str, Any]:
    answer = client.get(f"/fhir/Measure/{measure}/$evaluate-measure", params=asked)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/fhir+json"
    report: dict[str, Any] = answer.json()
    MeasureReport.model_validate(report)
    return report


def counts(report: Mapping[str, Any], group: str) -> dict[str, int]:
    (found,) = [one for one in report["group"] if one["id"] == group]
    return {one["code"]["coding"][0]["code"]: one["count"] for one in found["population"]}


def test_a_population_report_counts_everyone_exactly(client: TestClient) -> None:
    report = evaluated(client, "dreaming", JANUARY | {"reportType": "population"})
    assert (report["type"], report["status"]) == ("summary", "complete")
    assert counts(report, "composite") == {
        "initial-population": 3, "denominator": 3, "denominator-exclusion": 0, "numerator": 1,
    }  # fmt: skip
    assert counts(report, "drinking")["numerator"] == 2
    assert "subject" not in report


def test_readmissions_are_counted_by_stay(client: TestClient) -> None:
    report = evaluated(client, "readmission", QUARTER)
    # Four adults, one of whom was discharged twice; her first discharge was followed by the second.
    assert counts(report, "readmission")["denominator"] == 5
    assert counts(report, "readmission")["numerator"] == 1


@pytest.mark.parametrize(
    ("subject", "numerator"), [("canary-anna", 1), ("Patient/canary-berta", 0)]
)
def test_a_subject_report_is_of_one_patient(
    client: TestClient, subject: str, numerator: int
) -> None:
    report = evaluated(client, "dreaming", JANUARY | {"reportType": "subject", "subject": subject})
    assert report["type"] == "individual"
    assert report["subject"]["reference"] == f"Patient/{subject.removeprefix('Patient/')}"
    assert counts(report, "composite")["numerator"] == numerator
    assert report["evaluatedResource"]


def test_a_subject_list_names_who_is_counted(client: TestClient) -> None:
    report = evaluated(client, "dreaming", JANUARY | {"reportType": "subject-list"})
    lists = {f"#{one['id']}": one for one in report["contained"]}
    (composite,) = [group for group in report["group"] if group["id"] == "composite"]
    numerator = composite["population"][-1]
    entries = lists[numerator["subjectResults"]["reference"]]["entry"]
    assert [entry["item"]["reference"] for entry in entries] == ["Patient/canary-anna"]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({}, "summary"),  # R4: population is the default without a subject,
        ({"subject": "canary-anna"}, "individual"),  # and subject with one
        ({"reportType": "summary"}, "summary"),
        ({"reportType": "individual", "subject": "canary-anna"}, "individual"),
    ],
)
def test_report_types_have_defaults_and_aliases(
    client: TestClient, asked: dict[str, str], told: str
) -> None:
    assert evaluated(client, "dreaming", JANUARY | asked)["type"] == told


@pytest.mark.parametrize(
    ("start", "end"), [("2026-01", "2026-01"), ("2026-01-01", "2026-01"), ("2026", "2026-01-31")]
)
def test_a_year_or_a_month_means_all_of_it(client: TestClient, start: str, end: str) -> None:
    """Dates of a period start and end as search dates do (R4, Measure-evaluate-measure)."""
    report = evaluated(client, "dreaming", {"periodStart": start, "periodEnd": end})
    assert (report["period"]["start"], report["period"]["end"]) == ("2026-01-01", "2026-01-31")


@pytest.mark.parametrize(
    "measure",
    [
        "dreaming",
        "Measure/dreaming",
        "urn:weir:measure:dreaming",
        "urn:weir:measure:dreaming|1.0.0",
    ],
)
def test_the_measure_may_be_a_parameter(client: TestClient, measure: str) -> None:
    asked = JANUARY | {"measure": measure}
    answer = client.get("/fhir/Measure/$evaluate-measure", params=asked)
    assert answer.json()["measure"] == "urn:weir:measure:dreaming|1.0.0"


@pytest.mark.parametrize("path", ["dreaming/", ""])
def test_a_post_takes_parameters_in_its_body(client: TestClient, path: str) -> None:
    named = [] if path else [{"name": "measure", "valueCanonical": "urn:weir:measure:dreaming"}]
    body = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "periodStart", "valueDate": "2026-01-01"},
            {"name": "periodEnd", "valueDate": "2026-01-31"},
            {"name": "reportType", "valueCode": "subject"},
            {"name": "subject", "valueReference": {"reference": "Patient/canary-anna"}},
            *named,
        ],
    }
    answer = client.post(
        f"/fhir/Measure/{path}$evaluate-measure",
        json=body,
        headers={"Content-Type": "application/fhir+json; charset=utf-8"},
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["subject"]["reference"] == "Patient/canary-anna"


def test_reports_are_marked_as_local_and_nobody_keeps_them(client: TestClient) -> None:
    for asked in ({}, {"reportType": "subject-list"}, {"subject": "canary-anna"}):
        answer = client.get("/fhir/Measure/dreaming/$evaluate-measure", params=JANUARY | asked)
        (label,) = answer.json()["meta"]["security"]
        assert (label["system"], label["code"]) == ("urn:weir:handling", "local-only")
        assert answer.headers["cache-control"] == "no-store"


def test_an_exact_report_is_none_that_a_network_takes(client: TestClient) -> None:
    """The wire's schema is closed: it has no place for the mark, a score or an exact count."""
    for asked in ({}, {"reportType": "subject-list"}, {"subject": "canary-anna"}):
        answer = client.get("/fhir/Measure/dreaming/$evaluate-measure", params=JANUARY | asked)
        with pytest.raises(RefusedError):
            parse(answer.content)


def test_days_are_the_hospitals(tmp_path: Path) -> None:
    """Who leaves in New York at 11 in the evening of 31 January leaves in January."""
    config = write_site(tmp_path).model_copy(update={"timezone": "America/New_York"})
    late = stay("canary-dora", 3, "01-30", "01-31")
    late["period"]["end"] = "2026-02-01T04:00:00Z"
    fill_store(config, [patient("canary-dora"), late])
    program = create_app(config)
    with TestClient(program, headers=signed_in(program)) as client:
        report = evaluated(client, "readmission", JANUARY)
    assert counts(report, "readmission")["denominator"] == 1
    assert report["period"]["extension"][0]["valueCode"] == "America/New_York"


def test_the_pipeline_counts_the_same(client: TestClient, program: FastAPI) -> None:
    """What people see here is what protection starts from."""
    site = program.state.site
    policy = parse_policy(POLICY)
    needs = [needs_of(package) for package in site.packages]
    store = MappedStore(open_store(site.config.data_dir), site.mapping, needs)
    as_of = datetime(2026, 6, 1, tzinfo=UTC)
    results = evaluate(store.patients(), site.packages, policy, ZoneInfo("UTC"), as_of)
    assert len(results) == 2
    for exact in results:
        start, end = str(exact.period).split("/")
        report = evaluated(client, exact.package.id, {"periodStart": start, "periodEnd": end})
        for group in exact.table.groups:
            held = {code: len(members) for code, members in group.populations.items()}
            assert counts(report, group.id) == held


def verdict(report: Mapping[str, Any]) -> tuple[str, set[str]]:
    (told,) = [one for one in report["extension"] if one["url"] == "urn:weir:completeness"]
    reasons = {one["valueCode"] for one in told["extension"] if one["url"] == "reason"}
    return told["extension"][0]["valueCode"], reasons


def test_a_report_over_a_whole_pull_is_complete(client: TestClient) -> None:
    assert verdict(evaluated(client, "dreaming", JANUARY)) == ("complete", set())


@pytest.mark.parametrize(
    ("finding", "status", "told"),
    [
        (Finding(Fault.COUNT_MISMATCH, "Encounter.ndjson"), "pending", "count-mismatch"),
        (Finding(Fault.TYPE_REFUSED, "Observation"), "error", "type-refused"),
    ],
)
def test_a_report_over_a_pull_that_was_not_whole_is_not_called_complete(
    client: TestClient, program: FastAPI, finding: Finding, status: str, told: str
) -> None:
    config = program.state.site.config
    fill_store(config, findings=[finding])
    try:
        for asked in ({}, {"subject": "canary-anna"}):
            report = evaluated(client, "dreaming", JANUARY | asked)
            assert report["status"] == status
            assert verdict(report)[1] == {told}
    finally:
        fill_store(config)


def test_a_patient_whose_result_is_not_defined_is_told_of(
    client: TestClient, program: FastAPI
) -> None:
    """Without birth date nobody can say whether a patient is an adult; it is not taken for no."""
    config = program.state.site.config
    unborn = surgical("canary-frida", ("drink",), born=None)
    fill_store(config, [*CHART, *unborn])
    try:
        report = evaluated(client, "dreaming", JANUARY)
        assert counts(report, "composite")["denominator"] == 3
        assert report["status"] == "pending"
        assert "evaluation-error" in verdict(report)[1]
        assert {"url": "urn:weir:not-evaluated", "valueInteger": 1} in report["extension"]
        asked = JANUARY | {"subject": "canary-frida"}
        answer = client.get("/fhir/Measure/dreaming/$evaluate-measure", params=asked)
        assert (answer.status_code, answer.json()["issue"][0]["code"]) == (422, "processing")
    finally:
        fill_store(config)


def test_codes_that_nothing_maps_make_a_report_provisional(
    client: TestClient, program: FastAPI
) -> None:
    """What a code means that nobody looked at, a measure cannot know."""
    config = program.state.site.config
    drank = event("canary-carl", "drink", "01-06T15:00")
    drank["code"] = {"coding": [{"system": "urn:local", "code": "4711"}]}
    fill_store(config, [*CHART, drank])
    try:
        report = evaluated(client, "dreaming", JANUARY)
        assert (report["status"], verdict(report)[1]) == ("pending", {"unmapped-code"})
    finally:
        fill_store(config)


def test_a_mapping_is_applied(tmp_path: Path) -> None:
    config = write_site(tmp_path, mapping=MAPPING)
    drank = event("canary-carl", "drink", "01-06T15:00")
    drank["code"] = {"coding": [{"system": "urn:local", "code": "4711"}]}
    fill_store(config, [*CHART, drank])
    program = create_app(config)
    with TestClient(program, headers=signed_in(program)) as client:
        report = evaluated(client, "dreaming", JANUARY)
        assert counts(report, "drinking")["numerator"] == 3
        assert report["status"] == "complete"


def test_a_measure_that_the_store_was_not_built_for_is_not_answered(tmp_path: Path) -> None:
    """It would count what was never fetched as if it had not happened."""
    config = write_site(tmp_path)
    stays = [one for one in CHART if one["resourceType"] in ("Patient", "Encounter")]
    fill_store(config.model_copy(update={"measures": config.measures[1:]}), stays)
    program = create_app(config)
    with TestClient(program, headers=signed_in(program)) as client:
        assert evaluated(client, "readmission", QUARTER)["status"] == "complete"
        answer = client.get("/fhir/Measure/dreaming/$evaluate-measure", params=JANUARY)
        assert "before this measure was configured" in assert_refused(answer, 503, "transient")
