"""docs/wire-format.md is true: its examples are read, and what it says is never in a report."""

import json
import re
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any, get_args

import pytest
from fhir.resources.R4B.measurereport import MeasureReport

from service.disclosure import policy
from service.errors import RefusedError
from service.fhir import signature
from service.measure import wire
from service.measure.completeness import Completeness, Reason, Verdict
from service.measure.summary import Absent, parse, render
from tests.releases import release

PAGE = (Path(__file__).parents[3] / "docs/wire-format.md").read_text()
REPORT, NUMBER, SUPPRESSED, ERROR, NOT_COMPUTABLE, STRATA = (
    json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
)
Json = dict[str, Any]


def with_count(count: Json) -> Json:
    """The page's report with one population in that state."""
    report = deepcopy(REPORT)
    code = report["group"][0]["population"][0]["code"]
    report["group"][0]["population"] = [{"code": code, **count}]
    del report["group"][0]["extension"]
    return report


def with_eligible(**told: Any) -> Json:
    """The page's report with one group, whose eligible are told so."""
    report = deepcopy(REPORT)
    report["group"][0]["extension"] = [{"url": "urn:weir:eligible", **told}]
    return report


def read(report: Json) -> Any:
    return parse(json.dumps(report).encode())


def refused(report: Json) -> str:
    with pytest.raises(RefusedError) as error:
        read(report)
    return str(error.value)


def test_the_pages_report_is_read() -> None:
    summary = read(REPORT).summary
    assert (summary.site, summary.measure, summary.version) == (
        "north",
        "urn:weir:measure:dreaming",
        "1.0.0",
    )
    assert (summary.groups[0].eligible, summary.groups[0].met) == (72, Absent.SUPPRESSED)
    assert summary.groups[0].populations == {
        "denominator": 75,
        "denominator-exclusion": Absent.SUPPRESSED,
        "numerator": 0,
    }
    assert summary.completeness == Completeness(
        Verdict.PROVISIONAL, frozenset({Reason.WINDOW_OPEN})
    )


@pytest.mark.parametrize(("count", "state"), [(NUMBER, 39), (SUPPRESSED, Absent.SUPPRESSED)])
def test_the_pages_states_are_read(count: Json, state: object) -> None:
    assert read(with_count(count)).summary.groups[0].populations == {"denominator": state}


def test_the_pages_not_computable_is_read() -> None:
    report = with_count(ERROR)
    report["extension"][2] = NOT_COMPUTABLE
    summary = read(report).summary
    assert summary.groups[0].populations == {"denominator": Absent.NOT_COMPUTABLE}
    assert summary.completeness.verdict is Verdict.NOT_COMPUTABLE


def test_the_page_names_every_reason_and_header() -> None:
    assert all(f"`{reason}`" in PAGE for reason in Reason)
    assert f"\n{signature.HEADER}: " in PAGE


def test_what_is_read_is_written_again() -> None:
    report = read(REPORT)
    body = render(report.summary, report.key, report.month)
    assert json.loads(body) == REPORT
    assert body == json.dumps(REPORT, sort_keys=True, separators=(",", ":")).encode()


@pytest.mark.parametrize(
    "completeness",
    [
        Completeness(Verdict.COMPLETE),
        Completeness(Verdict.NOT_COMPUTABLE, frozenset({Reason.TYPE_REFUSED})),
    ],
)
def test_what_a_site_writes_is_a_fhir_measure_report(completeness: Completeness) -> None:
    """By another's model of R4, without loss; suppressed and not computable included."""
    body = release(counts=(60, 5, 20), completeness=completeness).body
    assert json.loads(MeasureReport.model_validate_json(body).model_dump_json()) == json.loads(body)


