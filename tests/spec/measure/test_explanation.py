"""Why a patient counted: for each population, the clauses that decided and what they rest on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import pytest

from service.cql import translator
from service.cql.record import PatientRecord
from service.errors import EvaluationError
from service.measure.clause import FALSE, SKIPPED, TRUE, UNKNOWN, Clause
from service.measure.content import Content
from service.measure.evaluator import Evaluator
from service.measure.explanation import Explainer, Explanation, Reason
from service.measure.explanation_report import EXPLANATION, explained
from service.measure.explanation_text import explanation_text
from service.measure.package import MeasurePackage, compile_package
from service.measure.report import Reporter
from tests.fhir_models import check_r4
from tests.spec.measure.tiny import (
    PERIOD,
    concept,
    criteria,
    group_json,
    libraries,
    patient,
)
from tests.spec.measure.tiny import content as tiny_content

CQL = """
library Pressure version '1'
using FHIR version '4.0.1'
include FHIRHelpers version '4.0.1'
codesystem "codes": 'urn:codes'
code "blood pressure": 'bp' from "codes"
parameter "Measurement Period" Interval<DateTime>
context Patient

define "Initial Population": /* adults */ AgeInYearsAt(@2026-12-31) >= 18 and Patient.active = true
define "Denominator": "Initial Population"
define "Numerator": exists "Low Reading" or "Told So"
define "Low Reading":
  "Reading" O where O.low and (O.seen is not null or Patient.gender = 'female')
define "Reading":
  [Observation: "blood pressure"] O
    let value: (O.value as FHIR.Quantity).value.value
    return { low: value < 140, seen: O.effective }
