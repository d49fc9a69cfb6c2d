"""2. Structured Values: tuples, instances, and the elements of FHIR's classes."""

from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from service.cql.record import PatientRecord
from service.cql.values import Code, Concept, Date, DateTime, Quantity, Ratio
from service.errors import CompileError, EvaluationError
from tests.spec.cql.logic import (
    NOW,
    compile_elm,
    compiled,
    define,
    elm,
    evaluate,
    literal,
    patient,
    x,
)

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p",
    "birthDate": "1980-05-06",
    "_gender": {"extension": [{"url": "urn:why", "valueCode": "unknown"}]},
    "active": True,
    "deceasedDateTime": "2026-03-04T05:06:07-05:00",
    "multipleBirthInteger": 2,
    "name": [{"given": ["A", None, "C"], "_given": [None, {"id": "x"}]}, {"family": "F"}],
    "extension": [{"url": "urn:weight", "valueQuantity": {"value": 70.5, "unit": "kg"}}],
    "contained": [{"resourceType": "Organization", "id": "o", "name": "Here"}],
}


def of_patient(expression: str) -> Any:
    return x(expression, PATIENT)


# 2.1. Tuple


def test_a_tuple_has_its_elements() -> None:
    assert x("Tuple { a: 1, b: 'x' }") == {"a": 1, "b": "x"}
    assert x("Tuple { a: 1, b: 'x' }.b") == "x"


# 2.2. Instance


def test_instances_of_the_language_s_own_classes() -> None:
    assert x("Code { code: 'c', system: 'urn:s' }") == Code("c", "urn:s")
    assert x("System.Quantity { value: 1.5, unit: 'mg' }") == Quantity(Decimal("1.5"), "mg")
    assert x("Concept { codes: { Code { code: 'c' } }, display: 'd' }") == Concept(
        (Code("c"),), "d"
    )
    half = x("System.Ratio { numerator: 1 'mg', denominator: 2 'mL' }")
    assert half == Ratio(Quantity(Decimal(1), "mg"), Quantity(Decimal(2), "mL"))


def test_an_instance_of_a_class_of_the_model_has_the_elements_given() -> None:
    assert x("FHIR.Coding { code: FHIR.code { value: 'c' } }.code.value") == "c"
    assert x("FHIR.Coding { code: FHIR.code { value: 'c' } }.system is null") is True


def test_instances_are_equal_when_their_elements_are() -> None:
    one = "FHIR.Coding { code: FHIR.code { value: 'c' }, system: FHIR.uri { value: 's' } }"
    other = "FHIR.Coding { code: FHIR.code { value: 'c' }, system: FHIR.uri { value: 't' } }"
    assert x(f"{one} = {one}") is True
    assert x(f"{one} = {other}") is False


# 2.3. Property: the elements of a resource, typed by the model


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("Patient.birthDate.value", Date(1980, 5, 6)),
        ("Patient.active.value", True),
        ("Patient.id.value", "p"),
        ("Patient.name[0].given[0].value", "A"),
        ("Patient.name[1].family.value", "F"),
        ("Patient.name[5].family.value", None),
        ("Patient.maritalStatus", None),
        ("Patient.maritalStatus.coding", None),
        ("Patient.telecom", None),
    ],
)
def test_an_element_is_of_the_type_that_the_model_says(path: str, value: object) -> None:
    assert of_patient(path) == value


def test_a_choice_element_is_of_the_type_that_its_name_in_the_record_says() -> None:
    died = DateTime(2026, 3, 4, 5, 6, 7, offset=-300)
    assert of_patient("(Patient.deceased as FHIR.dateTime).value") == died
    assert of_patient("Patient.deceased is FHIR.boolean") is False
    assert of_patient("(Patient.multipleBirth as FHIR.integer).value") == 2


def observed(**value: Any) -> Any:
    """What an Observation with such a value has for one."""
    told = {"resourceType": "Observation", "id": "o", **value}
    return evaluate("context Patient define X: First([Observation]).value", told)


def test_null_stands_for_no_value_of_a_choice() -> None:
    """Some servers write it for all that they do not have."""
    told = observed(
        valueBoolean=None, _valueBoolean=None, valueQuantity={"value": 1}, valueTime=None
    )
    assert told.value.value == 1
    assert observed(valueBoolean=None) is None


def test_two_values_of_a_choice_are_an_error() -> None:
    with pytest.raises(EvaluationError, match="two types"):
        observed(valueBoolean=True, valueQuantity={"value": 1})


