"""The ends of intervals, and what is known of their order.

An open null boundary is unknown, and still not anything: the start of `Interval(null, 5]` is
somewhere from the type's minimum to 5. Such an end is an `Unknown`; every other is a plain point.
The three questions below answer true or false where each completion would, and None otherwise.
"""

from dataclasses import dataclass
from typing import Any

from service.cql.values.date import Date
from service.cql.values.datetime import DateTime
from service.cql.values.interval import Interval
from service.cql.values.limits import step
from service.cql.values.ordering import cells, compare, days, ranges
from service.cql.values.precision import INDEX
from service.cql.values.time import Time
from service.cql.values.uncertainty import Uncertainty


@dataclass(frozen=True, slots=True)
class Unknown:
    """A point somewhere from `low` to `high`, both included; None where there is no limit."""

    low: Any
    high: Any


_RANGES = frozenset({Unknown, Uncertainty})


def first(interval: Interval) -> Any:
    """The first point of `interval`, or an `Unknown`."""
    if interval.start is not None:
        return interval.start
    latest = interval.end if interval.end is not None else interval.greatest()
    return Unknown(interval.least(), latest)


def last(interval: Interval) -> Any:
    """The last point of `interval`, or an `Unknown`."""
    if interval.end is not None:
        return interval.end
    earliest = interval.start if interval.start is not None else interval.least()
    return Unknown(earliest, interval.greatest())


def less(left: Any, right: Any, precision: str | None = None) -> bool | None:
    """Whether `left` comes before `right`."""
    if precision == "day" and type(left) is DateTime and type(right) is DateTime:
        order = days(left, right)  # most of what measures ask
        return None if order is None else order < 0
    if type(left) not in _RANGES and type(right) not in _RANGES:
        order = compare(left, right, precision)
        return None if order is None else order < 0
    if _order(_high(left), _low(right), precision) == -1:
        return True
    order = _order(_low(left), _high(right), precision)
    return None if order is None or order < 0 else False


def less_or_equal(left: Any, right: Any, precision: str | None = None) -> bool | None:
    """Whether `left` comes before `right` or is the same."""
    if precision == "day" and type(left) is DateTime and type(right) is DateTime:
        order = days(left, right)
        return None if order is None else order <= 0
    if type(left) not in _RANGES and type(right) not in _RANGES:
        order = compare(left, right, precision)
        return None if order is None else order <= 0
    after = less(right, left, precision)
    return None if after is None else not after


def same(left: Any, right: Any, precision: str | None = None) -> bool | None:
    """Whether `left` and `right` are the same point."""
    if type(left) not in _RANGES and type(right) not in _RANGES:
        order = compare(left, right, precision)
        return None if order is None else order == 0
    if less(left, right, precision) or less(right, left, precision):
        return False
    whole = _order(_low(left), _high(right), precision), _order(_high(left), _low(right), precision)
    return True if whole == (0, 0) else None


def _low(end: Any) -> Any:
    return end.low if type(end) in _RANGES else end


def _high(end: Any) -> Any:
    return end.high if type(end) in _RANGES else end


def _order(left: Any, right: Any, precision: str | None) -> int | None:
    return None if left is None or right is None else compare(left, right, precision)


def adjacent(end: Any, start: Any, precision: str | None = None) -> bool | None:
    """Whether `start` is the next point after `end`.

    Dates and times step by `precision`; without one, by the precision that `end` has.
    """
    if precision is not None and isinstance(_sample(end), Date | DateTime | Time):
        return _adjacent_cells(end, start, precision)
    low, high = _next(_low(end)), _next(_high(end))
    if type(end) not in _RANGES:
        return False if low is None else same(low, start)
    return same(Unknown(low, high), start)


def _next(point: Any) -> Any:
    """The point after; None where there is none."""
    try:
        return None if point is None else step(point, 1)
    except ValueError:
        return None


def _sample(end: Any) -> Any:
    return _low(end) if _low(end) is not None else _high(end)


def _adjacent_cells(end: Any, start: Any, precision: str) -> bool | None:
    points = (_low(end), _high(end), _low(start), _high(start))
    if any(point is None for point in points):
        return None
    index, offset = INDEX[precision], getattr(points[0], "offset", 0)
    whole = [cells(point, index, offset) for point in points]
    order = ranges(whole[0][0] + 1, whole[1][1] + 1, whole[2][0], whole[3][1])
    return None if order is None else order == 0
