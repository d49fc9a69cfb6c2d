"""18. Date and Time Operators."""

from service.cql.operators.date_and_time import now, time_of_day, today
from service.cql.values import Date, DateTime, Time
from tests.spec.cql.operators.examples import Clock, examples

test_date = examples(
    "Date",
    "At least one component must be specified, and no component may be specified at a precision "
    "below an unspecified precision.",
    """
    2012 | 2 | 3 | @2012-02-03
    2012 | null | null | @2012
    2012 | null | 1 | error
    2012 | 13 | 1 | error
    2012 | 2 | 30 | error
    null | null | null | null
    """,
)

test_date_from = examples(
    "DateFrom",
    "The value is normalized to the timezone offset of the evaluation request timestamp.",
    """
    @2012-01-01T12:30:00.000Z | @2012-01-01
    @2012-01-01T23:30:00.000-07:00 | @2012-01-02
    @2012-01T | @2012-01
    """,
)

test_date_time = examples(
    "DateTime",
    "If timezoneOffset is not specified, it is defaulted to the timezone offset of the evaluation "
    "request. If all the arguments are null, the result is null.",
    """
    2012 | 1 | 1 | 12 | 30 | 0 | 0 | -7.0 | @2012-01-01T12:30:00.000-07:00
    2012 | 1 | 1 | 12 | 30 | 0 | 0 | 5.5 | @2012-01-01T12:30:00.000+05:30
    2012 | 1 | 1 | 12 | null | null | null | null | @2012-01-01T12Z
    2012 | null | null | null | null | null | null | null | @2012T
    null | null | null | null | null | null | null | null | null
    2012 | 1 | 1 | 12 | null | 0 | 0 | null | error
    10000 | 1 | 1 | null | null | null | null | null | error
    2012 | 1 | 1 | 24 | null | null | null | null | error
    """,
)

test_component_from = examples(
    "DateTimeComponentFrom",
    "If the argument is null, or is not specified to the level of precision being extracted, the "
    "result is null. ... Week precision is not supported, and will result in an error.",
    """
    @2012-03-04 | 'year' | 2012
    @2012-03-04 | 'day' | 4
    @2012-03-04T | 'hour' | null
    @2012-03-04T10:20:30.040-07:00 | 'hour' | 10
    @2012-03-04T10:20:30.040-07:00 | 'millisecond' | 40
    @2012 | 'month' | null
    @T10:20 | 'minute' | 20
    @T10:20 | 'second' | null
    @2012-03-04 | 'week' | error
    """,
    precision=True,
)

test_difference_between = examples(
    "DifferenceBetween",
    "The number of boundaries crossed for the specified precision between the first and second "
    "arguments. If the first argument is after the second argument, the result is negative.",
    """
    @2012-01-01 | @2012-02-01 | 'month' | 1
    @2012-12-31 | @2013-01-01 | 'year' | 1
    @2013-01-01 | @2012-12-31 | 'year' | -1
    @2012-01-02 | @2012 | 'month' | 0..11
    @T10:59:59.999 | @T11:00:00.000 | 'hour' | 1
    @2014-01-01T | @2014-01-31 | 'day' | 30
    """,
    precision=True,
)

test_weeks_begin_on_sunday = examples(
    "DifferenceBetween",
    "For calculations involving weeks, Sunday is considered to be the first day of the week.",
    """
    @2000-10-15 | @2000-10-28 | 'week' | 1
    @2000-10-15 | @2000-10-29 | 'week' | 2
    @2000-10-14 | @2000-10-15 | 'week' | 1
    """,
    precision=True,
)

test_difference_across_offsets = examples(
    "DifferenceBetween",
    "Implementations should normalize to the timezone offset of the evaluation request timestamp, "
    "but only when the comparison precision is hours, minutes, seconds, or milliseconds.",
    """
    @2017-03-12T01:12:05.100-05:00 | @2017-03-12T03:22:27.600-04:00 | 'hour' | 1
    @2017-11-05T01:30:00.000-04:00 | @2017-11-05T01:15:00.000-05:00 | 'minute' | 45
    @2017-03-12T00:00:00.000-05:00 | @2017-03-13T00:00:00.000-04:00 | 'day' | 1
    """,
    precision=True,
)

test_duration_between = examples(
    "DurationBetween",
    "The number of whole calendar periods for the specified precision between the first and second "
    "arguments. ... any fractional periods are dropped.",
    """
    @2012-03-10T22:05:09.000Z | @2013-02-18T19:10:03.000Z | 'year' | 0
    @2012-03-10T10:20:00.000Z | @2013-03-10T09:20:00.000Z | 'year' | 0
    @2012-03-10 | @2013-03-10 | 'year' | 1
    @2013-03-20T05:01:30.000Z | @2011-03-30T06:45:50.000Z | 'year' | -1
    @2012-03-10T22:05:09.000Z | @2013-01-09T07:19:33.000Z | 'month' | 9
    @2012-06-11T12:16:17.000Z | @2011-08-21T05:48:02.000Z | 'month' | -9
    @2013-05-26T23:06:11.000Z | @2013-05-12T20:25:30.000Z | 'week' | -2
    @2012-01-31T12:30:00.000Z | @2012-02-01T09:00:00.000Z | 'day' | 0
    @2011-12-05T05:00:00.000Z | @2011-12-04T08:45:00.000Z | 'day' | 0
    @2013-10-10T12:30:00.000Z | @2013-10-10T08:40:00.000Z | 'hour' | -3
    @T10:00:00.000 | @T10:59:59.999 | 'hour' | 0
    """,
    precision=True,
)

