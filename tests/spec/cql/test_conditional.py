"""15. Conditional Operators, and what And, Or, Implies and Coalesce need not look at."""

import pytest

from service.errors import EvaluationError
from tests.spec.cql.logic import compile_elm, define, elm, evaluate, literal, node, patient, x

# 15.1. Case, 15.2. If


@pytest.mark.parametrize(("condition", "result"), [("true", 1), ("false", 2), ("null", 2)])
def test_if_gives_then_only_when_the_condition_is_true(condition: str, result: int) -> None:
    assert x(f"if ({condition} as Boolean) then 1 else 2") == result


def test_case_gives_the_first_item_whose_condition_is_true() -> None:
    case = "case when N > 10 then 'big' when N > 5 then 'middle' else 'small' end"
    assert x(f"({{1, 7, 20, null}}) N return all {case}") == ["small", "middle", "big", "small"]


def test_case_with_a_comparand_compares_for_equality() -> None:
    case = "case N when 1 then 'one' when 2 then 'two' else 'many' end"
    assert x(f"({{1, 2, 3, null}}) N return all {case}") == ["one", "two", "many", "many"]


def test_case_over_the_types_of_a_choice() -> None:
    kind = """case when O.value is FHIR.string then 's'
                   when O.value is FHIR.integer then 'i' else null end"""
    record = [
        {"resourceType": "Observation", name: value}
        for name, value in (("valueString", "a"), ("valueInteger", 1), ("valueBoolean", True))
    ]
    assert x(f"[Observation] O return all {kind}", *record) == ["s", "i", None]


# What is not needed is not computed

ERROR = "Message(true, true, 'never', 'Error', 'never')"


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        (f"false and {ERROR}", False),
        (f"true or {ERROR}", True),
        (f"false implies {ERROR}", True),
        (f"if true then 1 else (if {ERROR} then 2 else 3)", 1),
        (f"case when true then 1 when {ERROR} then 2 else 3 end", 1),
        (f"Coalesce(true, {ERROR})", True),
        (f"({{1}}) N where false and {ERROR}", []),
    ],
)
def test_an_operand_that_cannot_change_the_answer_is_not_looked_at(
    expression: str, value: object
) -> None:
    assert x(expression) == value


@pytest.mark.parametrize(
    "expression", [f"true and {ERROR}", f"false or {ERROR}", f"Coalesce(null, {ERROR})"]
)
def test_one_that_can_is(expression: str) -> None:
    with pytest.raises(EvaluationError, match="raised an error never"):
        x(expression)


TRUTH = ["true", "false", "null as Boolean"]


@pytest.mark.parametrize("left", TRUTH)
@pytest.mark.parametrize("right", TRUTH)
def test_a_condition_is_met_when_its_three_valued_value_is_true(left: str, right: str) -> None:
    """Conditions are lowered on their own; they agree with the value."""
    forms = [f"({left}) {operator} ({right})" for operator in ("and", "or", "implies", "xor")]
    forms += [f"not ({form})" for form in forms]
    values = x("{" + ", ".join(forms) + "}")
    rows = [f"exists (({{1}}) N where N = 1 and ({form}))" for form in forms]
    kept = x("{" + ", ".join(rows) + "}")
    assert kept == [value is True for value in values]


def test_a_long_chain_of_conditions() -> None:
    row = {"type": "AliasRef", "name": "N"}
    chain = node("Equal", row, literal(0))
    for number in range(1, 150):
        chain = node("Or", chain, node("Equal", row, literal(number)))
    numbers = {"type": "List", "element": [literal(3), literal(200)]}
    query = {"type": "Query", "source": [{"alias": "N", "expression": numbers}], "where": chain}
    program = compile_elm(elm(define("X", query), define("Y", node("Exists", query))))
    assert patient(program).evaluate("X") == [3]
    assert patient(program).evaluate("Y") is True


def test_what_a_condition_tells_of_a_name_holds_only_where_it_is_met() -> None:
    body = """
    define function Length(a FHIR.string): if a is null then -1 else Length(a.value)
    context Patient
    define X: [Patient] P return all Length(First(P.name).family)
    """
    named = {"resourceType": "Patient", "name": [{"family": "abc"}]}
    assert evaluate(body, named, {"resourceType": "Patient"}) == [3, -1]
