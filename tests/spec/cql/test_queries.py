"""10. Queries."""

from typing import Any

import pytest

from tests.spec.cql.logic import evaluate, x

# 10.1. Query: sources


def test_a_query_over_a_list_gives_a_list() -> None:
    assert x("({1, 2, 3}) N return all N * 2") == [2, 4, 6]


def test_a_query_over_one_value_gives_one_value() -> None:
    assert x("(3) N return N * 2") == 6
    assert x("(3) N where N > 5 return N") is None


def test_a_query_over_null_is_null() -> None:
    assert x("(null as List<Integer>) N return all N") is None
    assert x("(null as Integer) N return N") is None


def test_a_query_of_several_sources_looks_at_every_combination() -> None:
    rows = x("from ({1, 2}) A, ({3, 4}) B return all A * 10 + B")
    assert rows == [13, 14, 23, 24]


def test_without_return_several_sources_give_tuples_of_their_aliases() -> None:
    assert x("from ({1}) A, ({2}) B") == [{"A": 1, "B": 2}]


def test_one_source_among_several_may_be_a_single_value() -> None:
    assert x("from ({1, 2}) A, (10) B return all A + B") == [11, 12]


# 10.6. Let


def test_a_let_is_computed_for_each_row_and_seen_by_all_clauses() -> None:
    query = "({1, 2, 3}) N let square: N * N, more: square + 1 where square > 1 return all more"
    assert x(query) == [5, 10]


# 10.12, 10.13. With, Without


def test_with_keeps_the_rows_that_have_a_related_item() -> None:
    assert x("({1, 2, 3}) A with ({2, 3}) B such that A = B") == [2, 3]


def test_without_keeps_the_rows_that_have_none() -> None:
    assert x("({1, 2, 3}) A without ({2, 3}) B such that A = B") == [1]


def test_what_is_not_known_to_be_related_is_not() -> None:
    assert x("({1}) A with ({null as Integer}) B such that A = B") == []
    assert x("({1}) A without ({null as Integer}) B such that A = B") == [1]


def test_a_relation_to_nothing_at_all() -> None:
    assert x("({1}) A with (null as List<Integer>) B such that true") == []
    assert x("({1}) A without (null as List<Integer>) B such that true") == [1]


# 10.14. Where


def test_where_keeps_what_is_true_not_what_is_unknown() -> None:
    assert x("({1, null, 3}) N where N > 2") == [3]


# 10.8. Return


def test_return_drops_repetitions_and_return_all_does_not() -> None:
    assert x("({1, 2, 3}) N return N mod 2") == [1, 0]
    assert x("({1, 2, 3}) N return all N mod 2") == [1, 0, 1]


def test_without_return_nothing_is_dropped() -> None:
    assert x("({1, 1}) N where N = 1") == [1, 1]


# 10.4. Aggregate


def test_aggregate_folds_the_rows_in_their_order() -> None:
    assert x("({'a', 'b', 'c'}) S aggregate R starting '>': R + S") == ">abc"


def test_aggregate_distinct_folds_each_row_once() -> None:
    assert x("({1, 2, 2}) N aggregate distinct R starting 0: R + N") == 3


def test_aggregate_without_start_begins_with_null() -> None:
    assert x("({1, 2}) N aggregate R: Coalesce(R, 10) + N") == 13


# 10.9 to 10.11. Sort


@pytest.mark.parametrize(
    ("sort", "rows"),
    [("sort asc", [None, 1, 2, 3]), ("sort desc", [3, 2, 1, None])],
)
def test_nulls_are_sorted_as_the_least_values(sort: str, rows: list[Any]) -> None:
    assert x(f"({{2, null, 3, 1}}) N return all N {sort}") == rows


def test_a_list_of_simple_values_is_sorted_by_this() -> None:
    """10.9 ByColumn: the column `$this` is the value itself."""
    assert x("({ 2, -3, 1 }) N sort by $this desc") == [2, 1, -3]
    assert x("({ 2, -3, 1 }) N sort by Abs($this)") == [1, 2, -3]


def test_sort_by_columns_one_after_the_other() -> None:
    tuples = "{Tuple{a: 1, b: 1}, Tuple{a: 2, b: 2}, Tuple{a: 1, b: 3}}"
    rows = x(f"({tuples}) T return all T sort by a asc, b desc")
    assert [(row["a"], row["b"]) for row in rows] == [(1, 3), (1, 1), (2, 2)]


def test_sort_by_an_expression_of_the_row() -> None:
    dates = [
        {"resourceType": "Encounter", "id": name, "period": {"start": start}}
        for name, start in (("b", "2026-02-01"), ("a", "2026-01-01"), ("c", "2026-03-01"))
    ]
    rows = x("[Encounter] E return all E sort by start of FHIRHelpers.ToInterval(period)", *dates)
    assert [row.json["id"] for row in rows] == ["a", "b", "c"]


# Scopes


def test_an_inner_query_sees_the_outer_alias() -> None:
    assert x("({1, 2}) A return all Count(({1, 2, 3}) B where B > A)") == [2, 1]


def test_an_inner_alias_of_the_same_name_stands_for_its_own_items() -> None:
    """As the implicit $this of one path inside another does."""
    people = {
        "resourceType": "Patient",
        "name": [{"given": ["A", "B"]}, {"given": ["C"]}],
    }
    rows = x("flatten (Patient.name N return all (N.given G return all G.value))", people)
    assert rows == ["A", "B", "C"]


def test_what_depends_on_no_row_is_the_same_for_all() -> None:
    """Such parts are computed once; the answer is that of computing them for each row."""
    body = """
    context Patient
    define Firsts: First([Encounter] E return all E.id.value)
    define X: ({1, 2}) N return all ToString(N) + Firsts + ToString(Count([Encounter]))
    """
    assert evaluate(body, {"resourceType": "Encounter", "id": "e"}) == ["1e1", "2e1"]


def test_exists_asks_for_an_item_that_is_not_null() -> None:
    assert x("exists (({1, 2}) N where N > 1)") is True
    assert x("exists (({1, 2}) N where N > 2)") is False
    assert x("exists (({1, 2}) N return all null as Integer)") is False
    assert x("exists ((null as List<Integer>) N where true)") is False
    assert x("not exists ((null as List<Integer>) N where true)") is True
