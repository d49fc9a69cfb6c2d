"""19. Interval Operators: intervals, their ends and how they lie to each other.

Section numbers are those of https://cql.hl7.org/04-logicalspecification.html. Collapse, Expand,
Union, Intersect and Except, which make new intervals, are in `interval_sets`; the overloads for
lists call chapter 20. A boundary that is open and null is unknown (see
`service.cql.values.boundary`), and every answer is null where it depends on it.
"""

from decimal import Decimal
from typing import Any

from service.cql.operators import list as lists
from service.cql.operators.arithmetic import add, subtract
from service.cql.operators.comparison import all_true
from service.cql.operators.registry import operator
from service.cql.values import Date, DateTime, Interval, Long, Quantity, Time
from service.cql.values.boundary import adjacent, first, last, less, less_or_equal, same
from service.cql.values.number import DECIMAL_STEP
from service.cql.values.ordering import compare
from service.errors import EvaluationError

Ternary = bool | None


def _first(value: Any) -> Any:
    return first(value) if type(value) is Interval else value


def _last(value: Any) -> Any:
    return last(value) if type(value) is Interval else value


# 19.2. After


@operator("After", nulls="propagate", precision=True)
def after(left: Any, right: Any, precision: str | None = None) -> Ternary:
    """Whether `left`, a point or interval, starts after `right` ends."""
    return less(_last(right), _first(left), precision)


# 19.3. Before


@operator("Before", nulls="propagate", precision=True)
def before(left: Any, right: Any, precision: str | None = None) -> Ternary:
    """Whether `left`, a point or interval, ends before `right` starts."""
    return less(_last(left), _first(right), precision)


# 19.5. Contains, 19.12. In


@operator("Contains", nulls="handle", precision=True)
def contains(left: Any, right: Any, precision: str | None = None) -> Ternary:
    """Whether the interval or list `left` has `right` as a point or element."""
    return in_(right, left, precision)


@operator("In", nulls="handle", precision=True)
def in_(left: Any, right: Any, precision: str | None = None) -> Ternary:
    """Whether `left` is a point or element of the interval or list `right`; false of null."""
    if right is None:
        return False
    if type(right) is not Interval:
        return lists.has(right, left)
    return None if left is None else _holds(right, left, precision)


def _holds(interval: Interval, point: Any, precision: str | None) -> Ternary:
    """Whether `point` is in `interval`.

    "For closed interval boundaries, if the interval boundary is null, the result of the boundary
    comparison is considered true."
    """
    started: Ternary = True
    if interval.low is not None or not interval.low_closed:
        started = less_or_equal(first(interval), point, precision)
        if started is False:
            return False
    if interval.high is None and interval.high_closed:
        return started
    ended = less_or_equal(point, last(interval), precision)
    return started if ended else ended


# 19.6. End


@operator("End", nulls="propagate")
def end(operand: Interval) -> Any:
    """The last point; null where it is unknown."""
    return operand.end


# 19.7. Ends


@operator("Ends", nulls="propagate", precision=True)
def ends(left: Interval, right: Interval, precision: str | None = None) -> Ternary:
    """Whether `left` starts no earlier than `right` and ends with it."""
    starts_in = less_or_equal(first(right), first(left), precision)
    return all_true([starts_in, same(last(left), last(right), precision)])


# 19.13. Includes, 19.14. IncludedIn


@operator("Includes", nulls="propagate", precision=True)
def includes(left: Any, right: Any, precision: str | None = None) -> Ternary:
    """Whether the interval or list `left` has all of `right`."""
    return included_in(right, left, precision)


@operator("IncludedIn", nulls="propagate", precision=True)
def included_in(left: Any, right: Any, precision: str | None = None) -> Ternary:
    """Whether all of the interval or list `left` is in `right`."""
    if type(right) is not Interval:
        return lists.includes_all(right, left) if type(left) is list else lists.has(right, left)
    if type(left) is not Interval:
        return _holds(right, left, precision)
    started = less_or_equal(first(right), first(left), precision)
    if started is False:
        return False
    ended = less_or_equal(last(left), last(right), precision)
    return started if ended else ended


# 19.16. Meets, 19.17. MeetsBefore, 19.18. MeetsAfter


@operator("Meets", nulls="propagate", precision=True)
def meets(left: Interval, right: Interval, precision: str | None = None) -> Ternary:
    """Whether one interval ends immediately before the other starts."""
    answers = meets_before(left, right, precision), meets_after(left, right, precision)
    return True if True in answers else None if None in answers else False


@operator("MeetsBefore", nulls="propagate", precision=True)
def meets_before(left: Interval, right: Interval, precision: str | None = None) -> Ternary:
    """Whether `left` ends immediately before `right` starts."""
    return adjacent(last(left), first(right), precision)


