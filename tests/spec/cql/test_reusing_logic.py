"""9. Reusing Logic: expressions, functions, parameters, includes."""

from typing import Any

import pytest

from service.cql.compiler import compile_program
from service.cql.record import PatientRecord
from service.cql.terminology import Terminology
from service.cql.values import Interval
from service.errors import CompileError, EvaluationError
from service.fhir.model import r4
from tests.spec.cql.logic import (
    NOW,
    Node,
    compiled,
    define,
    elm,
    evaluate,
    function,
    literal,
    node,
    patient,
    x,
)

NOBODY = PatientRecord("p", {})

# 9.2. ExpressionRef


def test_a_named_expression_is_the_value_of_its_definition() -> None:
    assert evaluate("context Patient define Two: 2 define X: Two + Two") == 4


def test_an_expression_may_be_defined_after_it_is_used() -> None:
    assert evaluate("context Patient define X: Later define Later: 'here'") == "here"


def test_what_an_included_library_defines_is_named_through_it() -> None:
    lib = "library Lib version '2' define Answer: 42"
    body = "include Lib version '2' called L context Patient define X: L.Answer"
    assert evaluate(body, libraries={"Lib": lib}) == 42


def test_a_definition_is_computed_once_per_patient() -> None:
    """The message of a definition is said once, however often the definition is used."""
    body = """
    context Patient
    define Said: Message(1, true, 'c', 'Message', 'text')
    define X: Said + Said + Said
    """
    session = compiled(body).prepare({}, NOW)
    assert session.patient(NOBODY).evaluate("X") == 3
    assert [message.code for message in session.messages] == ["c"]


# 9.4. FunctionRef


def test_a_function_gives_the_value_of_its_body_for_its_arguments() -> None:
    body = "define function Sum(a Integer, b Integer): a + b context Patient define X: Sum(1, 2)"
    assert evaluate(body) == 3


OVERLOADS = """
define function Kind(a Integer): 'Integer'
define function Kind(a String): 'String'
define function Kind(a FHIR.Quantity): 'FHIR.Quantity'
define function Kind(a FHIR.string): 'FHIR.string'
context Patient
"""


@pytest.mark.parametrize(
    ("argument", "kind"), [("1", "Integer"), ("'a'", "String"), ("null as Integer", "Integer")]
)
def test_an_overload_is_chosen_by_the_types_of_the_arguments(argument: str, kind: str) -> None:
    assert evaluate(f"{OVERLOADS} define X: Kind({argument})") == kind


def test_an_overload_for_a_choice_is_chosen_when_its_value_is_known() -> None:
    """An Observation's value is a choice; which it is stands in the record."""
    body = OVERLOADS + "define X: [Observation] O return all Kind(O.value as FHIR.string)"
    assert evaluate(body, {"resourceType": "Observation", "valueString": "a"}) == ["FHIR.string"]


def _recursive(end: Node) -> Node:
    """Factorial(n): if n <= 1 then 1 else n * Factorial(n - 1), with another end."""
    n = {"type": "OperandRef", "name": "n"}
    below = {"type": "FunctionRef", "name": "F", "operand": [node("Subtract", n, literal(1))]}
    otherwise = node("Multiply", n, below)
    body = {"type": "If", "condition": end, "then": literal(1), "else": otherwise}
    called = {"type": "FunctionRef", "name": "F", "operand": [literal(5)]}
    return elm(function("F", {"n": "Integer"}, body), define("X", called))


def test_a_function_may_call_itself() -> None:
    end = node("LessOrEqual", {"type": "OperandRef", "name": "n"}, literal(1))
    program = compile_program([_recursive(end)], "Test", Terminology.of(), r4())
    assert patient(program).evaluate("X") == 120


def test_a_function_without_end_is_an_error() -> None:
    program = compile_program([_recursive(literal(False))], "Test", Terminology.of(), r4())
    with pytest.raises(EvaluationError, match="does not come to an end"):
        patient(program).evaluate("X")


def test_a_definition_that_refers_to_itself_is_refused() -> None:
    itself = elm(define("X", {"type": "ExpressionRef", "name": "X"}))
    with pytest.raises(CompileError, match="refers to itself"):
        compile_program([itself], "Test", Terminology.of(), r4())


def test_a_fluent_function_takes_what_stands_before_it_as_its_first_argument() -> None:
    body = """
    define fluent function plus(a Integer, b Integer): a + b
    context Patient
    define X: 1.plus(2)
    """
    assert evaluate(body) == 3


