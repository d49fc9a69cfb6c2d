"""12. Comparison Operators."""

from decimal import Decimal

from service.cql.operators.comparison import equal, equivalent
from service.cql.values import Interval, Structured
from tests.spec.cql.operators.examples import examples

test_equal_of_simple_values = examples(
    "Equal",
    "Equality returns true if and only if the result of each argument evaluates to the same value.",
    """
    1 | 1 | true
    1 | 2 | false
    1L | 1L | true
    'John Doe' | 'john doe' | false
    1.50 | 1.5 | true
    true | true | true
    null | 1 | null
    null | null | null
    """,
)

test_values_of_different_types_are_not_equal = examples(
    "Equal",
    "True is not 1, and 1 is not 1L but where the translator converts.",
    """
    true | 1 | false
    1 | 1L | false
    1 | 1.0 | false
    '1' | 1 | false
    """,
)

test_equal_of_quantities = examples(
    "Equal",
    "The dimensions of each quantity must be the same, but not necessarily the unit. Attempting to "
    "operate on quantities with invalid units will result in null.",
    """
    1 'cm' | 1.0 'cm' | true
    100 'cm' | 1 'm' | true
    1 'cm' | 1 'm' | false
    3.5 'cm2' | 3.5 'cm' | null
    98.6 '[degF]' | 37 'Cel' | true
    1 'foo' | 1 'bar' | null
    1 'foo' | 1 'foo' | true
    1 '[iU]' | 1 '1' | null
    5 '{score}' | 5 '1' | true
    """,
)

test_equal_of_durations = examples(
    "Equal",
    "UCUM definite-time duration quantities above days (and weeks) are not comparable to calendar "
    "duration quantities above days (and weeks).",
    """
    1 year | 12 months | true
    1 week | 7 days | true
    1 day | 24 hours | true
    1 second | 1000 'ms' | true
    1 week | 1 'wk' | true
    1 year | 1 'a' | null
    1 month | 1 'mo' | null
    1 year | 365 days | null
    1 'a' | 12 'mo' | true
    """,
)

test_equal_of_ratios = examples(
    "Equal",
    "The numerator and denominator must be the same, using quantity equality semantics.",
    """
    1:8 | 1:8 | true
    1:8 | 2:16 | false
    1 'cm':1 's' | 10 'mm':1 's' | true
    """,
)

test_equal_of_tuples = examples(
    "Equal",
    "The values for all elements that have values, by name, are equal, defined as a conjunction of "
    "equality comparisons.",
    """
    Tuple { x: 1, y: null } | Tuple { x: 1, y: null } | true
    Tuple { x: 1, y: null } | Tuple { x: 2, y: null } | false
    Tuple { x: 1, y: 1 } | Tuple { x: null, y: 1 } | null
    Tuple { x: 1, y: 1 } | Tuple { x: null, y: 2 } | false
    """,
)

test_equal_of_lists = examples(
    "Equal",
    "The lists have the same number of elements, and for each element in the lists, in order, the "
    "elements are equal using equality semantics, with the exception that null elements are "
    "considered equal.",
    """
    { null, 1, 2, 3 } | { null, 1, 2, 3 } | true
    { 1, 2 } | { 1, 2, 3 } | false
    { 1, 2 } | { 2, 1 } | false
    { 1, null } | { 1, 2 } | null
    { 1, null } | { 2, 2 } | false
    { } | { } | true
    """,
)

test_equal_of_intervals = examples(
    "Equal",
    "They have the same value for the starting and ending points of the interval as determined by "
    "the Start and End operators.",
    """
    Interval[1, 5] | Interval[1, 5] | true
    Interval[1, 5] | Interval(0, 6) | true
    Interval[1, 5] | Interval[1, 6] | false
    Interval[1, 5] | Interval[1, null) | null
    Interval[1, 5] | Interval[9, null) | false
    Interval[null, 5] | Interval[null, 5] | true
    """,
)

test_equal_of_dates_and_times = examples(
    "Equal",
    "If the values are different, the comparison stops and the result is false. If one input has a "
    "value for the precision and the other does not, the comparison stops and the result is null.",
    """
    @2012-01-01 | @2012-01-01 | true
    @2012-01 | @2012-01 | true
    @2012 | @2012-01 | null
    @2011 | @2012-01 | false
    @2012-01-01T12 | @2012-01-01T | null
    @T10:30 | @T10:30:00.000 | null
    @2012-03-10T10:20:00.999+07:00 | @2012-03-10T09:20:00.999+06:00 | true
    @2012-03-10T10:20:00.999+07:00 | @2012-03-10T10:20:00.999+06:00 | false
    """,
)

test_equal_of_codes = examples(
    "Equal",
    "The equal operator for Codes and Concepts uses tuple equality semantics.",
    """
    Code { code: 'a', system: 's' } | Code { code: 'a', system: 's' } | true
    Code { code: 'a', system: 's' } | Code { code: 'b', system: 's' } | false
    Code { code: 'a', system: 's' } | Code { code: 'a', system: 's', display: 'A' } | null
    """,
)

test_equal_of_uncertain_numbers = examples(
    "Equal",
    "If A.low <= B.high and A.high >= B.low then if A.low = A.high and B.low = B.high then true "
    "else null else false.",
    """
    1..10 | 1..10 | null
    1..10 | 21..30 | false
    17..44 | 50 | false
    17..44 | 20 | null
    """,
)