@operator("MeetsAfter", nulls="propagate", precision=True)
def meets_after(left: Interval, right: Interval, precision: str | None = None) -> Ternary:
    """Whether `left` starts immediately after `right` ends."""
    return adjacent(last(right), first(left), precision)


# 19.20. Overlaps, 19.21. OverlapsBefore, 19.22. OverlapsAfter


@operator("Overlaps", nulls="propagate", precision=True)
def overlaps(left: Interval, right: Interval, precision: str | None = None) -> Ternary:
    """Whether the intervals have a point in common."""
    started = less_or_equal(first(left), last(right), precision)
    if started is False:
        return False
    ended = less_or_equal(first(right), last(left), precision)
    return started if ended else ended


@operator("OverlapsBefore", nulls="propagate", precision=True)
def overlaps_before(left: Interval, right: Interval, precision: str | None = None) -> Ternary:
    """Whether `left` starts before `right` and overlaps it."""
    starts_before = less(first(left), first(right), precision)
    return all_true([starts_before, less_or_equal(first(right), last(left), precision)])


@operator("OverlapsAfter", nulls="propagate", precision=True)
def overlaps_after(left: Interval, right: Interval, precision: str | None = None) -> Ternary:
    """Whether `left` overlaps `right` and ends after it."""
    ends_after = less(last(right), last(left), precision)
    return all_true([ends_after, less_or_equal(first(left), last(right), precision)])


# 19.23. PointFrom


@operator("PointFrom", nulls="propagate")
def point_from(operand: Interval) -> Any:
    """The only point; null where an end is unknown. Raises EvaluationError where there are more."""
    if operand.start is None or operand.end is None:
        return None
    if compare(operand.start, operand.end) != 0:
        raise EvaluationError("point from: the interval has more than one point")
    return operand.start


# 19.24. ProperContains, 19.25. ProperIn


@operator("ProperContains", nulls="handle", precision=True)
def proper_contains(left: Any, right: Any, precision: str | None = None) -> Ternary:
    """Whether `left` has the point `right` inside, or the element `right` besides others."""
    return proper_in(right, left, precision)


@operator("ProperIn", nulls="handle", precision=True)
def proper_in(left: Any, right: Any, precision: str | None = None) -> Ternary:
    """Whether the point or element `left` is in `right` and not at its ends, or not alone."""
    if right is None:
        return False
    if type(right) is not Interval:
        return lists.has_besides(right, left)
    if left is None:
        return None
    started = less(first(right), left, precision)
    return all_true([started, less(left, last(right), precision)])


# 19.26. ProperIncludes, 19.27. ProperIncludedIn


@operator("ProperIncludes", nulls="propagate", precision=True)
def proper_includes(left: Any, right: Any, precision: str | None = None) -> Ternary:
    """Whether the interval or list `left` includes `right` and is larger."""
    return proper_included_in(right, left, precision)


@operator("ProperIncludedIn", nulls="propagate", precision=True)
def proper_included_in(left: Any, right: Any, precision: str | None = None) -> Ternary:
    """Whether the interval or list `left` is included in `right` and is smaller."""
    if type(right) is not Interval or type(left) is not Interval:
        if type(left) is list:
            return lists.includes_all_and_more(right, left)
        return proper_in(left, right, precision)
    included = included_in(left, right, precision)
    if included is False:
        return False
    starts_later = less(first(right), first(left), precision)
    ends_earlier = less(last(left), last(right), precision)
    if starts_later or ends_earlier:
        return included
    return None if starts_later is None or ends_earlier is None else False


# 19.28. Size


@operator("Size", nulls="propagate")
def size(operand: Interval) -> Any:
    """The number of points times their distance: the width and one step."""
    extent = width(operand)
    return None if extent is None else add(extent, _STEP[type(extent)](extent))


_STEP: dict[type, Any] = {
    int: lambda extent: 1,
    Long: lambda extent: Long(1),
    Decimal: lambda extent: DECIMAL_STEP,
    Quantity: lambda extent: Quantity(DECIMAL_STEP, extent.unit),
}


# 19.29. Start


@operator("Start", nulls="propagate")
def start(operand: Interval) -> Any:
    """The first point; null where it is unknown."""
    return operand.start


# 19.30. Starts


@operator("Starts", nulls="propagate", precision=True)
def starts(left: Interval, right: Interval, precision: str | None = None) -> Ternary:
    """Whether `left` starts with `right` and ends no later."""
    ends_in = less_or_equal(last(left), last(right), precision)
    return all_true([same(first(left), first(right), precision), ends_in])


# 19.32. Width


@operator("Width", nulls="propagate")
def width(operand: Interval) -> Any:
    """The end minus the start. Raises EvaluationError for dates and times."""
    if isinstance(operand.low or operand.high, Date | DateTime | Time):
        raise EvaluationError("Width and Size are not defined for intervals of dates and times")
    if operand.start is None or operand.end is None:
        return None
    return subtract(operand.end, operand.start)
