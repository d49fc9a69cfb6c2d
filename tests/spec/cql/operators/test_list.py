"""20. List Operators. Those that intervals have too are in `test_interval`."""

from service.cql.operators.list import sort
from tests.spec.cql.operators.examples import examples, value_of

test_distinct = examples(
    "Distinct",
    "Nulls are considered equal for the purposes of distinct determination. This means that "
    "multiple nulls in the input will result in a single null in the output.",
    """
    { 1, 3, 3, 5, 5 } | { 1, 3, 5 }
    { 'a', null, 'a', null } | { 'a', null }
    { 1.0, 1.00 } | { 1.0 }
    { 1 'm', 100 'cm' } | { 1 'm' }
    { { 1 }, { 1 }, { 2 } } | { { 1 }, { 2 } }
    { Tuple { x: 1 }, Tuple { x: 1 }, Tuple { x: null } } | { Tuple { x: 1 }, Tuple { x: null } }
    { @2012, @2012-01, @2012 } | { @2012, @2012-01 }
    { Interval[1, 3], Interval[1, 4) } | { Interval[1, 3] }
    null | null
    """,
)

test_exists = examples(
    "Exists",
    "Returns true if the list contains any non-null elements. If the argument is null, the result "
    "is false.",
    """
    { 1, 3 } | true
    { false } | true
    { null } | false
    { } | false
    null | false
    """,
)

test_first = examples(
    "First",
    "The first element in a list.",
    """
    { 1, 2, 5 } | 1
    { null, 2 } | null
    { } | null
    null | null
    """,
)

test_flatten = examples(
    "Flatten",
    "Flattens a list of lists into a single list.",
    """
    { { 1, 2 }, { 3, 4, 5 } } | { 1, 2, 3, 4, 5 }
    { { 1, null }, null } | { 1, null }
    null | null
    """,
)

test_index_of = examples(
    "IndexOf",
    "If the list is empty, or no element is found, the result is -1. If either argument is null, "
    "the result is null.",
    """
    { 1, 3, 5, 7 } | 5 | 2
    { 1, 3, 5, 7 } | 4 | -1
    { } | 4 | -1
    { 1, null } | null | null
    null | 4 | null
    """,
)

test_last = examples(
    "Last",
    "The last element in a list.",
    """
    { 1, 3, 5 } | 5
    { } | null
    """,
)

test_length_of_a_list = examples(
    "Length<List>",
    "The number of elements in the list. If the argument is null, the result is 0.",
    """
    { 1, null, 5 } | 3
    { } | 0
    null | 0
    """,
)

test_singleton_from = examples(
    "SingletonFrom",
    "If the list contains more than one element, a run-time error is thrown.",
    """
    { 1 } | 1
    { } | null
    null | null
    { 1, 3, 5 } | error
    """,
)

test_slice = examples(
    "Slice",
    "Beginning at the start index and ending just before the ending index. ... If the startIndex "
    "or endIndex is less than 0, or if the endIndex is less than the startIndex, the result is an "
    "empty list.",
    """
    { 1, 2, 3, 4, 5 } | 1 | 3 | { 2, 3 }
    { 1, 2, 3 } | null | 2 | { 1, 2 }
    { 1, 2, 3 } | 1 | null | { 2, 3 }
    { 1, 2, 3 } | -1 | null | { }
    { 1, 2, 3 } | 2 | 1 | { }
    { 1, 2, 3 } | 5 | 9 | { }
    null | 1 | 2 | null
    """,
)

test_times = examples(
    "Times",
    "The cartesian product of two lists of tuples.",
    """
    { Tuple { a: 1 }, Tuple { a: 2 } } | { Tuple { b: 3 } } | { Tuple { a: 1, b: 3 }, Tuple { a: 2, b: 3 } }
    """,  # noqa: E501
)


def test_sort_puts_nulls_first_and_the_less_precise_of_equal_dates() -> None:
    """Nulls are considered lower than any non-null value."""
    dates = value_of("{ @2012-10-05, null, @2012-01-01, @2012-10, @2011 }")
    assert sort(dates, dates) == value_of("{ null, @2011, @2012-01-01, @2012-10, @2012-10-05 }")
    assert sort(dates, dates, descending=True) == sort(dates, dates)[::-1]


def test_sort_keeps_the_order_of_equal_keys() -> None:
    assert sort(["b", "a", "c"], [1, 1, 0]) == ["c", "b", "a"]
    assert sort(["b", "a", "c"], [1, 1, 0], descending=True) == ["b", "a", "c"]


def test_sort_compares_quantities_by_their_units() -> None:
    weights = value_of("{ 2 'kg', 5 'g', 1 'kg' }")
    assert sort(weights, weights) == value_of("{ 5 'g', 1 'kg', 2 'kg' }")
