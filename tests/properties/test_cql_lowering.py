"""How logic is lowered never changes its answer: for callers' types, per patient, per element."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.cql import translator
from service.cql.program import Program, Session
from service.cql.record import PatientRecord
from tests.spec.cql.logic import NOW, compiled

pytestmark = pytest.mark.skipif(translator.missing() is not None, reason=str(translator.missing()))

# A function over a choice wider than any element's, as FHIRHelpers.ToValue is.
LOGIC = """
define function Kind(v Choice<FHIR.Quantity, FHIR.string, FHIR.boolean, FHIR.integer, FHIR.dateTime,
    FHIR.Period, FHIR.Age, FHIR.CodeableConcept, FHIR.Range>):
  case
    when v is null then 'nothing'
    when v is FHIR.string then 'string ' + Coalesce((v as FHIR.string).value, '')
    when v is FHIR.Age then 'age ' + Coalesce((v as FHIR.Age).unit.value, '')
    when v is FHIR.Quantity then 'quantity ' + Coalesce((v as FHIR.Quantity).unit.value, '')
    when v is FHIR.Period and (v as FHIR.Period).start is not null then 'period'
    when v is FHIR.boolean or v is FHIR.integer then 'plain'
    else 'other'
  end

define function Told(o FHIR.Observation): Kind(o.value) + ' of ' + Coalesce(o.id.value, '?')

context Patient
define Narrowed: [Observation] O return all Kind(O.value)
define Onsets: [Condition] C return all Kind(C.onset)
define Kept: [Observation] O return all Told(O)
define Twice: [Observation] O where Told(O) = Told(O) return all Told(O)
define Elements: [Observation] O return all O.value
"""

VALUES = st.one_of(
    st.fixed_dictionaries({"valueString": st.text("abc", max_size=2)}),
    st.fixed_dictionaries({"valueBoolean": st.booleans()}),
    st.fixed_dictionaries({"valueInteger": st.integers(0, 9)}),
    st.fixed_dictionaries({"valueQuantity": st.fixed_dictionaries({"unit": st.just("mg")})}),
    st.fixed_dictionaries({"valuePeriod": st.just({"start": "2026-01-01"})}),
    st.fixed_dictionaries({"valuePeriod": st.just({"end": "2026-01-01"})}),
    st.just({"valueDateTime": "2026"}),
    st.just({"_valueString": {"id": "x"}}),
    st.just({"valueAge": {"unit": "a"}}),  # not one of the element's types: not there
    st.just({}),
)
OBSERVATIONS = st.lists(
    st.tuples(VALUES, st.sampled_from(["a", "b", None])).map(
        lambda pair: {"resourceType": "Observation", "id": pair[1], **pair[0]}
    ),
    max_size=5,
)


@cache
def session() -> Session:
    program: Program = compiled(LOGIC)
    return program.prepare({}, NOW)


def evaluated(observations: list[Mapping[str, Any]]) -> Any:
    return session().patient(PatientRecord("p", {"Observation": observations}))


relaxed = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])


@relaxed
@given(OBSERVATIONS)
@pytest.mark.full
def test_a_function_gives_the_same_for_its_callers_types_as_for_all(
    observations: list[Mapping[str, Any]],
) -> None:
    context = evaluated(observations)
    elements = context.evaluate("Elements")
    assert context.evaluate("Narrowed") == [context.call("Kind", one) for one in elements]


@relaxed
@given(OBSERVATIONS)
@pytest.mark.full
def test_what_is_kept_with_an_element_is_what_would_be_computed(
    observations: list[Mapping[str, Any]],
) -> None:
    context = evaluated(observations)
    kinds = context.evaluate("Narrowed")
    ids = [one["id"] or "?" for one in observations]
    told = [f"{kind} of {name}" for kind, name in zip(kinds, ids, strict=True)]
    assert context.evaluate("Kept") == context.evaluate("Twice") == told


@relaxed
@given(st.lists(OBSERVATIONS, min_size=2, max_size=4))
def test_a_patient_s_answer_does_not_depend_on_who_came_before(
    patients: list[list[Mapping[str, Any]]],
) -> None:
    alone = [evaluated(observations).evaluate("Kept") for observations in patients]
    contexts = [evaluated(observations) for observations in patients]
    assert [context.evaluate("Kept") for context in reversed(contexts)] == alone[::-1]