define "Told So": Message(false, Patient.gender = 'other', 'unheard of', 'Error', 'Unheard of')
"""
PATIENT = {"resourceType": "Patient", "id": "p", "birthDate": "1980-01-01", "active": True}


def reading(id: str, value: int | None, code: str = "bp") -> dict[str, Any]:
    found = {"resourceType": "Observation", "id": id, "code": {"coding": [_coding(code)]}}
    return found | ({} if value is None else {"valueQuantity": {"value": value}})


def _coding(code: str) -> dict[str, str]:
    return {"system": "urn:codes", "code": code}


@cache
def pressure(annotated: bool = True) -> MeasurePackage:
    elm = translator.translate(CQL), libraries()[1]
    group = {
        "id": "g",
        "population": [
            {
                "code": concept("http://terminology.hl7.org/CodeSystem/measure-population", code),
                "criteria": criteria(code.replace("-", " ").title()),
            }
            for code in ("initial-population", "denominator", "numerator")
        ],
    }
    measure = {
        "resourceType": "Measure",
        "id": "pressure",
        "url": "urn:test:pressure",
        "library": ["urn:test:Pressure"],
        "scoring": concept("urn:test", "proportion"),
        "group": [group],
    }
    documents = elm if annotated else tuple(map(_without_annotations, elm))
    return compile_package(Content(measure, "Pressure", documents, (), ()), "pressure")


def _without_annotations(elm: Any) -> Any:
    if isinstance(elm, dict):
        dropped = ("annotation", "localId")
        return {key: _without_annotations(one) for key, one in elm.items() if key not in dropped}
    return [_without_annotations(one) for one in elm] if isinstance(elm, list) else elm


def explain(*observations: Mapping[str, Any], annotated: bool = True, **more: Any) -> Explanation:
    record = PatientRecord("p", {"Patient": [PATIENT | more], "Observation": observations})
    return Explainer(Evaluator(pressure(annotated), PERIOD)).explain(record)


def reason(explanation: Explanation, name: str) -> Reason:
    return next(one for one in explanation.reasons if one.population.id == name)


def clauses(explanation: Explanation, name: str = "numerator") -> Iterator[Clause]:
    for clause in reason(explanation, name).clauses:
        yield from clause.walk()


def verdict(explanation: Explanation, cql: str, name: str = "numerator") -> str | None:
    (found,) = {one.verdict for one in clauses(explanation, name) if one.cql == cql}
    return found


def facts(explanation: Explanation, cql: str, name: str = "numerator") -> dict[str, Any]:
    told = (one for one in clauses(explanation, name) if one.cql == cql)
    return {fact.element: fact.value for one in told for fact in one.facts}


# What is told of a clause


def test_every_clause_is_true_false_or_unknown() -> None:
    found = explain(reading("o", 150), active=None)
    assert verdict(found, "AgeInYearsAt(@2026-12-31) >= 18", "initial-population") == TRUE
    assert verdict(found, "Patient.active = true", "initial-population") == UNKNOWN
    assert verdict(explain(reading("o", 130)), 'exists "Low Reading"') == FALSE
    assert verdict(explain(reading("o", 130), gender="female"), 'exists "Low Reading"') == TRUE


def test_a_clause_rests_on_elements_of_resources_absent_ones_too() -> None:
    found = explain(reading("o", 150), gender="male")
    assert facts(found, "AgeInYearsAt(@2026-12-31)", "initial-population") == {
        "birthDate": "1980-01-01"
    }
    assert facts(found, "O.seen is not null") == {"effective": None}
    assert facts(found, "Patient.gender = 'female'") == {"gender": "male"}


def test_what_is_read_of_a_tuple_rests_on_what_made_it() -> None:
    """`O.low` is a Boolean of a tuple: it is told why it is false."""
    (low,) = [one for one in clauses(explain(reading("o", 150))) if one.cql == "O.low"]
    assert low.verdict == FALSE
    (origin,) = low.parts
    assert origin.cql == "value < 140"
    assert {fact.element for one in clauses(explain(reading("o", 150))) for fact in one.facts} >= {
        "valueQuantity.value"
    }


def test_clauses_that_another_decided_are_looked_at_all_the_same() -> None:
    """The age decides alone; who reads wants to know all that is not met."""
    found = explain(birthDate="2020-01-01", active=False)
    assert verdict(found, "AgeInYearsAt(@2026-12-31) >= 18", "initial-population") == FALSE
    assert verdict(found, "Patient.active = true", "initial-population") == FALSE
    rows = explain(reading("o", 150), gender="female")
    assert verdict(rows, "O.low") == FALSE
    assert verdict(rows, "Patient.gender = 'female'") == TRUE


def test_looking_at_more_than_is_needed_makes_no_error() -> None:
    """`Told So` is an error for this patient, and the numerator is decided without it."""
    found = explain(reading("o", 130) | {"effectiveDateTime": "2026"}, gender="other")
    assert reason(found, "numerator").counted == ("p",)
    assert verdict(found, '"Told So"') == SKIPPED
    with pytest.raises(EvaluationError):
        explain(reading("o", 150), gender="other")


def test_a_query_is_told_row_by_row() -> None:
    found = explain(reading("o1", 150), reading("o2", 130), gender="female")
    rows = [one for one in clauses(found) if one.kind == "row" and one.resources]
    assert [[resource["id"] for resource in row.resources] for row in rows[:2]] == [["o1"], ["o2"]]


def test_a_retrieve_says_how_many_of_how_many_and_by_which_codes() -> None:
    found = explain(reading("o1", 150), reading("other", 1, code="hr"))
    (retrieve,) = [one for one in clauses(found) if one.kind == "Retrieve"]
    assert (retrieve.cql, retrieve.value) == (
        '[Observation: "blood pressure"]',
        "1 of 2 Observation",
    )
    assert [(fact.resource["id"], fact.element) for fact in retrieve.facts] == [("o1", "code")]


# What is told of a population


def test_a_population_says_who_meets_its_criteria_and_who_is_counted() -> None:
    """Someone who is too young has a low reading, and is in no numerator."""
    found = explain(reading("o", 130), birthDate="2020-01-01", gender="female")
    assert reason(found, "numerator").meeting == ("p",)
    assert reason(found, "numerator").counted == ()


def test_observations_are_explained_for_each_unit_that_is_observed() -> None:
    package = compile_package(tiny_content(group_json("continuous-variable", "Encounter")), "tiny")
    both = "initial-population measure-population"
    record = patient(both, f"{both} measure-population-exclusion", lengths=(3, 9))
    found = Explainer(Evaluator(package, PERIOD)).explain(record)
    told = reason(found, "observation")
    assert told.counted == ("e1",)
    assert [fact.value for one in told.clauses for fact in one.facts] == [3]


# How it is told


def test_without_annotations_names_and_places_serve() -> None:
    found = explain(reading("o", 150), annotated=False)
    texts = {one.cql for one in clauses(found)}
    assert '"Low Reading"' in texts and "Exists" in texts
    places = {one.place for one in clauses(found)}
    assert any(place.startswith("Pressure 1, 'Low Reading', ") for place in places)
    annotated = explain(reading("o", 150))
    assert [r.counted for r in found.reasons] == [r.counted for r in annotated.reasons]


def test_comments_and_line_ends_are_no_part_of_a_clauses_text() -> None:
    found = next(clauses(explain(), "initial-population"))
    assert found.cql == "AgeInYearsAt(@2026-12-31) >= 18 and Patient.active = true"


def test_the_text_is_a_tree_with_marks_and_record_lines() -> None:
    observation = reading("o", 150)
    record = PatientRecord("p", {"Patient": [PATIENT], "Observation": [observation]})
    found = Explainer(Evaluator(pressure(), PERIOD)).explain(record)
    text = explanation_text(found, {id(observation): "Observation.ndjson, line 7"})
    assert '  numerator: 0 patient by "Numerator"' in text
    assert "✗ value < 140" in text
    assert "Observation/o (Observation.ndjson, line 7): valueQuantity.value 150" in text
    assert "✓ all of" in text  # of the initial population
    # Clauses are indented below what they decide.
    lines = text.splitlines()
    above = next(line for line in lines if line.lstrip().startswith("✗ any of"))
    below = next(line for line in lines if 'exists "Low Reading"' in line)
    assert len(below) - len(below.lstrip()) > len(above) - len(above.lstrip())


def test_the_report_has_it_as_parameters() -> None:
    found = explain(reading("o", 150))
    evaluator = Evaluator(pressure(), PERIOD)
    report = explained(Reporter(evaluator).individual(found.result), found)
    check_r4(report)
    (extension,) = [one for one in report["extension"] if one["url"] == EXPLANATION]
    (told,) = [one for one in report["contained"] if one["resourceType"] == "Parameters"]
    assert extension["valueReference"]["reference"] == f"#{told['id']}"
    numerator = _parts(told["parameter"][2])
    assert numerator["population"] == [{"name": "population", "valueString": "numerator"}]
    clause = _parts(numerator["clause"][0])
    assert clause["cql"][0]["valueString"] == 'exists "Low Reading" or "Told So"'
    assert clause["result"][0]["valueCode"] == "false"


def _parts(parameter: Mapping[str, Any]) -> dict[str, list[Mapping[str, Any]]]:
    parts: dict[str, list[Mapping[str, Any]]] = {}
    for part in parameter["part"]:
        parts.setdefault(part["name"], []).append(part)
    return parts


def test_the_ordinary_program_has_nothing_of_it() -> None:
    (logic,) = pressure().logics
    assert "T." not in logic.program.source.replace("T.text", "")
    assert logic.program.sites == ()
    assert "T.leave(" in logic.program.traced().source
