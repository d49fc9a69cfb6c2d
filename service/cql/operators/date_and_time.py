"""18. Date and Time Operators.

Section numbers are those of https://cql.hl7.org/04-logicalspecification.html. Adding and
subtracting durations is in `date_arithmetic`; Before and After are in chapter 19.
"""

import datetime
from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeVar

from service.cql.operators.registry import Context, operator
from service.cql.values import Date, DateTime, Interval, Time, Uncertainty, boundary
from service.cql.values.ordering import datetime_of
from service.cql.values.precision import DAY_SPAN, INDEX, MILLISECOND, MINUTE_SPAN, SECOND, SPAN
from service.errors import EvaluationError

Ternary = bool | None
Moment = Date | DateTime | Time


T = TypeVar("T", Date, DateTime, Time)


def _made(kind: type[T], *parts: int | None) -> T | None:
    """The value of the parts; null when all are null."""
    if all(part is None for part in parts):
        return None
    if parts[0] is None:
        raise EvaluationError("The parts do not make a date or time: the first is missing")
    try:
        return kind(*parts)  # type: ignore[arg-type]  # the first is not None
    except (ValueError, OverflowError) as error:
        raise EvaluationError(f"The parts do not make a date or time: {error}") from None


# 18.6. Date


@operator("Date", nulls="handle", inputs=("year", "month", "day"))
def date(year: int | None, month: int | None = None, day: int | None = None) -> Date | None:
    """The Date of the parts. Raises EvaluationError for parts out of range or with a gap."""
    return _made(Date, year, month, day)


# 18.7. DateFrom


@operator("DateFrom", nulls="propagate", context=True)
def date_from(context: Context, operand: DateTime | Date) -> Date:
    """The Date, at the evaluation's offset."""
    return operand if isinstance(operand, Date) else operand.at_offset(context.now.offset).date()


# 18.8. DateTime


@operator(
    "DateTime",
    nulls="handle",
    inputs=("year", "month", "day", "hour", "minute", "second", "millisecond", "timezoneOffset"),
    context=True,
)
def date_time(
    context: Context,
    year: int | None,
    month: int | None = None,
    day: int | None = None,
    hour: int | None = None,
    minute: int | None = None,
    second: int | None = None,
    millisecond: int | None = None,
    timezone_offset: Decimal | None = None,
) -> DateTime | None:
    """The DateTime of the parts; without a timezone offset, at the evaluation's."""
    parts = (year, month, day, hour, minute, second, millisecond)
    if all(part is None for part in parts):
        return None
    zone = context.now.offset if timezone_offset is None else round(timezone_offset * 60)
    return _made(DateTime, *parts, zone)


# 18.9. DateTimeComponentFrom


@operator("DateTimeComponentFrom", nulls="propagate", precision=True)
def component_from(operand: Moment, precision: str | None) -> int | None:
    """The year, month... of a date or time; null where it is not known."""
    if precision not in INDEX:
        raise EvaluationError(f"A date or time has no component {precision}")
    return operand.component(INDEX[precision])


# 18.10. DifferenceBetween


@operator("DifferenceBetween", nulls="propagate", precision=True)
def difference_between(left: Moment, right: Moment, precision: str) -> int | Uncertainty:
    """The number of boundaries of `precision` crossed from `left` to `right`."""
    left, right = _alike(left, right)
    if precision in _CALENDAR and not isinstance(left, Time):
        return _calendar_difference(left, right, _CALENDAR[precision])
    span = _span(precision)
    # Hours and finer are compared at one offset, days and coarser as they are written.
    shift = left.offset * MINUTE_SPAN if isinstance(left, DateTime) else 0
    return Uncertainty.between(
        (_least(right) + shift) // span - (_greatest(left, precision) + shift) // span,
        (_greatest(right, precision) + shift) // span - (_least(left) + shift) // span,
    )


def _calendar_difference(left: Any, right: Any, cell: Callable[[int], int]) -> int | Uncertainty:
    return Uncertainty.between(
        cell(right.first_day) - cell(left.last_day), cell(right.last_day) - cell(left.first_day)
    )


def _month(day: int) -> int:
    found = datetime.date.fromordinal(day)
    return found.year * 12 + found.month


_CALENDAR: dict[str, Callable[[int], int]] = {
    "year": lambda day: datetime.date.fromordinal(day).year,
    "month": _month,
    "week": lambda day: day // 7,  # "Sunday is considered to be the first day of the week"
    "day": lambda day: day,
}


def _alike(left: Any, right: Any) -> tuple[Any, Any]:
    """Two dates or two DateTimes: a Date beside a DateTime becomes one without time."""
    if isinstance(left, DateTime) and isinstance(right, Date):
        return left, datetime_of(right, left.offset)
    if isinstance(left, Date) and isinstance(right, DateTime):
        return datetime_of(left, right.offset), right
    return left, right


def _span(precision: str) -> int:
    span = SPAN[INDEX[precision]] if precision in INDEX else 0
    if not span:
        raise EvaluationError(f"A time has no {precision}")
    return span


def _least(value: Moment) -> int:
    """The earliest millisecond; of a Date as of a DateTime at offset 0."""
    return value.first_day * DAY_SPAN if isinstance(value, Date) else value.low


