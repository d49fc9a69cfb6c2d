"""16. Arithmetic Operators."""

from tests.spec.cql.operators.examples import examples

test_abs = examples(
    "Abs",
    "When taking the absolute value of a quantity, the unit is unchanged. If the result ... cannot "
    "be represented (e.g. Abs(minimum Integer)), the result is null.",
    """
    -5 | 5
    -5000000L | 5000000L
    -5.5 | 5.5
    -5.5 'mg' | 5.5 'mg'
    -2147483648 | null
    null | null
    """,
)

test_add = examples(
    "Add",
    "If the result of the addition cannot be represented (i.e. arithmetic overflow), the result is "
    "null.",
    """
    2 | 2 | 4
    2147483647 | 1 | null
    2147483647L | 1L | 2147483648L
    9223372036854775807L | 1L | null
    2.5 | 5.0 | 7.5
    2 | null | null
    17..44 | 5..10 | 22..54
    17..44 | 3 | 20..47
    """,
)

test_add_quantities = examples(
    "Add",
    "The dimensions of each quantity must be the same, but not necessarily the unit. ... The unit "
    "of the result will be the most granular unit of either input.",
    """
    -5.5 'mg' | 2 'mg' | -3.5 'mg'
    1 'm' | 1 'cm' | 101 'cm'
    1 'cm' | 1 'm' | 101 'cm'
    1 year | 1 month | 13 month
    -5.5 'cm' | 2 'cm2' | null
    1 year | 1 'a' | null
    """,
)

test_add_to_dates_and_times = examples(
    "Add",
    "The value of the first argument, incremented by the time-valued quantity, respecting variable "
    "length periods for calendar years and months.",
    """
    @2012-02-29 | 1 year | @2013-02-28
    @2014-01-31 | 1 month | @2014-02-28
    @2014-12-31 | 1 day | @2015-01-01
    @2014-01-01 | 2 weeks | @2014-01-15
    @2014-01-01T23:30:00.000Z | 90 minutes | @2014-01-02T01:00:00.000Z
    @2014-01-01T00:00:00.000+05:30 | 1 hour | @2014-01-01T01:00:00.000+05:30
    @2014-01-01T00:00:00.000Z | 1 'd' | @2014-01-02T00:00:00.000Z
    @T23:30:00 | 1 hour | @T00:30:00
    @9999-12-31 | 1 day | null
    """,
)

test_decimal_portion_above_seconds_is_ignored = examples(
    "Add",
    "For precisions above seconds, any decimal portion of the time-valued quantity is ignored.",
    """
    @2014-01-01 | 1.9 years | @2015-01-01
    @2014-01-01 | 1.9 days | @2014-01-02
    @T10:00:00.000 | 1.5 seconds | @T10:00:01.500
    """,
)

test_duration_finer_than_the_date = examples(
    "Add",
    "For partial date/time values where the time-valued quantity is more precise than the partial "
    "date/time, the operation is performed by converting the time-based quantity to the highest "
    "specified granularity in the first argument (truncating any resulting decimal portion).",
    """
    @2014 | 24 months | @2016
    @2014 | 18 months | @2015
    @2014 | 364 days | @2014
    @2014T | 730 days | @2016T
    @2014-06 | 29 days | @2014-06
    @2014-06 | 30 days | @2014-07
    @2014-06-10 | 25 hours | @2014-06-11
    @T10 | 119 minutes | @T11
    """,
)

test_definite_years_and_months_cannot_be_added = examples(
    "Add",
    "It is an error to attempt to add a definite-duration time-valued unit above days (and weeks), "
    "a calendar duration must be used.",
    """
    @2014-01-01 | 1 'a' | error
    @2014-01-01 | 1 'mo' | error
    @2014-01-01 | 1 'g' | error
    """,
)

test_uncertain_numbers = examples(
    "Divide",
    "The basic arithmetic operators are defined for uncertainty, again based on the intuitively "
    "expected semantics.",
    """
    16..44 | 4 | 4.0..11.0
    16..44 | 0..2 | null
    16..44 | 2..4 | 4.0..22.0
    """,
)

test_converting_uncertain_numbers = examples("ToDecimal", "As their bounds.", "1..2 | 1.0..2.0")

