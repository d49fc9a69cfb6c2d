"""Who belongs to which population: the order of exclusions and exceptions."""

from __future__ import annotations

import pytest

from tests.spec.measure.tiny import measure, members, observation, patient, population

IP, DEN, NUM = "initial-population", "denominator", "numerator"
DENEX, EXCEPTION, NUMEX = "denominator-exclusion", "denominator-exception", "numerator-exclusion"
MP, MPX = "measure-population", "measure-population-exclusion"

# What an encounter meets, and where it ends up.
PROPORTION = [
    ("", ()),
    ("initial-population", (IP,)),
    # A population is looked for among the members of the one above it.
    ("denominator numerator", ()),
    ("initial-population numerator", (IP,)),
    ("initial-population denominator", (IP, DEN)),
    ("initial-population denominator numerator", (IP, DEN, NUM)),
    # An exclusion comes before the numerator...
    ("initial-population denominator denominator-exclusion numerator", (IP, DEN, DENEX)),
    # ... and an exception after it: only who missed the numerator can be excepted.
    ("initial-population denominator denominator-exception", (IP, DEN, EXCEPTION)),
    ("initial-population denominator denominator-exception numerator", (IP, DEN, NUM)),
    (
        "initial-population denominator denominator-exclusion denominator-exception",
        (IP, DEN, DENEX),
    ),
    # The numerator's exclusion is looked for in the numerator.
    ("initial-population denominator numerator-exclusion", (IP, DEN)),
    ("initial-population denominator numerator numerator-exclusion", (IP, DEN, NUM, NUMEX)),
]
RATIO = [
    ("initial-population denominator", (IP, DEN)),
    # Numerator and denominator of a ratio do not depend on each other.
    ("initial-population numerator", (IP, NUM)),
    (
        "initial-population denominator denominator-exclusion numerator",
        (IP, DEN, DENEX, NUM),
    ),
    ("initial-population numerator numerator-exclusion", (IP, NUM, NUMEX)),
    ("denominator numerator", ()),
]
CONTINUOUS = [
    ("initial-population", (IP,)),
    ("measure-population", ()),
    ("initial-population measure-population", (IP, MP)),
    ("initial-population measure-population-exclusion", (IP,)),
    ("initial-population measure-population measure-population-exclusion", (IP, MP, MPX)),
]
CASES = [
    *(("proportion", meets, where) for meets, where in PROPORTION),
    *(("ratio", meets, where) for meets, where in RATIO),
    *(("continuous-variable", meets, where) for meets, where in CONTINUOUS),
    ("cohort", "initial-population", (IP,)),
    ("cohort", "", ()),
]

OF_PATIENTS = [population(code, "boolean") for code in (IP, MP, MPX)] + [
    observation(MP, expression="Patient Length")
]


@pytest.mark.parametrize(("scoring", "meets", "where"), CASES)
def test_an_encounter_belongs_where_the_steps_leave_it(
    scoring: str, meets: str, where: tuple[str, ...]
) -> None:
    assert members(measure(scoring, "Encounter"), patient(meets)) == dict.fromkeys(where, ("e1",))


@pytest.mark.parametrize(("scoring", "meets", "where"), CASES)
def test_a_patient_goes_the_same_steps(scoring: str, meets: str, where: tuple[str, ...]) -> None:
    package = measure(scoring, "boolean")
    if scoring == "continuous-variable":
        package = measure(scoring, "boolean", population=OF_PATIENTS)
    assert members(package, patient(meets)) == dict.fromkeys(where, ("p1",))


def test_each_encounter_goes_the_steps_alone() -> None:
    record = patient(
        "initial-population denominator numerator",
        "initial-population denominator denominator-exclusion",
        "denominator",
        "initial-population denominator",
    )
    assert members(measure("proportion", "Encounter"), record) == {
        IP: ("e1", "e2", "e4"),
        DEN: ("e1", "e2", "e4"),
        DENEX: ("e2",),
        NUM: ("e1",),
    }


def test_resources_that_share_an_id_are_counted_each() -> None:
    record = patient("initial-population", "initial-population denominator")
    for encounter in record.resources["Encounter"]:
        encounter["id"] = "same"  # type: ignore[index]
    assert members(measure("proportion", "Encounter"), record) == {
        IP: ("same", "same#2"),
        DEN: ("same#2",),
    }


def test_a_ratio_may_have_an_initial_population_for_each_side() -> None:
    """Here the denominator's is who has a denominator at all, the numerator's the usual one."""
    reference = "http://hl7.org/fhir/us/cqfmeasures/StructureDefinition/cqfm-criteriaReference"
    package = measure(
        "ratio",
        "Encounter",
        population=[
            population(IP, id="all"),
            population(IP, id="below") | {"criteria": population(DEN)["criteria"]},
            population(DEN, extension=[{"url": reference, "valueString": "below"}]),
            population(NUM, extension=[{"url": reference, "valueString": "all"}]),
        ],
    )
    record = patient("denominator numerator", "initial-population numerator")
    assert members(package, record) == {
        "all": ("e2",),
        "below": ("e1",),
        DEN: ("e1",),
        NUM: ("e2",),
    }
