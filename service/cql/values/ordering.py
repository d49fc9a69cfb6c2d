"""Which of two values of an ordered type is greater, as far as what is known of them decides it.

Dates and times of different precision are ranges: one is before the other when its whole range is.
Every comparison of the language (`<`, `before month of`, `in`, `overlaps`...) rests on `compare`.
"""

import datetime
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from service.cql.values.date import Date
from service.cql.values.datetime import DateTime
from service.cql.values.number import Long
from service.cql.values.precision import (
    DAY,
    DAY_SPAN,
    HOUR,
    INDEX,
    MINUTE_SPAN,
    MONTH,
    SPAN,
    YEAR,
)
from service.cql.values.quantity import Quantity
from service.cql.values.time import Time
from service.cql.values.uncertainty import Uncertainty
from service.cql.values.units import convert, finer
from service.errors import EvaluationError


def compare(left: Any, right: Any, precision: str | None = None) -> int | None:
    """-1, 0 or 1 for `left` less than, the same as or greater than `right`; None if unknown.

    `precision` ("day") cuts dates and times before they are compared and means nothing to other
    types. Quantities of different dimensions are not comparable: None. Raises EvaluationError for
    values that have no order.
    """
    comparison = _COMPARE.get(type(left))
    if comparison is None:
        raise EvaluationError(f"Values of type {type(left).__name__} have no order")
    return comparison(left, right, precision)


def _compare_scalars(left: Any, right: Any, precision: str | None) -> int | None:
    if type(right) is Uncertainty:
        return _compare_uncertainties(Uncertainty(left, left), right, precision)
    return int(left > right) - int(left < right)


def _compare_uncertainties(left: Uncertainty, right: Any, precision: str | None) -> int | None:
    if type(right) is not Uncertainty:
        right = Uncertainty(right, right)
    return ranges(left.low, left.high, right.low, right.high)


def _compare_quantities(left: Quantity, right: Quantity, precision: str | None) -> int | None:
    if left.unit == right.unit:
        return int(left.value > right.value) - int(left.value < right.value)
    unit = finer(left.unit, right.unit)
    if unit is None:
        return None
    low, high = convert(left.value, left.unit, unit), convert(right.value, right.unit, unit)
    return None if low is None or high is None else (low > high) - (low < high)


def _compare_datetimes(left: DateTime, right: Any, precision: str | None) -> int | None:
    if precision == "day":
        return days(left, right)
    if type(right) is Date:
        right = datetime_of(right, left.offset)
    if precision is not None:
        return _cut(left, right, INDEX[precision])
    if left.precision == right.precision:
        if left.precision < HOUR and left.offset != right.offset:
            return int(left.first_day > right.first_day) - int(left.first_day < right.first_day)
        return int(left.low > right.low) - int(left.low < right.low)
    return ranges(left.low, left.high, right.low, right.high)


def _compare_dates(left: Date, right: Any, precision: str | None) -> int | None:
    if precision == "day":
        return days(left, right)
    if type(right) is DateTime:
        return _compare_datetimes(datetime_of(left, right.offset), right, precision)
    if precision is not None:
        return _cut(left, right, INDEX[precision])
    if left.precision == right.precision:
        return int(left.first_day > right.first_day) - int(left.first_day < right.first_day)
    return days(left, right)


def _compare_times(left: Time, right: Time, precision: str | None) -> int | None:
    if precision is None:
        if left.precision == right.precision:
            return int(left.low > right.low) - int(left.low < right.low)
        return ranges(left.low, left.high, right.low, right.high)
    index = INDEX[precision]
    return ranges(*cells(left, index), *cells(right, index))


def days(left: Date | DateTime, right: Date | DateTime) -> int | None:
    """Compares days as they are written, each at its own offset.

    "... normalize to the timezone offset of the evaluation request timestamp, but only when the
    comparison precision is hours, minutes, seconds, or milliseconds."
    """
    if left.last_day < right.first_day:
        return -1
    if left.first_day > right.last_day:
        return 1
    return 0 if left.first_day == right.last_day and left.last_day == right.first_day else None


def _cut(left: Date | DateTime, right: Date | DateTime, precision: int) -> int | None:
    offset = left.offset if isinstance(left, DateTime) else 0
    return ranges(*cells(left, precision, offset), *cells(right, precision, offset))


def cells(value: Any, precision: int, offset: int = 0) -> tuple[int, int]:
    """The first and last year, month... that a date or time may lie in, as running numbers.

    Days and coarser are those written; hours and finer are counted at `offset`, where they start
    at another minute if it has half hours.
    """
    if precision <= DAY:
        cell = _CELL[precision]
        return cell(value.first_day), cell(value.last_day)
    if isinstance(value, Date):
        value = datetime_of(value, offset)
    span, shift = SPAN[precision], offset * MINUTE_SPAN
    return (value.low + shift) // span, (value.high + shift) // span


def _year(day: int) -> int:
    return datetime.date.fromordinal(day).year


def _month(day: int) -> int:
    date = datetime.date.fromordinal(day)
    return date.year * 12 + date.month


def ranges(left_low: Any, left_high: Any, right_low: Any, right_high: Any) -> int | None:
    """Compares two values of which only the range is known."""
    if left_high < right_low:
        return -1
    if left_low > right_high:
        return 1
    return 0 if left_low == right_high and left_high == right_low else None


def datetime_of(date: Date, offset: int) -> DateTime:
    """The Date as a DateTime without time."""
    return DateTime.of_day(date.first_day, 0, offset, date.precision)


def sort_order(left: Any, right: Any) -> int:
    """As `compare` and never None: for sorting, where every two values need an order.

    Of dates and times whose order is not known, the one that may be earlier comes first, and of two
    that begin together the less precise one. Quantities of different dimensions stay as they are.
    """
    order = compare(left, right)
    if order is not None:
        return order
    first, second = _earliest(left), _earliest(right)
    return (first > second) - (first < second)


def _earliest(value: Any) -> tuple[int, int]:
    if isinstance(value, Date):
        return value.first_day * DAY_SPAN, value.precision
    return (value.low, value.precision) if isinstance(value, DateTime | Time) else (0, 0)


_CELL: dict[int, Callable[[int], int]] = {YEAR: _year, MONTH: _month, DAY: lambda day: day}
_COMPARE: dict[type, Callable[[Any, Any, str | None], int | None]] = {
    int: _compare_scalars,
    Long: _compare_scalars,
    Decimal: _compare_scalars,
    str: _compare_scalars,
    Uncertainty: _compare_uncertainties,
    Quantity: _compare_quantities,
    DateTime: _compare_datetimes,
    Date: _compare_dates,
    Time: _compare_times,
}