def test_what_a_site_writes_has_what_deqm_requires() -> None:
    report = json.loads(release().body)
    assert report["type"] == "summary"
    assert report["measure"].count("|") == 1  # deqm-0
    assert len(report["period"]["start"]) == len(report["period"]["end"]) == 10  # deqm-1
    assert report["improvementNotation"]  # deqm-2
    scoring = [each for each in report["extension"] if each["url"].endswith("measureScoring")]
    assert len(scoring) == 1  # deqm-3
    assert all(group["population"] for group in report["group"])  # deqm-5
    assert {"status", "date", "reporter", "group"} <= set(report)
    assert not {"subject", "evaluatedResource"} & set(report)
    for group in report["group"]:
        assert all({"count", "_count"} & set(each) for each in group["population"])


def change(path: str, value: Any) -> Callable[[Json], None]:
    """Set an element: "group.0.id"."""
    *steps, last = path.split(".")

    def apply(report: Json) -> None:
        for step in steps:
            report = report[int(step)] if isinstance(report, list) else report[step]
        report[int(last) if isinstance(report, list) else last] = value

    return apply


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("subject", {"reference": "Patient/canary"}),
        ("evaluatedResource", [{"reference": "Encounter/canary"}]),
        ("contained", [{"resourceType": "Patient", "id": "canary"}]),
        ("text", {"status": "generated", "div": "<div>canary</div>"}),
        ("reporter.display", "canary"),
        ("reporter.reference", "Organization/canary"),
        ("group.0.population.0.subjectResults", {"reference": "List/canary"}),
        ("group.0.code", {"text": "canary"}),
    ],
)
def test_patient_level_content_is_refused_by_name(path: str, value: Any) -> None:
    report = deepcopy(REPORT)
    change(path, value)(report)
    told = refused(report)
    assert "patient-level content is not accepted" in told
    assert "canary" not in told


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("type", "individual"),
        ("type", "subject-list"),
        ("resourceType", "Patient"),
        ("status", "pending"),
        ("id", "canary"),
        ("canary", 1),
        ("date", "2026-11-21"),
        ("date", "2026"),
        ("identifier", []),
        ("identifier.0.value", "canary"),
        ("measure", "urn:weir:measure:dreaming"),
        ("measure", "urn:weir:measure:dreaming|1.0.0 canary"),
        ("reporter.identifier.value", "canary at north"),
        ("period.start", "2026-01-01T08:00:00Z"),
        ("period.start", "2026-02-01"),
        ("improvementNotation", None),
        ("extension.1.extension.4.valueString", "canary, far away"),
        ("extension.1.extension.0.valueString", "canary"),
        ("extension.2.extension.1.valueCode", "canary"),
        ("extension.2.extension.0.valueCode", "complete"),
        ("extension.2.extension.0.valueCode", "not-computable"),
        ("extension.3.valueInteger", 2),
        ("group", []),
        ("group.0.id", "canary group"),
        ("group.0.measureScore", {"value": 0.953}),
        ("group.0.extension.0.valueInteger", 7),
        ("group.0.extension.0.valueInteger", 73),
        ("group.0.extension.0.extension", []),
        ("group.0.extension.0.url", "urn:weir:met"),
        ("group.0.extension.0.url", "canary"),
        ("group.0.extension.1.url", "urn:weir:eligible"),
        ("group.0.extension.1.valueInteger", 12),
        ("group.0.extension.1.extension.0.valueCode", "error"),
        ("group.0.population.0.count", 7),
        ("group.0.population.0.count", 76),
        ("group.0.population.0.count", 75.0),
        ("group.0.population.0.count", "75"),
        ("group.0.population.0.count", True),
        ("group.0.population.0.count", -3),
        ("group.0.population.0.count", 30_000_000),
        ("group.0.population.0._count", {}),
        ("group.0.population.1.count", 12),
        ("group.0.population.1._count.extension.0.valueCode", "error"),
        ("group.0.population.1._count.extension.0.valueCode", "unknown"),
        ("group.0.population.1.code.coding.0.code", "denominator"),
        ("group.0.population.1.code.coding.0.code", "measure-observation"),
    ],
)
def test_anything_else_is_refused_without_repeating_it(path: str, value: Any) -> None:
    report = deepcopy(REPORT)
    change(path, value)(report)
    assert "canary" not in refused(report)


