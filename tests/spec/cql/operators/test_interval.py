"""19. Interval Operators."""

from tests.spec.cql.operators.examples import examples

test_after = examples(
    "After",
    "The starting point of the first interval is greater than the ending point of the second.",
    """
    Interval[11, 20] | Interval[1, 10] | null | true
    Interval[11, 20] | Interval[1, 11] | null | false
    5 | Interval[1, 4] | null | true
    Interval[1, 4] | 5 | null | false
    @2012-02-01 | @2012-01-01 | 'month' | true
    @2012-01-01 | @2012 | 'month' | null
    Interval[@2012-02-01, @2012-03-01] | Interval[@2012-01-01, @2012-01-31] | 'month' | true
    """,
    precision=True,
)

test_before = examples(
    "Before",
    "The ending point of the first interval is less than the starting point of the second.",
    """
    0 | Interval[1, 4] | null | true
    Interval[1, 4] | 0 | null | false
    Interval[1, 4] | null | null | null
    Interval[1, 5) | Interval[5, 9] | null | true
    @2012-01-01 | @2012-02-01 | 'month' | true
    @2012 | @2012-02-01 | 'month' | null
    """,
    precision=True,
)

test_collapse = examples(
    "Collapse",
    "Adjacent intervals within a sorted list are merged if they either overlap or meet. ... If the "
    "list of intervals contains nulls, they will be excluded from the resulting list.",
    """
    { Interval[1, 4], Interval[4, 8], Interval[7, 9] } | { Interval[1, 9] }
    { Interval[5, 6], Interval[1, 2], Interval[3, 3] } | { Interval[1, 3], Interval[5, 6] }
    { Interval[1, 2], null } | { Interval[1, 2] }
    { Interval[1, 2) } | { Interval[1, 2) }
    { } | { }
    null | null
    """,
)

test_collapse_at_the_boundaries_precision = examples(
    "Collapse",
    "A list of DateTime-based intervals where the boundaries are a mixture of hours and minutes "
    "will collapse at the hour precision.",
    """
    { Interval[@2014-01-01, @2014-01-31], Interval[@2014-02-01, @2014-02-03] } | { Interval[@2014-01-01, @2014-02-03] }
    { Interval[@2014-01, @2014-01], Interval[@2014-02, @2014-03] } | { Interval[@2014-01, @2014-03] }
    { Interval[@T10, @T10], Interval[@T11:30, @T12:30] } | { Interval[@T10, @T12:30] }
    """,  # noqa: E501
)

test_collapse_per = examples(
    "Collapse",
    "The per argument determines the precision at which the collapse is computed.",
    """
    { Interval[@2014-01-01, @2014-01-10], Interval[@2014-01-20, @2014-01-31] } | 1 month | { Interval[@2014-01-01, @2014-01-31] }
    { Interval[1, 2], Interval[4, 5] } | 2 '1' | { Interval[1, 5] }
    { Interval[1, 2], Interval[5, 6] } | 2 '1' | { Interval[1, 2], Interval[5, 6] }
    """,  # noqa: E501
)

test_contains = examples(
    "Contains",
    "For closed interval boundaries, if the interval boundary is null, the result of the boundary "
    "comparison is considered true. ... If the first argument is null, the result is false. If the "
    "second argument is null, the result is null.",
    """
    Interval[1, 5] | 5 | null | true
    Interval[1, 5) | 5 | null | false
    Interval[null, 5] | -3 | null | true
    Interval(null, 5] | 6 | null | false
    Interval(null, 5] | 5 | null | true
    Interval(null, 5] | 4 | null | null
    null | 5 | null | false
    Interval[1, 5] | null | null | null
    Interval[@2014-01-01, @2014-01-31] | @2014-02 | 'month' | false
    Interval[@2014-01-01, @2014-01-31] | @2014-01 | 'month' | true
    Interval[@2014-01-01, @2014-01-31] | @2014 | 'month' | null
    """,
    precision=True,
)

