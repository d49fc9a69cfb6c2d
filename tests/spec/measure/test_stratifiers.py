"""Stratifiers: which stratum the members of a population fall into."""

from __future__ import annotations

from typing import Any

from service.cql.record import PatientRecord
from service.measure.evaluator import Evaluator
from service.measure.population import SYSTEM
from tests.spec.measure.tiny import CQFM, PERIOD, concept, criteria, measure, patient

ELIGIBLE = "initial-population denominator"
OLD = {"birthDate": "1950-01-01"}

Strata = dict[str, dict[str, tuple[str, ...]]]


def strata(basis: str, record: PatientRecord, **stratifier: Any) -> Strata:
    """Stratum, as text -> population -> units, empty populations left out."""
    package = measure("proportion", basis, stratifier=[{"id": "s", **stratifier}])
    found = Evaluator(package, PERIOD).evaluate(record).groups["g"].strata["s"]
    return {
        "/".join(value.text for value in stratum): {name: ids for name, ids in told.items() if ids}
        for stratum, told in found.items()
    }


def test_a_test_of_the_patient_puts_all_that_is_counted_into_true_or_false() -> None:
    record = patient(f"{ELIGIBLE} numerator", ELIGIBLE, **OLD)
    assert strata("Encounter", record, criteria=criteria("Is Old")) == {
        "true": {
            "initial-population": ("e1", "e2"),
            "denominator": ("e1", "e2"),
            "numerator": ("e1",),
        }
    }


def test_so_it_does_where_patients_are_counted() -> None:
    told = {"initial-population": ("p1",), "denominator": ("p1",)}
    young = strata("boolean", patient(ELIGIBLE), criteria=criteria("Is Old"))
    assert young == {"false": told}


def test_a_list_of_tests_is_true_when_one_of_them_is() -> None:
    told = {"initial-population": ("p1",), "denominator": ("p1",)}
    old = strata("boolean", patient(ELIGIBLE, **OLD), criteria=criteria("Is Old, In A List"))
    assert old == {"true": told}


def test_a_list_of_what_is_counted_parts_it() -> None:
    record = patient(ELIGIBLE, ELIGIBLE, "initial-population", lengths=(9, 1, 9))
    assert strata("Encounter", record, criteria=criteria("Long")) == {
        "true": {"initial-population": ("e1", "e3"), "denominator": ("e1",)},
        "false": {"initial-population": ("e2",), "denominator": ("e2",)},
    }


def test_a_value_is_its_own_stratum() -> None:
    record = patient("initial-population", gender="female")
    assert strata("Encounter", record, criteria=criteria("Gender")) == {
        "female": {"initial-population": ("e1",)}
    }


def test_no_value_is_the_stratum_unknown() -> None:
    record = patient("initial-population")
    assert strata("Encounter", record, criteria=criteria("Nothing")) == {
        "unknown": {"initial-population": ("e1",)}
    }


def test_a_coded_value_keeps_its_codes() -> None:
    married = {"coding": [{"system": "urn:test", "code": "M", "display": "Married"}]}
    package = measure(
        "cohort", "Encounter", stratifier=[{"id": "s", "criteria": criteria("Marital Status")}]
    )
    result = Evaluator(package, PERIOD).evaluate(
        patient("initial-population", maritalStatus=married)
    )
    [(stratum,)] = result.groups["g"].strata["s"]
    assert stratum.concept["coding"] == married["coding"]


def test_a_function_is_asked_of_each_unit() -> None:
    record = patient("initial-population", "initial-population")
    record.resources["Encounter"][1]["status"] = "cancelled"  # type: ignore[index]
    assert strata("Encounter", record, criteria=criteria("Status Of")) == {
        "finished": {"initial-population": ("e1",)},
        "cancelled": {"initial-population": ("e2",)},
    }


def test_components_are_combined() -> None:
    components = [
        {"code": {"text": "age"}, "criteria": criteria("Is Old")},
        {"code": {"text": "gender"}, "criteria": criteria("Gender")},
    ]
    record = patient("initial-population", gender="male", **OLD)
    assert strata("Encounter", record, component=components) == {
        "true/male": {"initial-population": ("e1",)}
    }


def test_a_stratifier_may_apply_to_some_populations_only() -> None:
    applies = {"url": f"{CQFM}appliesTo", "valueCodeableConcept": concept(SYSTEM, "denominator")}
    record = patient(ELIGIBLE, **OLD)
    assert strata("Encounter", record, criteria=criteria("Is Old"), extension=[applies]) == {
        "true": {"denominator": ("e1",)}
    }
