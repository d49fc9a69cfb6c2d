"""23. Clinical Operators."""

import pytest

from service.cql.operators.clinical import (
    any_in_code_system,
    any_in_value_set,
    expand_value_set,
    in_code_system,
    in_value_set,
)
from service.cql.values import Code, CodeSystem, Concept, ValueSet
from service.errors import EvaluationError
from tests.spec.cql.operators.examples import examples

SNOMED, LOINC = "http://snomed.info/sct", "http://loinc.org"
COLDS = ValueSet.of("urn:colds", (Code("1", SNOMED), Code("2", SNOMED)))
MIXED = ValueSet.of("urn:mixed", (Code("1", SNOMED), Code("1", LOINC)))


def test_a_code_is_in_a_value_set_by_code_and_system() -> None:
    """If the given valueset contains an equivalent code, the result is true."""
    assert in_value_set(Code("1", SNOMED, "2026", "cold"), COLDS) is True
    assert in_value_set(Code("1", LOINC), COLDS) is False
    assert in_value_set(Code("3", SNOMED), COLDS) is False


def test_a_concept_is_in_a_value_set_when_any_code_is() -> None:
    """If the given valueset contains a code equivalent to any code in the given concept."""
    assert in_value_set(Concept((Code("9", LOINC), Code("2", SNOMED))), COLDS) is True
    assert in_value_set(Concept((Code("9", LOINC),)), COLDS) is False
    assert any_in_value_set([None, Code("9", LOINC), Code("2", SNOMED)], COLDS) is True


def test_a_bare_string_is_ambiguous_in_a_value_set_of_several_systems() -> None:
    """If the resolved value set contains codes from multiple code systems, a run-time error."""
    assert in_value_set("1", COLDS) is True
    assert in_value_set("3", COLDS) is False
    with pytest.raises(EvaluationError):
        in_value_set("1", MIXED)


def test_null_is_in_no_value_set() -> None:
    """If the code argument is null, the result is false."""
    assert in_value_set(None, COLDS) is False
    assert any_in_value_set(None, COLDS) is False


def test_expansion_is_the_value_set_s_codes() -> None:
    """Returns the current expansion for the given value set."""
    assert expand_value_set(COLDS) == [Code("1", SNOMED), Code("2", SNOMED)]


def test_membership_of_a_code_system_needs_its_content() -> None:
    """If the code system reference cannot be resolved, a run-time error is thrown."""
    system = CodeSystem(SNOMED, codes=frozenset({"1"}))
    assert in_code_system(Code("1", SNOMED), system) is True
    assert in_code_system(Code("1", LOINC), system) is False
    assert in_code_system("1", system) is True
    assert in_code_system(None, system) is False
    assert any_in_code_system([Code("3", SNOMED), Code("1", SNOMED)], system) is True
    with pytest.raises(EvaluationError):
        in_code_system(Code("1", SNOMED), CodeSystem(SNOMED))


test_calculate_age = examples(
    "CalculateAge",
    "The number of whole calendar periods that have elapsed between the given date and today.",
    """
    @2000-11-21 | 'year' | 26
    @2000-11-22 | 'year' | 25
    @2000 | 'year' | 25..26
    @2026-11-20T12:00:00.000Z | 'hour' | 24
    """,
    precision=True,
)

test_calculate_age_at = examples(
    "CalculateAgeAt",
    "The number of whole calendar periods that have elapsed between the first and the second.",
    """
    @2000-01-01 | @2015-01-01 | 'year' | 15
    @2000-01-02 | @2015-01-01 | 'year' | 14
    @2000-01-01 | @2000-03-31 | 'month' | 2
    @2000 | @2015-06-01 | 'year' | 14..15
    @2000-01-01 | null | 'year' | null
    """,
    precision=True,
)

test_subsumes = examples(
    "Subsumes",
    "True if the given codes are equivalent, or if the first code subsumes the second (i.e. the "
    "first code is an ancestor of the second in a subsumption hierarchy), and false otherwise.",
    """
    Code { code: 'a', system: 's' } | Code { code: 'a/b', system: 's' } | true
    Code { code: 'a/b', system: 's' } | Code { code: 'a', system: 's' } | false
    Code { code: 'a' } | Code { code: 'a' } | true
    Code { code: 'a' } | Code { code: 'b' } | error
    null | Code { code: 'b' } | null
    """,
)

test_subsumed_by = examples(
    "SubsumedBy",
    "For the Concept overload, this operator returns true if any code in the first concept is "
    "subsumed by any code in the second.",
    """
    Code { code: 'a/b', system: 's' } | Code { code: 'a', system: 's' } | true
    Concept { codes: { Code { code: 'x', system: 's' }, Code { code: 'a/b', system: 's' } } } | Code { code: 'a', system: 's' } | true
    Concept { codes: { Code { code: 'x', system: 's' } } } | Code { code: 'a', system: 's' } | false
    """,  # noqa: E501
)
