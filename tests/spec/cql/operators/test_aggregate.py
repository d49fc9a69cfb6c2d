"""21. Aggregate Operators."""

from tests.spec.cql.operators.examples import examples

test_all_true = examples(
    "AllTrue",
    "Returns true if all the non-null elements in source are true. ... If the source is null, the "
    "result is true.",
    """
    { true, null, true } | true
    { null, null } | true
    { true, false, null } | false
    { } | true
    null | true
    """,
)

test_any_true = examples(
    "AnyTrue",
    "Returns true if any non-null element in source is true. ... If the source is null, the result "
    "is false.",
    """
    { true, false, null } | true
    { false, null } | false
    { } | false
    null | false
    """,
)

test_avg = examples(
    "Avg",
    "The average of the non-null elements in source.",
    """
    { 5.5, 4.7, 4.8 } | 5.0
    { 1, 2 } | 1.5
    { 5.5 'cm', 4.7 'cm', null, 4.8 'cm' } | 5.0 'cm'
    { 1 'm', 50 'cm' } | 75 'cm'
    { null } | null
    null | null
    """,
)

test_count = examples(
    "Count",
    "The number of non-null elements in the source. ... If the list is null, the result is 0.",
    """
    { 1, 2, null } | 2
    { null, null } | 0
    null | 0
    """,
)

test_geometric_mean = examples(
    "GeometricMean",
    "The Nth root of the geometric product of the elements.",
    """
    { 2.0, 8.0 } | 4.0
    { 1.0, null, 10.0 } | 3.16227766
    { -1.0, 1.0 } | null
    { } | null
    """,
)

test_product = examples(
    "Product",
    "The geometric product of non-null elements in the source.",
    """
    { 1.0, 2.0, 3.0, 4.0 } | 24.0
    { 5L, 4L, null } | 20L
    { 65536, 65536, 0 } | null
    { 1.0 'mg', 2.0 'mg', 3.0 'mg', 4.0 'mg' } | 24.0 'mg'
    { } | null
    """,
)

test_max = examples(
    "Max",
    "Comparison semantics are defined by the comparison operators for the type of the values.",
    """
    { 2, 4, null, 8, 6 } | 8
    { 'hi', 'zebra', 'bye' } | 'zebra'
    { 1 'm', 99 'cm' } | 1 'm'
    { @2012-12-31, @2013-01-01, @2012-01-01 } | @2013-01-01
    { @2012, @2012-06 } | null
    { @2012, @2013-06 } | @2013-06
    { 1 'm', 1 'g' } | null
    { } | null
    """,
)

test_median = examples(
    "Median",
    "The median of the elements in source.",
    """
    { 2.0, 4.0, 8.0, 6.0 } | 5.0
    { 3.0, 1.0, 2.0 } | 2.0
    { 3.0 'mg', 1.0 'mg', null, 2.0 'mg' } | 2.0 'mg'
    { } | null
    """,
)

test_min = examples(
    "Min",
    "The minimum element in the source.",
    """
    { 2, 4, null, 8 } | 2
    { @T12, @T10:30 } | @T10:30
    { @2012, @2012-06 } | null
    null | null
    """,
)

test_mode = examples(
    "Mode",
    "The statistical mode of the elements in source.",
    """
    { 2.0, 2.0, 8.0, 6.0, 8.0, 8.0 } | 8.0
    { 1.0 'mg', 2.0 'mg', 3.0 'mg', 2.0 'mg' } | 2.0 'mg'
    { 3, 1, 1, 3 } | 3
    { null } | null
    """,
)

test_population_variance = examples(
    "PopulationVariance",
    "The statistical population variance of the elements in source.",
    """
    { 1.0, 2.0, 3.0, 4.0, 5.0 } | 2.0
    { 1.0 'mg', 2.0 'mg', 3.0 'mg', 4.0 'mg', 5.0 'mg' } | 2.0 'mg'
    { 7.0 } | 0.0
    { } | null
    """,
)

test_population_std_dev = examples(
    "PopulationStdDev",
    "The statistical standard deviation of the elements in source.",
    """
    { 1.0, 2.0, 3.0, 4.0, 5.0 } | 1.41421356
    { 1.0 'mg', 2.0 'mg', 3.0 'mg', 4.0 'mg', 5.0 'mg' } | 1.41421356 'mg'
    """,
)

test_std_dev = examples(
    "StdDev",
    "The statistical standard deviation of the elements in source.",
    """
    { 1.0, 2.0, 3.0, 4.0, 5.0 } | 1.58113883
    { 1.0, null } | null
    """,
)

test_sum = examples(
    "Sum",
    "The sum of non-null elements in the source.",
    """
    { 1.0, 2.0, 3.0, 4.0, 5.0 } | 15.0
    { 6L, null, 2L } | 8L
    { 1 'm', 1 'cm' } | 101 'cm'
    { 1 'm', 1 'g' } | null
    { 2147483647, 1, -1 } | null
    { } | null
    """,
)

test_variance = examples(
    "Variance",
    "The statistical variance of the elements in source.",
    """
    { 1.0, 2.0, 3.0, 4.0, 5.0 } | 2.5
    { 1.0 'mg', 2.0 'mg', 3.0 'mg', 4.0 'mg', 5.0 'mg' } | 2.5 'mg'
    """,
)