test_end = examples(
    "End",
    "If the high boundary of the interval is open, this operator returns the Predecessor of the "
    "high value. ... if the high value of the interval is null, the result is null. [Closed and "
    "null] the result is the maximum value of the point type of the interval.",
    """
    Interval[1, 5] | 5
    Interval[1, 5) | 4
    Interval[1.0, 5.0) | 4.99999999
    Interval[@2014-01-01, @2014-02-01) | @2014-01-31
    Interval[@2014-01, @2014-03) | @2014-02
    Interval[1, null] | 2147483647
    Interval[1, null) | null
    null | null
    """,
)

test_ends = examples(
    "Ends",
    "The starting point of the first interval is greater than or equal to the starting point of "
    "the second, and the ending point of the first interval is equal to the ending point of the "
    "second.",
    """
    Interval[0, 5] | Interval[-1, 5] | null | true
    Interval[-1, 7] | Interval[0, 7] | null | false
    Interval[0, 5] | Interval[-1, null) | null | null
    Interval[@2014-01-05, @2014-01-10] | Interval[@2014-01-01, @2014-01-31] | 'month' | true
    """,
    precision=True,
)

test_except = examples(
    "Except",
    "The portion of the first interval that does not overlap with the second. If the second "
    "argument is properly contained within the first and does not start or end it, this operator "
    "returns null.",
    """
    Interval[0, 5] | Interval[3, 7] | Interval[0, 2]
    Interval[3, 7] | Interval[0, 5] | Interval[6, 7]
    Interval[0, 9] | Interval[3, 7] | null
    Interval[3, 7] | Interval[0, 9] | null
    Interval[0, 2] | Interval[5, 7] | Interval[0, 2]
    Interval[1.0, 10.0] | Interval[4.0, 10.0] | Interval[1.0, 3.99999999]
    Interval[@2012-01-05, @2012-01-15] | Interval[@2012-01-07, @2012-01-15] | Interval[@2012-01-05, @2012-01-06]
    null | Interval[1, 7] | null
    """,  # noqa: E501
)

test_except_of_lists = examples(
    "Except",
    "A list with the elements that appear in the first operand, that do not appear in the second "
    "operand, ... each element will appear in the result at most once.",
    """
    { 1, 3, 5, 7, 7 } | { 1, 3 } | { 5, 7 }
    { 1, 3, 5, 7, null } | { 1, 3, null } | { 5, 7 }
    { 1, 4 } | null | { 1, 4 }
    null | { 1, 3, 5 } | null
    """,
)

test_expand = examples(
    "Expand",
    "Contribute all the intervals of size per that start on or after the lower boundary and end on "
    "or before the upper boundary.",
    """
    { Interval[@2018-01-01, @2018-01-04] } | 2 days | { Interval[@2018-01-01, @2018-01-02], Interval[@2018-01-03, @2018-01-04] }
    { Interval[@T10:00, @T12:30] } | 1 hour | { Interval[@T10, @T10], Interval[@T11, @T11], Interval[@T12, @T12] }
    { Interval[10.0, 12.5] } | 1 '1' | { Interval[10.0, 10.0], Interval[11.0, 11.0], Interval[12.0, 12.0] }
    { Interval[@T10, @T10] } | 1 minute | { }
    { Interval[1, 2], null, Interval[2, 3] } | null | { Interval[1, 1], Interval[2, 2], Interval[3, 3] }
    { Interval[@T22, @T23] } | 1 hour | { Interval[@T22, @T22], Interval[@T23, @T23] }
    { Interval[0, null) } | 1 '1' | { }
    { } | null | { }
    null | null | null
    """,  # noqa: E501
)

test_expand_of_one_interval = examples(
    "Expand",
    "If the input argument is an interval, rather than a list of intervals, the result is a list "
    "of points, rather than a list of intervals.",
    """
    Interval[1, 10] | null | { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }
    Interval[1, 10] | 2 '1' | { 1, 3, 5, 7, 9 }
    Interval[10, 10] | 0.5 '1' | { 10.0, 10.5 }
    Interval[1.0, 1.2] | null | { 1.0, 1.1, 1.2 }
    Interval[1 'g', 3 'g'] | 1 '1' | { 1 'g', 2 'g', 3 'g' }
    Interval[@2018-01, @2018-03] | null | { @2018-01, @2018-02, @2018-03 }
    Interval[@2018-01-31, @2018-03-02] | 1 month | { @2018-01, @2018-02, @2018-03 }
    Interval[@2018-01-01, @2018-01-20] | 1 week | { @2018-01-01, @2018-01-08 }
    """,
)