test_ceiling = examples(
    "Ceiling",
    "The Ceiling operator returns the first integer greater than or equal to the argument.",
    """
    1.1 | 2
    -1.1 | -1
    1.0 | 1
    1.5..2.5 | 2..3
    2147483647.1 | null
    """,
)

test_divide = examples(
    "Divide",
    "If the result of the division cannot be represented, or the right argument is 0, the result "
    "is null.",
    """
    4.0 | 2.0 | 2.0
    10.0 | 3.0 | 3.33333333
    2.0 | 3.0 | 0.66666667
    2.2 | 0.0 | null
    """,
)

test_divide_quantities = examples(
    "Divide",
    "The resulting quantity will have the appropriate unit. ... When performing division of "
    "quantities with the same units, the result will have the default UCUM unit ('1').",
    """
    12 'cm2' | 3 'cm' | 4 'cm'
    -5.5 'mg' | 2.0 'mg' | -2.75 '1'
    5 'mg' | 2 '1' | 2.5 'mg'
    10 'mg' | 4 'dL' | 2.5 'mg/dL'
    5 'mg' | 0 'mg' | null
    """,
)

test_exp = examples(
    "Exp",
    "The Exp operator returns e raised to the given power.",
    """
    0.0 | 1.0
    1.0 | 2.71828183
    1000.0 | error
    """,
)

test_floor = examples(
    "Floor",
    "The Floor operator returns the first integer less than or equal to the argument.",
    """
    2.1 | 2
    -2.1 | -3
    -2147483649.0 | null
    """,
)

test_high_boundary = examples(
    "HighBoundary",
    "The greatest possible value of the input to the specified precision. If no precision is "
    "specified, the greatest precision of the type of the input value is used. If the precision is "
    "greater than the maximum possible precision of the implementation, the result is null.",
    """
    1.587 | 8 | 1.58799999
    1.587 | null | 1.58799999
    1.587 | 2 | 1.58
    1.587 | 9 | null
    -1.587 | 8 | -1.58700000
    @2014 | 6 | @2014-12
    @2014 | null | @2014-12-31
    @2014-02 | 8 | @2014-02-28
    @2014-01-01T08Z | 17 | @2014-01-01T08:59:59.999Z
    @T10:30 | 9 | @T10:30:59.999
    null | 8 | null
    """,
)

test_low_boundary = examples(
    "LowBoundary",
    "The least possible value of the input to the specified precision.",
    """
    1.587 | 8 | 1.58700000
    -1.587 | 8 | -1.58799999
    @2014 | 6 | @2014-01
    @2014-01-01T08Z | 17 | @2014-01-01T08:00:00.000Z
    @T10:30 | 9 | @T10:30:00.000
    @2014-05-06 | 4 | @2014
    """,
)

test_log = examples(
    "Log",
    "If the result of the operation cannot be represented, the result is null.",
    """
    16.0 | 2.0 | 4.0
    100.0 | 10.0 | 2.0
    0.125 | 2.0 | -3.0
    1.0 | 1.0 | null
    0.0 | 2.0 | null
    """,
)

test_ln = examples(
    "Ln",
    "The Ln operator computes the natural logarithm of its argument.",
    """
    1.0 | 0.0
    1000.0 | 6.90775528
    0.0 | error
    """,
)

test_modulo = examples(
    "Modulo",
    "The Modulo operator computes the remainder of the division of its arguments. If ... the right "
    "argument is 0, the result is null.",
    """
    3 | 2 | 1
    -3 | 2 | -1
    3 | -2 | 1
    3L | 2L | 1L
    2.5 | 2.0 | 0.5
    3.5 'cm' | 3 'cm' | 0.5 'cm'
    3 'm' | 250 'cm' | 0.5 'm'
    3 | 0 | null
    """,
)

test_multiply = examples(
    "Multiply",
    "For multiplication operations involving quantities, the resulting quantity will have the "
    "appropriate unit. If the result of the operation cannot be represented, the result is null.",
    """
    2 | 3 | 6
    65536 | 65536 | null
    2L | 3L | 6L
    1.5 | 2.0 | 3.0
    12 'cm' | 3 'cm' | 36 'cm2'
    3 'cm' | 12 'cm2' | 36 'cm3'
    2 '1' | 3 'mg' | 6 'mg'
    2 'mg/dL' | 3 'dL' | 6 'mg'
    17..44 | 2..4 | 34..176
    """,
)