@pytest.mark.parametrize(
    ("told", "offset"),
    [
        ("2026-01-31T23:30:00", 0),
        ("2026-07-31T23:30:00", 60),
        ("2026-07-31T23:30", 60),
        ("2026-07-31T23:30:00-05:00", -300),
        ("2026-07-31", 0),
    ],
)
def test_a_time_without_an_offset_has_that_of_the_clocks_where_it_was(
    told: str, offset: int
) -> None:
    """FHIR wants it to be told; at a hospital without it clocks change all the same."""
    record = {"resourceType": "Observation", "id": "o", "effectiveDateTime": told}
    program = compiled("context Patient define X: First([Observation]).effective.value")
    session = program.prepare({}, NOW, place=ZoneInfo("Europe/London"))
    value = session.patient(PatientRecord("p", {"Observation": [record]})).evaluate("X")
    assert value.offset == offset


def test_a_primitive_with_extensions_only_is_there_and_has_no_value() -> None:
    assert of_patient("Patient.gender is null") is False
    assert of_patient("Patient.gender.value is null") is True
    assert of_patient("Patient.gender.extension[0].url.value") == "urn:why"


def test_items_of_a_list_of_primitives_may_have_only_an_id() -> None:
    assert of_patient("Count(Patient.name[0].given)") == 3
    assert of_patient("Patient.name[0].given[1].value") is None
    assert of_patient("Patient.name[0].given[1].id") == "x"


def test_decimals_are_read_as_they_are_written() -> None:
    weight = of_patient("(Patient.extension[0].value as FHIR.Quantity).value.value")
    assert weight == Decimal("70.5")


def test_the_elements_of_a_list_s_items_are_a_list() -> None:
    given = of_patient("Patient.name.given")
    assert [one.value for one in given] == ["A", None, "C"]


def test_a_resource_in_a_resource_is_of_its_own_type() -> None:
    name = "(First(Patient.contained) as FHIR.Organization).name.value"
    assert of_patient(name) == "Here"


def test_elements_of_the_language_s_own_values() -> None:
    assert x("Interval[1, 5).high") == 5
    assert x("Interval[1, 5).highClosed") is False
    assert x("(5 'mg').unit") == "mg"
    assert x("Concept { codes: { Code { code: 'c' } } }.codes[0].code") == "c"


def test_an_element_that_a_class_does_not_have_is_refused() -> None:
    source = {"type": "Retrieve", "dataType": "{http://hl7.org/fhir}Patient"}
    one = {"type": "SingletonFrom", "operand": source}
    with pytest.raises(CompileError, match="FHIR.Patient has no element 'shoeSize'"):
        compile_elm(elm(define("X", {"type": "Property", "path": "shoeSize", "source": one})))


@pytest.mark.parametrize(
    "broken",
    [
        {"birthDate": "1980-02-31"},
        {"birthDate": 1980},
        {"birthDate": "soon"},
    ],
)
def test_a_record_that_is_not_what_the_model_says_is_an_error_without_its_content(
    broken: dict[str, Any],
) -> None:
    with pytest.raises(EvaluationError) as raised:
        x("Patient.birthDate.value", {"resourceType": "Patient", **broken})
    assert "FHIR.date" in str(raised.value)
    assert str(broken["birthDate"]) not in str(raised.value)


@pytest.mark.parametrize("name", [{"family": "F"}, "F", ["F"]])
def test_a_list_that_is_none_and_an_element_that_is_no_object_are_errors(name: object) -> None:
    with pytest.raises(EvaluationError):
        x("Patient.name.family", {"resourceType": "Patient", "name": name})


# DateTimes without offset


def test_a_time_in_the_record_without_offset_is_in_the_evaluation_s() -> None:
    """A FHIR dateTime with a time has an offset; one that is only a date takes the evaluation's."""
    encounter = {"resourceType": "Encounter", "period": {"start": "2026-01-01"}}
    (start,) = x("[Encounter] E return all E.period.start.value", encounter)
    assert (start.precision, start.offset) == (2, 0)


# A path of several steps


def test_a_path_may_have_several_steps_and_positions() -> None:
    source = {"type": "Retrieve", "dataType": "{http://hl7.org/fhir}Patient"}
    one = {"type": "SingletonFrom", "operand": source}
    path = {"type": "Property", "path": "name[0].given[2].value", "source": one}
    program = compile_elm(elm(define("X", path), define("Y", literal(1))))
    assert patient(program, PATIENT).evaluate("X") == "C"