test_equivalent_is_never_null = examples(
    "Equivalent",
    "This operator will always return true or false, even if either or both of its arguments are "
    "null or contain null components.",
    """
    null | null | true
    null | 1 | false
    1 | 1 | true
    { null, 1 } | { null, 1 } | true
    Tuple { x: null } | Tuple { x: 1 } | false
    @2012-01-01 | @2012-01-01T12 | false
    @2012-01 | @2012-01 | true
    @T10:30 | @T10:30:00.000 | false
    Interval[1, null) | Interval[1, null) | true
    """,
)

test_equivalent_of_strings = examples(
    "Equivalent",
    "The strings are the same value while ignoring case and locale, and normalizing whitespace.",
    r"""
    'John Doe' | 'john doe' | true
    'a\tb' | 'a b' | true
    'a  b' | 'a b' | false
    '' | null | false
    """,
)

test_equivalent_of_decimals = examples(
    "Equivalent",
    "The comparison is done on values rounded to the precision of the least precise operand; "
    "trailing zeroes after the decimal are ignored in determining precision.",
    """
    1.001 | 1.000 | true
    1.5 | 1.55 | false
    1.6 | 1.55 | true
    1.50 | 1.5 | true
    """,
)

test_equivalent_of_quantities = examples(
    "Equivalent",
    "UCUM definite-time duration quantities above days (and weeks) are considered equivalent to "
    "their calendar duration counterparts ... 365 days in a year, and 30 days in a month.",
    """
    100 'cm' | 1 'm' | true
    3.5 'cm2' | 3.5 'cm' | false
    1 year | 1 'a' | true
    1 month | 1 'mo' | true
    1 year | 365 days | true
    30 days | 1 month | true
    1 year | 366 days | false
    """,
)

test_equivalent_of_ratios = examples(
    "Equivalent",
    "The numerator and denominator represent the same ratio (e.g. 1:100 ~ 10:1000).",
    """
    1:100 | 10:1000 | true
    1 'mg':1 'mL' | 1 'g':1 'L' | true
    1:2 | 3:2 | false
    """,
)

test_equivalent_of_codes_and_concepts = examples(
    "Equivalent",
    "For Code values, equivalence is defined based on the code and system elements only. For "
    "Concept values, equivalence is defined as a non-empty intersection of the codes.",
    """
    Code { code: 'a', system: 's', display: 'A' } | Code { code: 'a', system: 's' } | true
    Code { code: 'a', system: 's' } | Code { code: 'a', system: 't' } | false
    Concept { codes: { Code { code: 'a' }, Code { code: 'b' } } } | Code { code: 'b' } | true
    Concept { codes: { Code { code: 'a' } } } | Concept { codes: { Code { code: 'b' } } } | false
    Concept { codes: { } } | null | false
    """,
)

test_greater = examples(
    "Greater",
    "The Greater operator returns true if the first argument is greater than the second argument.",
    """
    2 | 1 | true
    1 | 1 | false
    'b' | 'a' | true
    'a' | 'aa' | false
    1 'm' | 10 'cm' | true
    3.6 'cm2' | 3.5 'cm' | null
    @2012-01-01T12 | @2012-01-01T | null
    @2015T | @2014-02-15T | true
    null | 5 | null
    17..44 | 2 | true
    17..44 | 20 | null
    17..44 | 50 | false
    """,
)

test_less_or_equal_of_uncertain_numbers = examples(
    "LessOrEqual",
    "Every possible value between 30 and 40 inclusive is either less than or equal to every "
    "possible value between 40 and 50 inclusive.",
    """
    30..40 | 40..50 | true
    30..40 | 20..30 | null
    30..40 | 20..29 | false
    """,
)

test_less_of_uncertain_numbers = examples(
    "Less",
    "30 is not less than 30.",
    """
    30..40 | 20..30 | false
    30..40 | 35..45 | null
    30..40 | 50..60 | true
    """,
)

test_not_equal = examples(
    "NotEqual",
    "A shorthand for invocation of logical negation of the Equal operator.",
    """
    4 | 5 | true
    3.5 'cm2' | 3.5 'cm' | null
    """,
)

test_values_without_order_cannot_be_compared = examples(
    "Less",
    "Defined for the Integer, Long, Decimal, String, Date, DateTime, Time, and Quantity types.",
    """
    true | false | error
    """,
)


class Period(Structured):
    """An element of a model, as FHIR's are."""

    def __init__(self, **elements: object) -> None:
        self.found = elements

    @property
    def type_name(self) -> str:
        return "{urn:test}Period"

    def elements(self) -> dict[str, object]:
        return self.found


def test_elements_of_a_model_compare_by_type_and_content() -> None:
    assert equal(Period(start=1), Period(start=1)) is True
    assert equal(Period(start=1), Period(start=2)) is False
    assert equal(Period(start=1), Period(start=1, end=2)) is None
    assert equivalent(Period(start=1), Period(start=1, end=2)) is False
    assert equal(Period(start=1), {"start": 1}) is False


def test_a_quantity_takes_the_unit_of_the_other_boundary_for_the_type_s_limits() -> None:
    from service.cql.operators.interval import in_
    from service.cql.values import Quantity

    weight = Interval(None, Quantity(Decimal(5), "kg"))
    assert in_(Quantity(Decimal(3000), "g"), weight) is True
    assert in_(Quantity(Decimal(7000), "g"), weight) is False