test_in = examples(
    "In",
    "If the given point is equal to the starting or ending point of the interval, or greater than "
    "the starting point and less than the ending point.",
    """
    3 | Interval[0, 5] | null | true
    -1 | Interval[0, 7] | null | false
    3 | null | null | false
    null | Interval[0, 5] | null | null
    @2014-02-03 | Interval[@2014-02-01, @2014-02-08] | null | true
    @2014-02 | Interval[@2014-02-01, @2014-02-08] | null | null
    @2014-12-31T23:00:00.000-05:00 | Interval[@2014-01-01T00:00:00.000Z, @2015-01-01T00:00:00.000Z) | 'day' | true
    @2015-01-01T00:00:00.000Z | Interval[@2014-01-01T00:00:00.000Z, @2015-01-01T00:00:00.000Z) | 'day' | false
    """,  # noqa: E501
    precision=True,
)

test_in_a_list = examples(
    "In",
    "Using equality semantics, with the exception that null elements are considered equal. If the "
    "first argument is null, the result is true if the list contains any null elements.",
    """
    5 | { 1, 3, 5, 7 } | null | true
    5 | { 1, 3, null } | null | false
    null | { 1, 3, 5, null } | null | true
    null | { 1, 3 } | null | false
    @T15:59:59 | { @T15:59:59.999 } | null | null
    """,
    precision=True,
)

test_includes = examples(
    "Includes",
    "The starting point of the first interval is less than or equal to the starting point of the "
    "second interval, and the ending point of the first interval is greater than or equal to the "
    "ending point of the second interval.",
    """
    Interval[-1, 5] | Interval[0, 5] | null | true
    Interval[-1, 5] | Interval[0, 6] | null | false
    Interval[-1, 5] | null | null | null
    Interval[-1, null) | Interval[0, 6] | null | null
    Interval[-1, null] | Interval[0, 6] | null | true
    { 1, 3, 5, 7 } | { 7, 1 } | null | true
    { 1, 3 } | { 1, 3, 5 } | null | false
    { 1 } | { } | null | true
    null | { 1 } | null | null
    """,
    precision=True,
)

test_included_in = examples(
    "IncludedIn",
    "The starting point of the first interval is greater than or equal to the starting point of "
    "the second interval, and the ending point ... less than or equal to the ending point.",
    """
    Interval[1, 5] | Interval[0, 5] | null | true
    Interval[1, 6] | Interval[0, 5] | null | false
    Interval[@2014-02-02, @2014-02-05] | Interval[@2014-02-01, @2014-02-10] | null | true
    Interval[@2014-01-31, @2014-02-05] | Interval[@2014-02-01, @2014-02-10] | 'year' | true
    { 1, 3, 5 } | { 1, 3 } | null | false
    """,
    precision=True,
)

test_intersect = examples(
    "Intersect",
    "The interval that defines the overlapping portion of both arguments. If the arguments do not "
    "overlap, this operator returns null.",
    """
    Interval[1, 5] | Interval[3, 7] | Interval[3, 5]
    Interval[1, 5) | Interval[4, 7] | Interval[4, 4]
    Interval[1, 2] | Interval[4, 7] | null
    Interval[1, 10] | Interval[5, null) | Interval[5, null)
    Interval[1, 10] | Interval[5, null] | Interval[5, 10]
    Interval[3, 5] | null | null
    { 1, 3, 5 } | { 3, 5, 7 } | { 3, 5 }
    { null, 1, 3 } | { null, 3 } | { null, 3 }
    """,
)