def _greatest(value: Moment, precision: str) -> int:
    """The latest millisecond.

    "If milliseconds are not specified, calculations for precisions above milliseconds are performed
    as though milliseconds had been specified as 0."
    """
    if isinstance(value, Date):
        return value.last_day * DAY_SPAN
    if value.precision == SECOND and precision != "millisecond":
        return value.low
    return value.high


# 18.11. DurationBetween


@operator("DurationBetween", nulls="propagate", precision=True)
def duration_between(left: Moment, right: Moment, precision: str) -> int | Uncertainty:
    """The number of whole periods of `precision` from `left` to `right`, cut towards zero."""
    left, right = _alike(left, right)
    shift = left.offset * MINUTE_SPAN if isinstance(left, DateTime) else 0
    count = _WHOLE.get(precision) if not isinstance(left, Time) else None
    if count is None:
        span = _span(precision)
        return _periods(left, right, precision, lambda begin, end: (end - begin) // span)
    whole = count
    return _periods(left, right, precision, lambda begin, end: whole(begin + shift, end + shift))


def _periods(
    left: Moment, right: Moment, precision: str, count: Callable[[int, int], int]
) -> int | Uncertainty:
    """Applies `count` to the shortest and the longest time that may lie between."""
    shortest = _greatest(left, precision), _least(right)
    longest = _least(left), _greatest(right, precision)
    low = _counted(count, *shortest)
    return low if shortest == longest else Uncertainty.between(low, _counted(count, *longest))


def _counted(count: Callable[[int, int], int], begin: int, end: int) -> int:
    return count(begin, end) if begin <= end else -count(end, begin)


def _whole_months(begin: int, end: int) -> int:
    """Months from one local millisecond to a later one.

    A month ends at the same time of the same day, or on the day after where there is none.
    """
    (first, early), (last, late) = divmod(begin, DAY_SPAN), divmod(end, DAY_SPAN)
    start, stop = datetime.date.fromordinal(first), datetime.date.fromordinal(last)
    months = (stop.year - start.year) * 12 + stop.month - start.month
    return months - ((stop.day, late) < (start.day, early))


_WHOLE: dict[str, Callable[[int, int], int]] = {
    "year": lambda begin, end: _whole_months(begin, end) // 12,
    "month": _whole_months,
    "week": lambda begin, end: (end - begin) // DAY_SPAN // 7,
    "day": lambda begin, end: (end - begin) // DAY_SPAN,
}

# 18.13. Now


@operator("Now", nulls="propagate", inputs=(), context=True)
def now(context: Context) -> DateTime:
    """The evaluation's timestamp."""
    return context.now


# 18.14. SameAs


@operator("SameAs", nulls="propagate", precision=True)
def same_as(left: Any, right: Any, precision: str | None = None) -> Ternary:
    """Whether two dates or times, or both ends of two intervals, are the same to `precision`."""
    starts = boundary.same(_first(left), _first(right), precision)
    if starts is False or not isinstance(left, Interval):
        return starts
    ends = boundary.same(_last(left), _last(right), precision)
    return starts if ends else ends


def _first(value: Any) -> Any:
    return boundary.first(value) if type(value) is Interval else value


def _last(value: Any) -> Any:
    return boundary.last(value) if type(value) is Interval else value


# 18.15. SameOrBefore


@operator("SameOrBefore", nulls="propagate", precision=True)
def same_or_before(left: Any, right: Any, precision: str | None = None) -> Ternary:
    """Whether `left` is, or ends, on or before where `right` is, or starts."""
    return boundary.less_or_equal(_last(left), _first(right), precision)


# 18.16. SameOrAfter


@operator("SameOrAfter", nulls="propagate", precision=True)
def same_or_after(left: Any, right: Any, precision: str | None = None) -> Ternary:
    """Whether `left` is, or starts, on or after where `right` is, or ends."""
    return boundary.less_or_equal(_last(right), _first(left), precision)


# 18.18. Time


@operator("Time", nulls="handle", inputs=("hour", "minute", "second", "millisecond"))
def time(
    hour: int | None,
    minute: int | None = None,
    second: int | None = None,
    millisecond: int | None = None,
) -> Time | None:
    """The Time of the parts. Raises EvaluationError for parts out of range or with a gap."""
    return _made(Time, hour, minute, second, millisecond)


# 18.19. TimeFrom


@operator("TimeFrom", nulls="propagate", context=True)
def time_from(context: Context, operand: DateTime) -> Time | None:
    """The Time, at the evaluation's offset; null where there is none."""
    return operand.at_offset(context.now.offset).time_of_day()


# 18.20. TimezoneOffsetFrom, and TimezoneFrom, as it was called before CQL 1.3


@operator("TimezoneOffsetFrom", "TimezoneFrom", nulls="propagate")
def timezone_offset_from(operand: DateTime) -> Decimal:
    """The offset from UTC in hours."""
    return Decimal(operand.offset) / 60


# 18.21. TimeOfDay


@operator("TimeOfDay", nulls="propagate", inputs=(), context=True)
def time_of_day(context: Context) -> Time:
    """The time of the evaluation's timestamp."""
    return Time.of_milliseconds(context.now.time, MILLISECOND)


# 18.22. Today


@operator("Today", nulls="propagate", inputs=(), context=True)
def today(context: Context) -> Date:
    """The date of the evaluation's timestamp."""
    return context.now.date()
