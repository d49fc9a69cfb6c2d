"""A date or time plus or minus a duration (16.2 Add, 16.20 Subtract).

"For partial date/time values where the time-valued quantity is more precise than the partial
date/time, the operation is performed by converting the time-based quantity to the highest specified
granularity in the first argument (truncating any resulting decimal portion) and then adding it to
the first argument."
"""

from decimal import Decimal

from service.cql.values import Date, DateTime, Quantity, Time
from service.cql.values.date import plus_months
from service.cql.values.number import whole
from service.cql.values.precision import (
    DAY,
    DAY_SPAN,
    HOUR,
    MILLISECOND,
    MINUTE,
    MONTH,
    SECOND,
    SPAN,
    YEAR,
)
from service.cql.values.units import canonical
from service.errors import EvaluationError

Moment = Date | DateTime | Time

# The precision that a duration's unit stands for, and how many of it one unit is.
_UNIT = {
    "year": (YEAR, 1),
    "month": (MONTH, 1),
    "wk": (DAY, 7),
    "d": (DAY, 1),
    "h": (HOUR, 1),
    "min": (MINUTE, 1),
    "s": (SECOND, 1),
    "ms": (MILLISECOND, 1),
}
# How many of a precision make one of the next coarser: a year has 12 months, a month 30 days...
_PER = {MONTH: 12, DAY: 30, HOUR: 24, MINUTE: 60, SECOND: 60, MILLISECOND: 1000}


def add(left: Moment, right: Quantity) -> Moment | None:
    """`left` the duration `right` later; null outside the years 1 to 9999."""
    amount, precision = duration(right)
    if precision > left.precision:
        amount = _coarser(amount, precision, left.precision)
        precision = left.precision
    try:
        return _plus(left, amount, precision)
    except (ValueError, OverflowError):
        return None


def subtract(left: Moment, right: Quantity) -> Moment | None:
    """`left` the duration `right` earlier; null outside the years 1 to 9999."""
    return add(left, Quantity(-right.value, right.unit))


def duration(quantity: Quantity) -> tuple[int, int]:
    """A time-valued quantity as a whole number of a precision.

    "For precisions above seconds, any decimal portion of the time-valued quantity is ignored."
    Raises EvaluationError for 'a' and 'mo' ("a calendar duration must be used") and for what is no
    duration.
    """
    unit = canonical(quantity.unit)
    if unit not in _UNIT:
        raise EvaluationError(
            f"'{quantity.unit}' cannot be added to a date or time",
            todo="Use a calendar duration: years, months, weeks, days, hours, minutes, seconds",
        )
    precision, factor = _UNIT[unit]
    if precision == SECOND and quantity.value != quantity.value.to_integral_value():
        return whole(quantity.value * 1000), MILLISECOND
    return whole(quantity.value) * factor, precision


def _coarser(amount: int, precision: int, target: int) -> int:
    """`amount` of `precision` as whole units of the coarser `target`, cut towards zero."""
    divisor = 1
    while precision > target:
        if precision == DAY and target == YEAR:
            divisor *= 365
            break
        divisor *= _PER[precision]
        precision -= 1
    return int(Decimal(amount) / divisor)


def _plus(left: Moment, amount: int, precision: int) -> Moment:
    if isinstance(left, Time):
        return Time.of_milliseconds(left.low + amount * SPAN[precision], left.precision)
    if precision > DAY:
        assert isinstance(left, DateTime)  # a Date is no finer than a day
        low = left.low + amount * SPAN[precision]
        return DateTime.of_instant(low, left.offset, left.precision)
    if precision == DAY:
        day = left.first_day + amount
    else:
        day = plus_months(left.first_day, amount * (12 if precision == YEAR else 1))
    if isinstance(left, Date):
        return Date.of_day(day, left.precision)
    time = left.time if left.precision > DAY else 0
    return DateTime.of_day(day, time % DAY_SPAN, left.offset, left.precision)
