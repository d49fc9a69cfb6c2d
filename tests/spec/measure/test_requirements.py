"""Data requirements: what an EHR must give for a measure."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.cql.compiler import compile_program
from service.cql.terminology import Terminology
from service.cql.translator import translate
from service.fhir.model import r4
from service.measure.package import load_package
from service.measure.period import Period
from service.measure.requirements import Requirements, data_requirements
from tests.fhir_models import check_r4
from tests.spec.measure.tiny import criteria, group_json, libraries, measure

EXACT = ("2026-01-01T00:00:00.000+00:00", "2026-12-31T23:59:59.999+00:00")
# Days are compared as they are written, at any offset.
DAYS = ("2025-12-31T00:00:00.000+00:00", "2027-01-01T23:59:59.999+00:00")
DREAMING = load_package(Path(__file__).parents[3] / "measures" / "dreaming")


def test_types_that_are_retrieved_and_the_elements_that_are_read() -> None:
    elements = measure("cohort", "Encounter").requirements.elements
    assert elements["Encounter"] >= {"type"}
    assert "length" not in elements["Encounter"]  # only definitions that nobody asks for read it
    assert "Patient" in elements


def test_what_a_stratifier_reads_is_needed_too() -> None:
    package = measure("cohort", "Encounter", stratifier=[{"criteria": criteria("Is Old")}])
    assert "birthDate" in package.requirements.elements["Patient"]


def test_codes_that_the_logic_names_directly_are_in_the_filters() -> None:
    library = data_requirements(DREAMING.requirements, DREAMING.canonical)
    check_r4(library)
    codes = {
        code["code"]
        for requirement in library["dataRequirement"]
        for code_filter in requirement.get("codeFilter", ())
        for code in code_filter.get("code", ())
    }
    assert codes >= {"drink", "eat", "mobilise", "mechanical-ventilation", "nil-by-mouth"}


def test_value_sets_are_in_the_filters_and_among_what_the_measure_depends_on() -> None:
    library = data_requirements(DREAMING.requirements, DREAMING.canonical)
    filters = [f for one in library["dataRequirement"] for f in one.get("codeFilter", ())]
    assert {"path": "code", "valueSet": "urn:weir:valueset:major-surgery"} in filters
    depends = [one["resource"] for one in library["relatedArtifact"]]
    assert depends == ["urn:weir:measure:dreaming|1.0.0", "urn:weir:valueset:major-surgery"]


def test_without_a_period_nothing_is_filtered_by_date() -> None:
    library = data_requirements(DREAMING.requirements, DREAMING.canonical)
    assert not any("dateFilter" in one for one in library["dataRequirement"])


@pytest.mark.parametrize(
    ("logic", "paths"),
    [
        ("[Encounter] E where E.period during MP", {"period": EXACT}),
        ("[Encounter] E where E.period during day of MP and E.status = 'finished'",
         {"period": DAYS}),
        ("[Encounter] E with [Observation] O such that O.issued during day of MP",
         {"issued": DAYS}),
        ("([Encounter] union [Encounter]) E where E.period during MP", {"period": EXACT}),
        # What lies outside of the period may count all the same.
        ("[Encounter] E where E.period during MP or E.status = 'finished'", {}),
        ("[Encounter] E where not (E.period during MP)", {}),
        ("[Encounter] E where E.period overlaps MP", {}),
        ("[Encounter] E where E.period starts during MP", {}),
        ("[Encounter] E return E.period during MP", {}),
        ("[Encounter] E where E.period during (Interval[start of MP - 1 year, end of MP])", {}),
        ("exists ([Encounter] E where E.period during MP) and exists [Encounter]", {}),
    ],
)  # fmt: skip
def test_dates_are_filtered_where_nothing_else_is_taken(
    logic: str, paths: dict[str, tuple[str, str]]
) -> None:
    elm = translate(
        "library T using FHIR version '4.0.1' include FHIRHelpers version '4.0.1'"
        ' parameter "Measurement Period" Interval<DateTime> context Patient define X: '
        + logic.replace("MP", '"Measurement Period"')
    )
    program = compile_program([elm, libraries()[1]], "T", Terminology.of(), r4(), {"X"})
    told = data_requirements(Requirements((program,)), "urn:x", Period.parse("2026"))
    check_r4(told)
    filters = [one for each in told["dataRequirement"] for one in each.get("dateFilter", ())]
    assert {one["path"]: tuple(one["valuePeriod"].values()) for one in filters} == paths


CLASSES = """
codesystem "ActCode": 'urn:act'
code "inpatient": 'IMP' from "ActCode"
code "acute": 'ACUTE' from "ActCode"
code "urgent": 'UR' from "ActCode"
"""


@pytest.mark.parametrize(
    ("logic", "chosen"),
    [
        ("[Encounter] E where E.class ~ inpatient", ("class", {"IMP"})),
        ("[Encounter] E where (E.class ~ inpatient or E.class ~ acute) and E.status = 'finished'",
         ("class", {"IMP", "ACUTE"})),
        ("[Encounter] E where E.priority ~ urgent", ("priority", {"UR"})),
        ("[Observation] O with [Encounter] E such that E.class ~ inpatient",
         ("class", {"IMP"})),
        # What is none of these may count all the same.
        ("[Encounter] E", None),
        ("[Encounter] E where E.class ~ inpatient or E.status = 'finished'", None),
        ("[Encounter] E where E.class ~ inpatient or E.priority ~ urgent", None),
        ("[Encounter] E where not (E.class ~ inpatient)", None),
        ("[Encounter] E return E.class ~ inpatient", None),
        ("[Observation] O where exists ([Encounter] E return E.class ~ inpatient)", None),
    ],
)  # fmt: skip
def test_a_query_may_take_only_what_has_one_of_some_codes(
    logic: str, chosen: tuple[str, set[str]] | None
) -> None:
    elm = translate(
        "library T using FHIR version '4.0.1' include FHIRHelpers version '4.0.1'"
        + f"{CLASSES} context Patient define X: {logic}"
    )
    program = compile_program([elm, libraries()[1]], "T", Terminology.of(), r4(), {"X"})
    told = {
        (use.chosen.path, frozenset(code.code for code in use.chosen.codes)) if use.chosen else None
        for use in program.uses.retrieves
        if use.type == "Encounter"
    }
    assert told == {(chosen[0], frozenset(chosen[1])) if chosen else None}


def test_code_systems_of_the_measures_own_codes() -> None:
    assert DREAMING.requirements.systems >= {
        "urn:weir:codesystem:dreaming-event",
        "urn:weir:codesystem:perioperative",
        "urn:weir:codesystem:surgery",
    }
    assert DREAMING.requirements.code_elements["Observation"] == {"code"}


def test_a_measure_that_retrieves_nothing_needs_the_patient_alone() -> None:
    group = group_json("cohort", "boolean")
    group["population"][0]["criteria"] = criteria("Is Old")
    package = measure("cohort", "boolean", population=group["population"])
    assert package.requirements.types == {"Patient"}


def test_the_places_where_codes_are_read_are_known_inside_parts_too() -> None:
    readmission = load_package(Path(__file__).parents[3] / "measures" / "readmission")
    assert readmission.requirements.coded_paths == {
        "Encounter": {"class", "priority", "type", "hospitalization.dischargeDisposition"}
    }
    assert DREAMING.requirements.coded_paths["Procedure"] == {"code"}