test_negate = examples(
    "Negate",
    "If the result of negating the argument cannot be represented (e.g. -(minimum Integer)), the "
    "result is null.",
    """
    3 | -3
    3L | -3L
    -3.3 | 3.3
    3.3 'mg' | -3.3 'mg'
    -2147483648 | null
    17..44 | -44..-17
    """,
)

test_power = examples(
    "Power",
    "The Power operator raises the first argument to the power given by the second argument.",
    """
    2 | 3 | 8
    0 | 0 | 1
    2 | 31 | null
    10 | 100000 | null
    2L | 62L | 4611686018427387904L
    2.5 | 2.0 | 6.25
    10 | -8 | 0.00000001
    -8.0 | 0.5 | null
    """,
)

test_precision = examples(
    "Precision",
    "The number of digits of precision in the input value.",
    """
    1.58700 | 5
    @2014 | 4
    @2014-01 | 6
    @2014-01-05T10:30:00.000Z | 17
    @T10:30 | 4
    @T10:30:00.000 | 9
    """,
)

test_predecessor = examples(
    "Predecessor",
    "Equivalent to subtracting ... the minimum precision value for the Decimal type, or 10^-08 ... "
    "a time-unit quantity for the lowest specified precision of the value. ... If the argument is "
    "already the minimum value for the type, a run-time error is thrown.",
    """
    100 | 99
    100L | 99L
    1.0 | 0.99999999
    2.54 'cm' | 2.53999999 'cm'
    @2014-01-01 | @2013-12-31
    @2014-03 | @2014-02
    @2014 | @2013
    @2014-01-01T00Z | @2013-12-31T23Z
    @2014-01-01T00:00:00.000Z | @2013-12-31T23:59:59.999Z
    @T12:00 | @T11:59
    @T00:00:00.000 | error
    -2147483648 | error
    true | error
    """,
)

test_round = examples(
    "Round",
    "A decimal value greater than or equal to 0.5 and less than 1.0 will round to 1, and a decimal "
    "value less than or equal to -0.5 and greater than -1.0 will round to -1.",
    """
    3.14159 | 3 | 3.142
    0.5 | null | 1.0
    -0.5 | null | -1.0
    -1.5 | null | -2.0
    2.54 'cm' | null | 3 'cm'
    null | 2 | null
    """,
)

test_subtract = examples(
    "Subtract",
    "The Subtract operator performs numeric subtraction of its arguments.",
    """
    2 | 1 | 1
    -2147483648 | 1 | null
    3.14 | 3.12 | 0.02
    3.14 'mg' | 3.12 'mg' | 0.02 'mg'
    3.14 'cm' | 3.12 'cm2' | null
    17..44 | 4..16 | 1..40
    @2014 | 24 months | @2012
    @2014 | 25 months | @2012
    @2014-03-31 | 1 month | @2014-02-28
    @T00:30:00 | 1 hour | @T23:30:00
    @0001-01-01 | 1 day | null
    """,
)

test_successor = examples(
    "Successor",
    "If the argument is already the maximum value for the type, a run-time error is thrown.",
    """
    1 | 2
    1.01 | 1.01000001
    @2014-12-31 | @2015-01-01
    @2014-12 | @2015-01
    @9999-12-31 | error
    @T23:59:59.999 | error
    2147483647 | error
    """,
)

test_truncate = examples(
    "Truncate",
    "The Truncate operator returns the integer component of its argument.",
    """
    1.00000001 | 1
    -1.9 | -1
    2147483648.0 | null
    """,
)

test_truncated_divide = examples(
    "TruncatedDivide",
    "The TruncatedDivide operator performs integer division of its arguments. If ... the right "
    "argument is 0, the result is null.",
    """
    10 | 3 | 3
    -10 | 3 | -3
    10L | 3L | 3L
    4.14 | 2.06 | 2.0
    10 | 0 | null
    10.1 | 0.0 | null
    10.1 'cm' | -3.1 'cm' | -3 'cm'
    -2147483648 | -1 | null
    """,
)