test_meets = examples(
    "Meets",
    "The ending point of the first interval is equal to the predecessor of the starting point of "
    "the second, or ... the starting point of the first interval is equal to the successor of the "
    "ending point of the second.",
    """
    Interval[6, 10] | Interval[0, 5] | null | true
    Interval[0, 5] | Interval[6, 10] | null | true
    Interval[0, 5] | Interval[7, 10] | null | false
    Interval[0, 5] | Interval[5, 10] | null | false
    Interval[@T03, @T04] | Interval[@T05, @T06] | null | true
    Interval[@2014-01-01T00:00:00.000Z, @2014-01-14T15:00:00.000Z] | Interval[@2014-01-15T09:00:00.000Z, @2014-02-01T00:00:00.000Z] | null | false
    Interval[@2014-01-01T00:00:00.000Z, @2014-01-14T15:00:00.000Z] | Interval[@2014-01-15T09:00:00.000Z, @2014-02-01T00:00:00.000Z] | 'day' | true
    Interval[1, null] | Interval[-3, 0] | null | true
    """,  # noqa: E501
    precision=True,
)

test_meets_before_and_after = examples(
    "MeetsBefore",
    "The ending point of the first interval is equal to the predecessor of the starting point of "
    "the second.",
    """
    Interval[-5, -1] | Interval[0, 5] | null | true
    Interval[0, 5] | Interval[-5, -1] | null | false
    Interval(null, 5] | Interval(null, 25] | null | null
    Interval(null, 5] | Interval[7, null) | null | false
    """,
    precision=True,
)

test_meets_after = examples(
    "MeetsAfter",
    "The starting point of the first interval is equal to the successor of the ending point of the "
    "second.",
    """
    Interval[6, 10] | Interval[0, 5] | null | true
    Interval[6, 10] | Interval[0, 7] | null | false
    Interval(null, 5] | Interval[11, null) | null | false
    """,
    precision=True,
)

test_overlaps = examples(
    "Overlaps",
    "If the ending point of the first interval is greater than or equal to the starting point of "
    "the second interval, and the starting point of the first interval is less than or equal to "
    "the ending point of the second interval.",
    """
    Interval[0, 4] | Interval[1, 4] | null | true
    Interval[0, 4) | Interval[4, 9] | null | false
    Interval[0, 4] | Interval[5, null) | null | false
    Interval[0, 4] | Interval[2, null) | null | true
    Interval(null, 4] | Interval[2, 3] | null | null
    Interval(null, 4] | Interval[2, 5] | null | true
    Interval[@2012, @2013-03] | Interval[@2012-02, @2013-02] | null | true
    Interval[@2012-01-25, @2012-02-26] | Interval[@2012-02, @2012-03-28] | null | null
    Interval[@2012-01-25, @2012-02-01] | Interval[@2012-02-03, @2012-03-28] | 'month' | true
    """,
    precision=True,
)

test_overlaps_before = examples(
    "OverlapsBefore",
    "The first interval starts before and ends on or after the start of the second interval.",
    """
    Interval[0, 4] | Interval[1, 4] | null | true
    Interval[1, 4] | Interval[1, 4] | null | false
    Interval[0, 4] | Interval[5, 9] | null | false
    """,
    precision=True,
)

test_overlaps_after = examples(
    "OverlapsAfter",
    "The first interval ends after and starts on or before the end of the second interval.",
    """
    Interval[4, 15] | Interval[1, 10] | null | true
    Interval[0, 4] | Interval[1, 4] | null | false
    Interval[11, 15] | Interval[1, 10] | null | false
    """,
    precision=True,
)

test_point_from = examples(
    "PointFrom",
    "The source interval must be a unit interval (meaning an interval with the same starting and "
    "ending boundary), otherwise, a run-time error is thrown.",
    """
    Interval[4, 4] | 4
    Interval[4, 5) | 4
    Interval[1, 4] | error
    null | null
    """,
)

test_proper_contains = examples(
    "ProperContains",
    "The given point is greater than the starting point of the interval, and less than the ending "
    "point. ... The given element is in the list, and it is not the only element in the list.",
    """
    Interval[1, 5] | 3 | null | true
    Interval[1, 5] | 1 | null | false
    Interval[1, 5] | null | null | null
    null | 3 | null | false
    { 'a', 'b' } | 'a' | null | true
    { 'a', 'a' } | 'a' | null | false
    { 'a', null } | 'a' | null | null
    { 'a', null } | null | null | true
    { null, null } | null | null | false
    null | 'a' | null | false
    """,
    precision=True,
)

