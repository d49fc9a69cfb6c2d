"""Measures that are all logic and no medicine: an encounter says by its types where it belongs.

measure("proportion", "Encounter")      a package whose populations are the encounters with a
                                        type of the population's name ("denominator"...)
measure("proportion", "boolean")        ... the patients who have such an encounter
patient("initial-population denominator", "initial-population")       two encounters, e1 and e2
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from service.cql import translator
from service.cql.record import PatientRecord
from service.measure.content import Content
from service.measure.evaluator import Evaluator
from service.measure.package import MeasurePackage, compile_package
from service.measure.period import Period
from service.measure.population import SYSTEM

Json = dict[str, Any]
CQFM = "http://hl7.org/fhir/us/cqfmeasures/StructureDefinition/cqfm-"
CODES = (
    "initial-population",
    "denominator",
    "denominator-exclusion",
    "denominator-exception",
    "numerator",
    "numerator-exclusion",
    "measure-population",
    "measure-population-exclusion",
)
POPULATIONS = {
    "proportion": CODES[:6],
    "ratio": ("initial-population", "denominator", "denominator-exclusion", *CODES[4:6]),
    "continuous-variable": ("initial-population", *CODES[6:]),
    "cohort": CODES[:1],
}
PERIOD = Period.parse("2026")

CQL = """
library Tiny version '1.0.0'
using FHIR version '4.0.1'
include FHIRHelpers version '4.0.1'
parameter "Measurement Period" Interval<DateTime>
context Patient

define function Has(encounter Encounter, flag String):
  exists (encounter.type T where T.text.value = flag)

define function "Length"(encounter Encounter): encounter.length.value.value
define function "Length With Unit"(encounter Encounter): FHIRHelpers.ToQuantity(encounter.length)
define function "Status Of"(encounter Encounter): encounter.status.value
define function "All Lengths"(): Sum([Encounter] E return all E.length.value.value)
define "Patient Length": Sum([Encounter] E return all E.length.value.value)

define "Long": [Encounter] E where E.length.value.value > 5
define "Is Old": AgeInYearsAt(date from start of "Measurement Period") >= 65
define "Is Old, In A List": { AgeInYearsAt(date from start of "Measurement Period") >= 65 }
define "Gender": Patient.gender.value
define "Marital Status": Patient.maritalStatus
define "Nothing": null as String
define "Broken": Message(true, true, 'broken', 'Error', 'Broken')
""" + "".join(
    f"""
define "{code}": [Encounter] E where Has(E, '{code}')
define "patient {code}": exists "{code}"
"""
    for code in CODES
)


@cache
def libraries() -> tuple[Mapping[str, Any], ...]:
    helpers = translator.built_in_source("FHIRHelpers")
    assert helpers is not None
    return translator.translate(CQL), translator.translate(helpers)


def measure(scoring: str, basis: str, **group: Any) -> MeasurePackage:
    """A package of one group; ``group`` adds to or takes the place of the group's elements."""
    return compile_package(content(group_json(scoring, basis) | group), "tiny")


def group_json(scoring: str, basis: str) -> Json:
    return {
        "id": "g",
        "extension": [
            extension("scoring", scoring),
            {"url": f"{CQFM}populationBasis", "valueCode": basis},
        ],
        "population": [population(code, basis) for code in POPULATIONS[scoring]]
        + ([observation("measure-population")] if scoring == "continuous-variable" else []),
    }


def content(*groups: Json, **measure: Any) -> Content:
    json = {
        "resourceType": "Measure",
        "id": "tiny",
        "url": "urn:test:tiny",
        "version": "1",
        "status": "active",
        "library": ["urn:test:Tiny"],
        "group": list(groups),
    }
    return Content(json | measure, "Tiny", libraries(), (), ())


def population(code: str, basis: str = "Encounter", id: str | None = None, **more: Any) -> Json:
    expression = f"patient {code}" if basis == "boolean" else code
    return {
        "id": id or code,
        "code": concept(SYSTEM, code),
        "criteria": criteria(expression),
        **more,
    }


def observation(
    reference: str, method: str = "sum", expression: str = "Length", id: str = "observation"
) -> Json:
    return {
        "id": id,
        "extension": [
            {"url": f"{CQFM}criteriaReference", "valueString": reference},
            {"url": f"{CQFM}aggregateMethod", "valueCode": method},
        ],
        "code": concept(SYSTEM, "measure-observation"),
        "criteria": criteria(expression),
    }


def criteria(expression: str) -> Json:
    return {"language": "text/cql-identifier", "expression": expression}


def concept(system: str, code: str) -> Json:
    return {"coding": [{"system": system, "code": code}]}


def extension(name: str, code: str) -> Json:
    return {"url": CQFM + name, "valueCodeableConcept": concept("urn:test", code)}


def patient(*encounters: str, lengths: Sequence[int | None] = (), **patient: Any) -> PatientRecord:
    """A patient with an encounter for each text, whose words are the encounter's types."""
    made = [
        {
            "resourceType": "Encounter",
            "id": f"e{number}",
            "status": "finished",
            "type": [{"text": word} for word in words.split()],
        }
        for number, words in enumerate(encounters, 1)
    ]
    for encounter, length in zip(made, lengths, strict=False):
        if length is not None:
            encounter["length"] = {"value": length, "code": "d"}
    person = {"resourceType": "Patient", "id": "p1", "birthDate": "1990-01-01", **patient}
    return PatientRecord("p1", {"Patient": [person], "Encounter": made})


def members(package: MeasurePackage, record: PatientRecord) -> dict[str, tuple[str, ...]]:
    """Who belongs to each population of the only group; empty populations are left out."""
    group = Evaluator(package, PERIOD).evaluate(record).groups["g"]
    return {name: ids for name, ids in group.by_id.items() if ids}