def test_operands_of_different_functions_do_not_see_each_other() -> None:
    body = """
    define function Inner(a Integer): a * 10
    define function Outer(a Integer, b Integer): Inner(b) + a
    context Patient
    define X: Outer(1, 2)
    """
    assert evaluate(body) == 21


def test_functions_can_be_called_from_outside() -> None:
    """As a measure calls its observation function for each unit."""
    program = compiled("define function Twice(a Integer): a * 2 define function Twice(a String): a")
    assert patient(program).call("Twice", 4) == 8
    assert patient(program).call("Twice", "a") == "a"
    with pytest.raises(EvaluationError, match="takes these arguments"):
        patient(program).call("Twice", True)


# 7.1. ParameterDef


def test_a_parameter_has_the_value_that_the_session_gives() -> None:
    body = "parameter P Integer context Patient define X: P + 1"
    assert evaluate(body, parameters={"P": 1}) == 2


def test_a_parameter_without_value_takes_its_default() -> None:
    body = "parameter P Interval<Integer> default Interval[1, 2] context Patient define X: P"
    assert evaluate(body) == Interval(1, 2)
    assert evaluate(body, parameters={"P": Interval(5, 6)}) == Interval(5, 6)


@pytest.mark.parametrize(
    ("given", "told"),
    [({}, "has no value"), ({"P": "x"}, "is not a System.Integer"), ({"Q": 1}, "no parameter 'Q'")],
)
def test_a_parameter_that_is_missing_wrong_or_unknown_is_an_error(
    given: dict[str, Any], told: str
) -> None:
    with pytest.raises(EvaluationError, match=told):
        evaluate("parameter P Integer context Patient define X: P", parameters=given)


def test_one_value_is_given_to_every_library_that_declares_the_parameter() -> None:
    lib = "library Lib version '1' parameter P Integer define Twice: P * 2"
    body = "include Lib version '1' parameter P Integer context Patient define X: Lib.Twice + P"
    assert evaluate(body, libraries={"Lib": lib}, parameters={"P": 1}) == 3


# Contexts


def test_what_is_about_no_patient_is_evaluated_without_one() -> None:
    program = compiled("context Unfiltered define X: 1 + 1")
    assert program.prepare({}, NOW).evaluate("X") == 2


def test_the_patient_is_the_record_s_patient() -> None:
    assert x("Patient.birthDate.value", {"resourceType": "Patient"}) is None


# External functions: those of FHIRPath that FHIRHelpers declares and the model has

EXTERNAL_LIBRARY: Node = {
    "library": {
        "identifier": {"id": "FHIRHelpers", "version": "4.4.000"},
        "statements": {
            "def": [
                {
                    "type": "FunctionDef",
                    "name": name,
                    "external": True,
                    "operand": [{"name": "a", "operandType": "{http://hl7.org/fhir}Reference"}],
                }
                for name in ("resolve", "htmlChecks")
            ]
        },
    }
}


def _subjects(function_name: str) -> Node:
    retrieve = {"type": "Retrieve", "dataType": "{http://hl7.org/fhir}Condition"}
    call = {
        "type": "FunctionRef",
        "name": function_name,
        "libraryName": "H",
        "operand": [{"type": "Property", "path": "subject", "scope": "C"}],
    }
    query = {
        "type": "Query",
        "source": [{"alias": "C", "expression": retrieve}],
        "return": {"expression": call, "distinct": False},
    }
    included = {"localIdentifier": "H", "path": "FHIRHelpers", "version": "4.4.000"}
    return elm(define("X", query), includes=[included])


def test_references_resolve_within_the_record() -> None:
    documents = [_subjects("resolve"), EXTERNAL_LIBRARY]
    program = compile_program(documents, "Test", Terminology.of(), r4())
    references = ["Patient/a", "http://ehr.example/fhir/Patient/a/_history/2", "Patient/b", "#c"]
    conditions = [
        {"resourceType": "Condition", "subject": {"reference": reference}}
        for reference in references
    ]
    conditions.append({"resourceType": "Condition"})
    found = patient(program, {"resourceType": "Patient", "id": "a"}, *conditions).evaluate("X")
    assert [one and one.json["id"] for one in found] == ["a", "a", None, None, None]


def test_an_external_function_that_is_not_known_is_refused() -> None:
    with pytest.raises(CompileError, match="external function 'htmlChecks' is not known"):
        documents = [_subjects("htmlChecks"), EXTERNAL_LIBRARY]
        compile_program(documents, "Test", Terminology.of(), r4())