def test_who_is_eligible_is_in_one_of_the_four_states_and_need_not_be_told() -> None:
    assert read(with_eligible(valueInteger=0)).summary.groups[0].eligible == 0
    masked = SUPPRESSED["_count"]["extension"]
    told = read(with_eligible(extension=masked)).summary
    assert (told.groups[0].eligible, told.groups[0].met) == (Absent.SUPPRESSED, None)
    report = deepcopy(REPORT)
    del report["group"][0]["extension"]
    assert read(report).summary.groups[0].eligible is None


def with_strata() -> Json:
    report = deepcopy(REPORT)
    report["group"][0] |= deepcopy(STRATA)
    return report


def test_the_pages_strata_are_read_after_the_groups_and_written_again() -> None:
    report = read(with_strata())
    whole, female = report.summary.groups
    assert (whole.id, female.id) == ("composite", "composite/sex/female")
    assert (female.eligible, female.met) == (45, Absent.SUPPRESSED)
    assert female.populations == {
        "denominator": 48,
        "denominator-exclusion": Absent.SUPPRESSED,
        "numerator": 0,
    }
    body = render(report.summary, report.key, report.month)
    assert json.loads(body) == with_strata()
    assert json.loads(MeasureReport.model_validate_json(body).model_dump_json()) == with_strata()


STRATUM = "group.0.stratifier.0.stratum.0"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("group.0.stratifier.0.id", "canary of a name"),
        ("group.0.stratifier.0.stratum", []),
        ("group.0.stratifier.0.stratum", STRATA["stratifier"][0]["stratum"] * 2),
        ("group.0.stratifier.0.code", [{"coding": [{"code": "canary"}]}]),
        ("group.0.stratifier", STRATA["stratifier"] * 2),
        (f"{STRATUM}.value.coding.0.code", "canary/canary"),
        (f"{STRATUM}.value.coding.0.code", "canary  canary"),
        (f"{STRATUM}.value.coding.0.code", "c" * 65),
        (f"{STRATUM}.value.coding.0.system", "urn:canary"),
        (f"{STRATUM}.value.coding.0.display", "canary"),
        (f"{STRATUM}.value.text", "canary"),
        (f"{STRATUM}.component", []),
        (f"{STRATUM}.subjectResults", {"reference": "List/canary"}),
        (f"{STRATUM}.measureScore", {"value": 0.5}),
        (f"{STRATUM}.extension", []),
        (f"{STRATUM}.population", STRATA["stratifier"][0]["stratum"][0]["population"][:2]),
        (f"{STRATUM}.population.0.count", 7),
        (f"{STRATUM}.population.0.count", 47),
        (f"{STRATUM}.population.1._count.extension.0.valueCode", "error"),
    ],
)
def test_of_strata_nothing_else_is_taken(path: str, value: Any) -> None:
    report = with_strata()
    change(path, value)(report)
    assert "canary" not in refused(report)


def test_a_policy_lists_no_value_that_could_not_travel() -> None:
    assert get_args(wire.StratumValue)[1].pattern == policy.VALUE


def test_every_element_is_required() -> None:
    for name in REPORT:
        report = {key: value for key, value in REPORT.items() if key != name}
        assert refused(report)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b"\xff\xfe",
        b'{"resourceType":"MeasureReport","type":"summary","type":"summary"}',
        b"[" * 100_000,
        b"1" * 5_000,
        b" " * 1_000_001,
        json.dumps(REPORT).encode("utf-16"),
    ],
)
def test_what_is_no_report_at_all_is_refused(body: bytes) -> None:
    with pytest.raises(RefusedError):
        parse(body)