test_proper_in = examples(
    "ProperIn",
    "If the first argument is null, the result is null [of an interval]. If the second argument is "
    "null the result is false.",
    """
    3 | Interval[1, 5] | null | true
    5 | Interval[1, 5] | null | false
    null | Interval[1, 5] | null | null
    @T12:00:00.001 | Interval[@T12:00:00.000, @T21:59:59.999] | null | true
    @T12:00:00 | Interval[@T12:00:00.001, @T21:59:59.999] | 'second' | false
    'c' | { 'a', 'b' } | null | false
    """,
    precision=True,
)

test_proper_includes = examples(
    "ProperIncludes",
    "The first interval includes the second interval, and the intervals are not equal. ... The "
    "first list is strictly larger, and ... includes every element of the second list.",
    """
    Interval[-1, 5] | Interval[0, 5] | null | true
    Interval[-1, 5] | Interval[-1, 5] | null | false
    Interval[null, null] | Interval[1, 10] | null | true
    { 1, 3, 5, 7 } | { 1, 3, 5 } | null | true
    { 1, 3, 5 } | { 1, 3, 5 } | null | false
    { 1 } | { } | null | true
    """,
    precision=True,
)

test_proper_included_in = examples(
    "ProperIncludedIn",
    "The first interval is included in the second interval, and the intervals are not equal.",
    """
    Interval[1, 5] | Interval[0, 5] | null | true
    Interval[0, 7] | Interval[0, 7] | null | false
    Interval[0, 8] | Interval[0, 7] | null | false
    Interval[1, 5] | Interval[0, null) | null | null
    """,
    precision=True,
)

test_size = examples(
    "Size",
    "End(i) - Start(i) + point-size. ... This operator is not defined for intervals of type Date, "
    "DateTime, and Time.",
    """
    Interval[3, 7] | 5
    Interval[3, 8) | 5
    Interval[1.0, 2.0] | 1.00000001
    Interval[1, null) | null
    Interval[@2014, @2015] | error
    null | null
    """,
)

test_start = examples(
    "Start",
    "If the low boundary of the interval is open, this operator returns the Successor of the low "
    "value. Note that if the low value of the interval is null, the result is null.",
    """
    Interval[1, 5] | 1
    Interval(1, 5] | 2
    Interval[null, 5] | -2147483648
    Interval[null, @2014-01-01] | @0001-01-01
    Interval(null, 5] | null
    """,
)

test_starts = examples(
    "Starts",
    "The starting point of the first is equal to the starting point of the second interval and the "
    "ending point of the first interval is less than or equal to the ending point of the second.",
    """
    Interval[0, 5] | Interval[0, 7] | null | true
    Interval[0, 7] | Interval[0, 6] | null | false
    Interval[1, 5] | Interval[0, 7] | null | false
    """,
    precision=True,
)

test_union = examples(
    "Union",
    "Starts at the earliest starting point in either argument, and ends at the latest ... If the "
    "arguments do not overlap or meet, this operator returns null.",
    """
    Interval[1, 5] | Interval[3, 7] | Interval[1, 7]
    Interval[1, 5] | Interval[6, 7] | Interval[1, 7]
    Interval[1, 5] | Interval[7, 9] | null
    Interval[1, 5] | Interval[3, null) | Interval[1, null)
    Interval[3, 5] | null | null
    { 1, 2, 3 } | { 3, 4 } | { 1, 2, 3, 4 }
    null | { 4, 5, null, null } | { 4, 5, null }
    """,
)

test_union_of_null_lists = examples(
    "Union<List>",
    "If either argument is null, it is considered an empty list.",
    """
    null | null | { }
    null | { 1, 1 } | { 1 }
    """,
)

test_width = examples(
    "Width",
    "End(i) - Start(i). ... Not defined for intervals of type Date, DateTime, and Time.",
    """
    Interval[3, 7] | 4
    Interval[0, null) | null
    Interval[5.0 'g', 10.0 'g'] | 5.0 'g'
    Interval[@T05, @T06] | error
    null | null
    """,
)