test_duration_to_a_day_that_the_month_does_not_have = examples(
    "DurationBetween",
    "... ends at ... the same time of day at the immediately following calendar date of the ending "
    "calendar month, if the same calendar date of the ending month in the ending year does not "
    "exist.",
    """
    @2014-01-31 | @2014-02-28 | 'month' | 0
    @2014-01-31 | @2014-03-01 | 'month' | 1
    @2012-02-29 | @2013-02-28 | 'year' | 0
    @2012-02-29 | @2013-03-01 | 'year' | 1
    @2012-02-29 | @2016-02-29 | 'year' | 4
    """,
    precision=True,
)

test_uncertain_durations = examples(
    "DurationBetween",
    "The lower bound of that range is found by determining the duration between the maximum "
    "possible value of the first comparand and the minimum possible value of the second comparand.",
    """
    @2014-01-15 | @2014-02 | 'day' | 17..44
    @2014-01-15T | @2014-02T | 'day' | 16..44
    @2017-08-07T17:00Z | @2017-08-14T | 'day' | 6..7
    @2012-01 | @2012-02 | 'day' | 1..59
    @2005T | @2010T | 'year' | 4..5
    @2005-05T | @2010-04T | 'year' | 4
    @T10 | @T12 | 'minute' | 60..179
    """,
    precision=True,
)

test_durations_of_whole_seconds_are_certain = examples(
    "DurationBetween",
    "If milliseconds are not specified, calculations for precisions above milliseconds are "
    "performed as though milliseconds had been specified as 0.",
    """
    @2012-01-01T01:00:00Z | @2012-01-01T02:00:00.000Z | 'hour' | 1
    @2012-01-01T01:00:00Z | @2012-01-01T02:00:00Z | 'hour' | 1
    @2012-01-01T01:00:00Z | @2012-01-01T01:00:01Z | 'millisecond' | 1..1999
    """,
    precision=True,
)

test_same_as = examples(
    "SameAs",
    "If either input has no value for the precision, the comparison stops and the result is null; "
    "if the specified precision has been reached, the comparison stops and the result is true.",
    """
    @2012-01-01 | @2012-01-02 | 'month' | true
    @2012-01-01 | @2012-01-02 | 'day' | false
    @2012-01-01 | @2012-01 | 'day' | null
    @2012-01 | @2012-01 | 'day' | null
    @2012-01 | @2012-01 | null | true
    @T23:55:25.555 | @T23:55:25.900 | 'second' | true
    @2012-03-10T10:20:00.999+07:00 | @2012-03-10T09:20:00.999+06:00 | 'hour' | true
    @2012-03-10T23:00:00.000-05:00 | @2012-03-11T04:00:00.000Z | 'day' | false
    Interval[@2012-01-01, @2012-02-01] | Interval[@2012-01-15, @2012-02-15] | 'month' | true
    Interval[@2012-01-01, @2012-02-01] | Interval[@2012-01-15, @2012-03-15] | 'month' | false
    """,
    precision=True,
)

test_same_or_before = examples(
    "SameOrBefore",
    "If the values are the same, comparison proceeds to the next precision; if the first value is "
    "less than the second, the result is true; if the first value is greater than the second, the "
    "result is false.",
    """
    @2012-01-01 | @2012-01-02 | 'day' | true
    @2012-01-02 | @2012-01-01 | 'day' | false
    @2012-01-02 | @2012-01-01 | 'month' | true
    @2012-01-01 | @2012-01 | 'day' | null
    Interval[@2012-01-01, @2012-02-01] | Interval[@2012-02-01, @2012-03-01] | null | true
    Interval[1, 5] | 5 | null | true
    5 | Interval[4, 6] | null | false
    """,
    precision=True,
)

test_same_or_after = examples(
    "SameOrAfter",
    "If the starting point of the first interval is greater than or equal to the ending point of "
    "the second interval.",
    """
    @2012-01-02 | @2012-01-01 | 'day' | true
    @2012-01-01 | @2012-01-02 | 'day' | false
    @2012-01-02 | @2012-01 | 'day' | null
    Interval[6, 10] | 6 | null | true
    Interval[6, 10] | Interval[1, null) | null | null
    """,
    precision=True,
)

test_time = examples(
    "Time",
    "Minute may be null, but if it is, second, and millisecond must all be null as well.",
    """
    12 | 30 | 0 | 0 | @T12:30:00.000
    12 | null | null | null | @T12
    12 | null | 0 | 0 | error
    null | 30 | null | null | error
    25 | null | null | null | error
    """,
)

test_time_from = examples(
    "TimeFrom",
    "When extracting the Time from a DateTime value, implementations should normalize to the "
    "timezone offset of the evaluation request timestamp.",
    """
    @2012-01-01T12:30:00.000Z | @T12:30:00.000
    @2012-01-01T12:30:00.000-07:00 | @T19:30:00.000
    @2012-01-01T | null
    """,
)

test_timezone_offset_from = examples(
    "TimezoneOffsetFrom",
    "The timezone offset of the argument.",
    """
    @2012-01-01T12:30:00.000-07:00 | -7.0
    @2012-01-01T12:30:00.000+05:30 | 5.5
    @2012-01-01T | 0.0
    """,
)


def test_now_today_and_time_of_day_are_those_of_the_evaluation() -> None:
    """The operation will always return the same value within any given evaluation."""
    clock = Clock()
    assert now(clock) == DateTime(2026, 11, 21, 12, 30, 15, 123)
    assert today(clock) == Date(2026, 11, 21)
    assert time_of_day(clock) == Time(12, 30, 15, 123)
