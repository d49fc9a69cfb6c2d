"""20 and 21: list operators that compute an expression for every item. The translator writes none
of them for CQL; other authors of ELM may."""

from typing import Any

from tests.spec.cql.logic import Node, compile_elm, define, elm, literal, node, patient

NUMBERS: Node = {"type": "List", "element": [literal(number) for number in (3, 1, 2)]}
CURRENT: Node = {"type": "Current"}


def value(expression: Node) -> Any:
    return patient(compile_elm(elm(define("X", expression)))).evaluate("X")


def test_for_each_gives_the_value_for_every_item() -> None:
    twice = node("Multiply", CURRENT, literal(2))
    assert value({"type": "ForEach", "source": NUMBERS, "element": twice}) == [6, 2, 4]
    assert value({"type": "ForEach", "source": {"type": "Null"}, "element": twice}) is None


def test_for_each_may_name_its_scope_and_know_the_position() -> None:
    inner = node("Add", {"type": "Current", "scope": "outer"}, {"type": "Iteration"})
    assert value({"type": "ForEach", "source": NUMBERS, "scope": "outer", "element": inner}) == [
        3,
        2,
        4,
    ]


def test_filter_keeps_the_items_for_which_the_condition_is_true() -> None:
    large = node("Greater", CURRENT, literal(1))
    assert value({"type": "Filter", "source": NUMBERS, "condition": large}) == [3, 2]


def test_an_inner_iteration_has_its_own_current_item() -> None:
    inner = {"type": "Filter", "source": NUMBERS, "condition": node("Greater", CURRENT, literal(1))}
    counted = node("Add", CURRENT, {"type": "Count", "source": inner})
    assert value({"type": "ForEach", "source": NUMBERS, "element": counted}) == [5, 3, 4]


def test_repeat_goes_on_until_nothing_new_comes() -> None:
    """Each number's half, down to zero."""
    half = node("TruncatedDivide", CURRENT, literal(2))
    source = {"type": "List", "element": [literal(10)]}
    assert value({"type": "Repeat", "source": source, "element": half}) == [5, 2, 1, 0]


def test_sort_orders_a_list_with_nulls_first() -> None:
    source = {"type": "List", "element": [literal(3), {"type": "Null"}, literal(1)]}
    by = [{"type": "ByDirection", "direction": "asc"}]
    assert value({"type": "Sort", "source": source, "by": by}) == [None, 1, 3]
    down = [{"type": "ByDirection", "direction": "desc"}]
    assert value({"type": "Sort", "source": source, "by": down}) == [3, 1, None]


def test_aggregate_folds_the_items() -> None:
    fold = node("Add", {"type": "Total"}, node("Multiply", CURRENT, literal(10)))
    aggregate = {"type": "Aggregate", "source": NUMBERS, "iteration": fold}
    assert value({**aggregate, "initialValue": literal(5)}) == 65


def test_times_joins_every_tuple_with_every_other() -> None:
    def row(name: str, number: int) -> Node:
        return {"type": "Tuple", "element": [{"name": name, "value": literal(number)}]}

    left = {"type": "List", "element": [row("a", 1), row("a", 2)]}
    right = {"type": "List", "element": [row("b", 3)]}
    assert value(node("Times", left, right)) == [{"a": 1, "b": 3}, {"a": 2, "b": 3}]
