"""3. Clinical Values: codes and concepts, declared or written where they are used."""

import pytest

from service.cql.values import Code, Concept
from service.errors import TranslationError
from tests.spec.cql.logic import concept, evaluate

LOINC = "http://loinc.org"
DECLARED = """
codesystem "LOINC": 'http://loinc.org' version '2.80'
code "Systolic": '8480-6' from "LOINC" display 'Systolic'
code "Diastolic": '8462-4' from "LOINC"
concept "Pressure": { "Systolic", "Diastolic" } display 'Blood pressure'
context Patient
"""
SYSTOLIC = Code("8480-6", LOINC, "2.80", "Systolic")
DIASTOLIC = Code("8462-4", LOINC, "2.80")


def test_a_code_has_the_system_and_version_of_its_declaration() -> None:
    assert evaluate(f'{DECLARED} define X: "Systolic"') == SYSTOLIC


def test_a_concept_has_its_codes() -> None:
    found = evaluate(f'{DECLARED} define X: "Pressure"')
    assert found == Concept((SYSTOLIC, DIASTOLIC), "Blood pressure")


def test_a_selector_writes_a_code_where_it_is_used() -> None:
    body = "define X: Code '8480-6' from \"LOINC\" display 'Systolic'"
    assert evaluate(DECLARED + body) == SYSTOLIC
    body = "define X: Concept { Code '8480-6' from \"LOINC\" display 'Systolic', Code '8462-4' from \"LOINC\" } display 'P'"  # noqa: E501
    assert evaluate(DECLARED + body) == Concept((SYSTOLIC, DIASTOLIC), "P")


def test_an_instance_needs_no_declaration() -> None:
    body = "context Patient define X: Code { code: 'a', system: 'urn:s' }"
    assert evaluate(body) == Code("a", "urn:s")


def test_a_retrieve_takes_a_code_that_is_written_in_it() -> None:
    one = {"resourceType": "Condition", "id": "a", "code": concept("8480-6", system=LOINC)}
    other = {"resourceType": "Condition", "id": "b", "code": concept("1", system=LOINC)}
    body = "define X: [Condition: Code '8480-6' from \"LOINC\"] C return C.id.value"
    assert evaluate(DECLARED + body, one, other) == ["a"]


def test_a_code_of_no_declared_system_is_an_error() -> None:
    with pytest.raises(TranslationError):
        evaluate("context Patient define X: Code 'a' from \"Nowhere\"")
