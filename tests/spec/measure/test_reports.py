"""MeasureReports: valid R4, with what DEQM's profiles ask for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from service.measure.evaluator import Evaluator
from service.measure.package import MeasurePackage, compile_package
from service.measure.period import Period
from service.measure.report import Reporter, to_json
from service.measure.tally import Tally
from tests.fhir_models import check_r4
from tests.spec.measure.tiny import (
    content,
    criteria,
    extension,
    group_json,
    measure,
    observation,
    patient,
    population,
)

ELIGIBLE = "initial-population denominator"
IMPROVEMENT = [extension("improvementNotation", "increase")]


def reporter(package: MeasurePackage, zone: str = "UTC") -> Reporter:
    evaluator = Evaluator(package, Period.parse("2026-01"), ZoneInfo(zone))
    return Reporter(evaluator, "north", datetime(2026, 3, 1, tzinfo=UTC))


def individual(package: MeasurePackage, *encounters: str, **more: Any) -> dict[str, Any]:
    told = reporter(package)
    evaluator = Evaluator(package, told.period)
    report = told.individual(evaluator.evaluate(patient(*encounters, **more), details=True))
    check_r4(report)
    decoded: dict[str, Any] = msgspec.json.decode(to_json(report))
    return decoded


def tally(package: MeasurePackage, *patients: tuple[str, ...]) -> Tally:
    evaluator = Evaluator(package, Period.parse("2026-01"))
    found = Tally(package.groups, subjects=True)
    for encounters in patients:
        found.add(evaluator.evaluate(patient(*encounters)))
    return found


def counts(report: dict[str, Any]) -> dict[str, int]:
    return {one["id"]: one["count"] for one in report["group"][0]["population"]}


def test_an_individual_report_counts_one_patients_units() -> None:
    report = individual(measure("proportion", "Encounter"), f"{ELIGIBLE} numerator", ELIGIBLE)
    assert report["type"] == "individual"
    assert report["subject"] == {"reference": "Patient/p1"}
    assert counts(report) == {
        "initial-population": 2,
        "denominator": 2,
        "denominator-exclusion": 0,
        "denominator-exception": 0,
        "numerator": 1,
        "numerator-exclusion": 0,
    }
    assert "measureScore" not in report["group"][0]


def test_it_names_the_resources_that_the_logic_retrieved() -> None:
    report = individual(measure("cohort", "Encounter"), "", "initial-population")
    assert {"reference": "Encounter/e2"} in report["evaluatedResource"]


def test_it_has_what_deqm_asks_for() -> None:
    report = individual(measure("cohort", "boolean"))
    profile = "http://hl7.org/fhir/us/davinci-deqm/StructureDefinition/indv-measurereport-deqm"
    assert report["meta"]["profile"] == [profile]
    assert report["status"] == "complete"
    assert report["measure"] == "urn:test:tiny|1"
    assert report["date"] == "2026-03-01T00:00:00+00:00"
    assert report["reporter"] == {"display": "north"}
    [scoring] = report["group"][0]["extension"]
    assert scoring["valueCodeableConcept"]["coding"][0]["code"] == "cohort"


def test_the_period_states_its_time_zone() -> None:
    told = reporter(measure("cohort", "boolean"), "Europe/London")
    assert told.summary(tally(told.package))["period"] == {
        "extension": [
            {
                "url": "http://hl7.org/fhir/StructureDefinition/timezone",
                "valueCode": "Europe/London",
            }
        ],
        "start": "2026-01-01",
        "end": "2026-01-31",
    }


def test_one_improvement_notation_is_the_reports_and_several_are_their_groups() -> None:
    first = group_json("proportion", "boolean")
    first["extension"] += IMPROVEMENT
    second = group_json("proportion", "boolean") | {"id": "h"}
    report = individual(compile_package(content(first), "tiny"))
    assert report["improvementNotation"]["coding"][0]["code"] == "increase"
    report = individual(compile_package(content(first, second), "tiny"))
    assert "improvementNotation" not in report
    assert [len(group["extension"]) for group in report["group"]] == [2, 1]


def test_how_rates_are_to_be_combined_is_told_and_left_to_the_reader() -> None:
    """Measure.rateAggregation is text without codes: each group keeps its own score."""
    package = compile_package(
        content(group_json("proportion", "boolean"), rateAggregation="the mean of both rates"),
        "tiny",
    )
    (group,) = individual(package)["group"]
    assert group["extension"][-1] == {
        "url": "urn:weir:rate-aggregation",
        "valueString": "the mean of both rates",
    }


def test_observations_carry_each_value() -> None:
    codes = ("initial-population", "measure-population")
    package = measure(
        "continuous-variable",
        "Encounter",
        population=[*map(population, codes), observation("measure-population", "median")],
    )
    words = "initial-population measure-population"
    report = individual(package, words, words, words, lengths=(3, None, 7))
    told = report["group"][0]["population"][-1]
    assert told["count"] == 2
    assert told["extension"] == [
        {"url": "urn:weir:observation-value", "valueDecimal": 3},
        {"url": "urn:weir:observation-value", "valueDecimal": 7},
    ]


def test_a_summary_adds_up_and_scores() -> None:
    package = measure("proportion", "Encounter")
    found = tally(package, (f"{ELIGIBLE} numerator", ELIGIBLE), (ELIGIBLE,))
    report = reporter(package).summary(found)
    check_r4(report)
    assert report["type"] == "summary"
    assert counts(report)["denominator"] == 3
    assert float(report["group"][0]["measureScore"]["value"]) == pytest.approx(1 / 3, abs=1e-12)
    assert "subject" not in report


def test_a_score_that_is_none_is_said_to_be_not_applicable() -> None:
    package = measure("proportion", "Encounter")
    report = reporter(package).summary(tally(package, ("initial-population",)))
    check_r4(report)
    [absent] = report["group"][0]["measureScore"]["extension"]
    assert absent["valueCode"] == "not-applicable"


def test_a_subject_list_names_the_patients_of_each_population() -> None:
    package = measure("proportion", "Encounter")
    report = reporter(package).subject_list(tally(package, (ELIGIBLE,), ("",)))
    check_r4(report)
    told = {
        one["id"]: one["subjectResults"]["reference"] for one in report["group"][0]["population"]
    }
    lists = {f"#{one['id']}": one.get("entry", []) for one in report["contained"]}
    assert lists[told["denominator"]] == [{"item": {"reference": "Patient/p1"}}]
    assert lists[told["numerator"]] == []


def test_strata_have_counts_in_every_kind_of_report() -> None:
    package = measure(
        "cohort",
        "Encounter",
        stratifier=[
            {"id": "age", "criteria": criteria("Is Old")},
            {"id": "both", "component": [{"code": {"text": "g"}, "criteria": criteria("Gender")}]},
        ],
    )
    age, both = individual(package, "initial-population", gender="male")["group"][0]["stratifier"]
    told = [(one["value"]["text"], one["population"][0]["count"]) for one in age["stratum"]]
    assert told == [("true", 0), ("false", 1)]
    assert both["stratum"][0]["component"][0]["value"] == {"text": "male"}
    check_r4(reporter(package).summary(tally(package, ("initial-population",))))


def test_supplemental_data_are_observations_that_the_report_refers_to() -> None:
    supplemental = {"id": "sex", "code": {"text": "sex"}, "criteria": criteria("Gender")}
    package = compile_package(
        content(group_json("cohort", "boolean"), supplementalData=[supplemental]), "tiny"
    )
    report = individual(package, gender="male")
    [found] = report["contained"]
    assert (found["code"], found["valueCodeableConcept"]) == ({"text": "sex"}, {"text": "male"})
    assert {"reference": f"#{found['id']}"} in report["evaluatedResource"]


def test_supplemental_data_that_are_not_there_are_not_told() -> None:
    supplemental = {"id": "sex", "criteria": criteria("Nothing")}
    package = compile_package(
        content(group_json("cohort", "boolean"), supplementalData=[supplemental]), "tiny"
    )
    assert "contained" not in individual(package)
