"""22. Type Operators: As, Is, Convert, CanConvert, Children, Descendents."""

from typing import Any

import pytest

from service.cql.values import Interval
from service.errors import CompileError, EvaluationError
from tests.spec.cql.logic import SYSTEM, compile_elm, define, elm, evaluate, literal, patient, x

# 22.6. Is


@pytest.mark.parametrize(
    ("test", "result"),
    [
        ("1 is Integer", True),
        ("1 is Decimal", False),
        ("1L is Long", True),
        ("1L is Integer", False),
        ("true is Integer", False),
        ("1.0 is Decimal", True),
        ("@2026 is Date", True),
        ("@2026T is DateTime", True),
        ("1 'mg' is System.Quantity", True),
        ("(null as Integer) is Integer", False),
        ("Interval[1, 2] is Interval<Integer>", True),
        ("Interval[1.0, 2.0] is Interval<Integer>", False),
        ("{1, 2} is List<Integer>", True),
        ("{1, null} is List<Integer>", True),
        ("{'a'} is List<Integer>", False),
        ("Tuple { a: 1 } is Tuple { a Integer }", True),
        ("Tuple { a: 1 } is Tuple { b Integer }", False),
    ],
)
def test_is(test: str, result: bool) -> None:
    assert x(f"({test.replace(' is ', ' as Any) is ')}") is result


def test_is_of_a_class_takes_those_derived_from_it() -> None:
    record = {"resourceType": "Condition", "onsetAge": {"value": 5, "unit": "a"}}
    kinds = "{ C.onset is FHIR.Age, C.onset is FHIR.Quantity, C.onset is FHIR.Period }"
    assert x(f"flatten ([Condition] C return all {kinds})", record) == [True, True, False]


# 22.1. As


def test_as_gives_null_for_a_value_of_another_type() -> None:
    assert x("(1 as Any) as String") is None
    assert x("('a' as Any) as String") == "a"


def test_a_strict_cast_is_an_error_for_a_value_of_another_type() -> None:
    assert x("cast ('a' as Any) as String") == "a"
    assert x("cast (null as Any) as String") is None
    with pytest.raises(EvaluationError, match="is not a System.String"):
        x("cast (1 as Any) as String")


def test_an_interval_of_unknown_points_takes_the_type_it_is_cast_to() -> None:
    cast = x("Interval[null, null] as Interval<Integer>")
    assert cast is None or cast == Interval(None, None, point="Integer")


def test_a_choice_of_a_type_that_is_not_in_it_is_null() -> None:
    record = {"resourceType": "Observation", "valueString": "a"}
    body = "context Patient define X: [Observation] O return all (O.value as FHIR.Quantity)"
    assert evaluate(body, record) == [None]


# 22.2, 22.3. CanConvert, Convert


def test_convert_and_can_convert() -> None:
    assert x("convert '5' to Integer") == 5
    assert x("convert 'five' to Integer") is None
    to_integer = {"toType": f"{SYSTEM}Integer"}
    can = {"type": "CanConvert", "operand": literal("5"), **to_integer}
    cannot = {"type": "CanConvert", "operand": literal("five"), **to_integer}
    program = compile_elm(elm(define("X", can), define("Y", cannot)))
    assert patient(program).evaluate("X") is True
    assert patient(program).evaluate("Y") is False


def test_a_conversion_that_is_not_known_is_refused() -> None:
    to_list = {"type": "ListTypeSpecifier", "elementType": {"name": f"{SYSTEM}Integer"}}
    unknown = {"type": "Convert", "operand": literal("5"), "toTypeSpecifier": to_list}
    with pytest.raises(CompileError, match="knows no conversion"):
        compile_elm(elm(define("X", unknown)))


# 22.4, 22.5. Children, Descendents


def _of_patient(kind: str, record: dict[str, Any]) -> list[Any]:
    source = {"type": "Retrieve", "dataType": "{http://hl7.org/fhir}Patient"}
    parts = {"type": kind, "source": {"type": "SingletonFrom", "operand": source}}
    program = compile_elm(elm(define("X", parts)))
    assert program.uses.elements["Patient"] == {"*", "id"}
    found: list[Any] = patient(program, record).evaluate("X")
    return found


def test_children_are_the_values_of_the_elements() -> None:
    record = {"resourceType": "Patient", "active": True, "name": [{"family": "F"}, {"family": "G"}]}
    kinds = [one.type_name.rpartition("}")[2] for one in _of_patient("Children", record)]
    assert sorted(kinds) == ["HumanName", "HumanName", "boolean"]


def test_descendents_are_children_and_theirs() -> None:
    record = {"resourceType": "Patient", "name": [{"family": "F"}]}
    found = _of_patient("Descendents", record)
    assert "F" in found
    assert len(found) == 3  # the name, its family, the family's value


def test_children_of_null_are_null() -> None:
    program = compile_elm(elm(define("X", {"type": "Children", "source": {"type": "Null"}})))
    assert patient(program).evaluate("X") is None
