"""19. Interval Operators that make intervals: Collapse, Except, Expand, Intersect, Union.

Section numbers are those of https://cql.hl7.org/04-logicalspecification.html; Except, Intersect and
Union have overloads for lists too. A new boundary is null and open where it is not known.
"""

from collections.abc import Callable
from decimal import ROUND_DOWN, Decimal
from functools import cmp_to_key, reduce
from itertools import count
from typing import Any

from service.cql.operators import list as lists
from service.cql.operators.arithmetic import add
from service.cql.operators.date_arithmetic import duration
from service.cql.operators.interval import overlaps
from service.cql.operators.registry import operator
from service.cql.values import Date, DateTime, Interval, Long, Quantity, Time
from service.cql.values.boundary import Unknown, adjacent, first, last, less, less_or_equal
from service.cql.values.limits import step
from service.cql.values.number import DECIMAL_STEP, EXACT
from service.cql.values.precision import DAY_SPAN, NAMES, SPAN
from service.errors import EvaluationError

Moment = Date | DateTime | Time
MOST_PIECES = 1_000_000


def _made(start: Any, end: Any, point: str | None) -> Interval:
    """The closed interval from `start` to `end`, open and null where an end is unknown."""
    low = None if type(start) is Unknown else start
    high = None if type(end) is Unknown else end
    return Interval(low, high, low is not None, high is not None, point)


def _earlier(left: Any, right: Any) -> Any:
    """The earlier of two ends, unknown where that is."""
    answer = less_or_equal(left, right)
    if answer is None:
        return Unknown(None, None)
    return left if answer else right


def _later(left: Any, right: Any) -> Any:
    answer = less_or_equal(left, right)
    if answer is None:
        return Unknown(None, None)
    return right if answer else left


# 19.4. Collapse


@operator("Collapse", nulls="handle")
def collapse(source: list[Any] | None, per: Quantity | None = None) -> list[Interval] | None:
    """The ranges that the intervals cover together: those that overlap or meet become one.

    `per` is the precision at which they meet; without it the coarsest among the boundaries.
    """
    if source is None:
        return None
    intervals = [each for each in source if each is not None]
    step_size, precision = _reach(intervals, per)
    result: list[Interval] = []
    for each in sorted(intervals, key=cmp_to_key(_by_start)):
        if result and _joins(result[-1], each, step_size, precision):
            result[-1] = _hull(result[-1], each)
        else:
            result.append(each)
    return result


def _by_start(left: Interval, right: Interval) -> int:
    if less(first(left), first(right)):
        return -1
    return 1 if less(first(right), first(left)) else 0


def _hull(left: Interval, right: Interval) -> Interval:
    start, end = _earlier(first(left), first(right)), _later(last(left), last(right))
    return _made(start, end, left.point or right.point)


def _joins(left: Interval, right: Interval, reach: Any, precision: str | None) -> bool:
    """Whether `right`, which starts no earlier, begins within `reach` of the end of `left`."""
    end = last(left)
    if type(end) is not Unknown and reach is not None:
        further = add(end, reach)
        end = end if further is None else further
    return less_or_equal(first(right), end, precision) is True


def _reach(intervals: list[Interval], per: Quantity | None) -> tuple[Any, str | None]:
    """The step between points that still meet, and the precision of comparing them."""
    points = _points(intervals)
    if not points:
        return None, None
    if isinstance(points[0], Date | DateTime | Time):
        if per is None:
            per = Quantity(Decimal(1), NAMES[min(point.precision for point in points)])
        return per, NAMES[duration(per)[1]]
    if per is None:
        return _SMALLEST[type(points[0])](points[0]), None
    return _sized(points[0], per), None


def _points(intervals: list[Interval]) -> list[Any]:
    found = [point for each in intervals for point in (each.low, each.high)]
    return [point for point in found if point is not None]


_SMALLEST: dict[type, Callable[[Any], Any]] = {
    int: lambda point: 1,
    Long: lambda point: Long(1),
    Decimal: lambda point: DECIMAL_STEP,
    Quantity: lambda point: Quantity(DECIMAL_STEP, point.unit),
}


def _sized(point: Any, per: Quantity) -> Any:
    """`per` as a value that can be added to a numeric point."""
    if isinstance(point, Quantity):
        return Quantity(per.value, point.unit) if per.unit == "1" else per
    if isinstance(point, Decimal):
        return per.value
    return type(point)(per.value)


# 19.8. Except


@operator("Except", nulls="handle")
def except_(*operands: Any) -> Any:
    """What of the first operand is not in the next; a list or an interval.

    Null where two pieces of an interval, or none, would be left.
    """
    return reduce(_except, operands)


def _except(left: Any, right: Any) -> Any:
    if left is None:
        return None
    if type(left) is not Interval:
        return lists.only_first(left, right or [])
    if right is None or (common := overlaps(left, right)) is None:
        return None
    return _without(left, right) if common else left


def _without(left: Interval, right: Interval) -> Interval | None:
    starts_later, ends_earlier = less(first(left), first(right)), less(last(right), last(left))
    if starts_later is None or ends_earlier is None or starts_later == ends_earlier:
        return None
    if starts_later:
        return _made(first(left), step(right.start, -1), left.point) if right.start else None
    return _made(step(right.end, 1), last(left), left.point) if right.end else None


# 19.10. Expand


@operator("Expand", nulls="handle")
def expand(source: Any, per: Quantity | None = None) -> list[Any] | None:
    """The intervals of size `per` in the intervals of a list, or their starts in an interval.

    `per` is one of the coarsest precision among the boundaries if it is null. An interval with a
    null boundary has no pieces.
    """
    if source is None:
        return None
    if type(source) is Interval:
        return [piece.low for piece in _pieces(source, _per([source], per))]
    intervals = [each for each in source if each is not None]
    size = _per(intervals, per)
    ordered = sorted(intervals, key=cmp_to_key(_by_start))
    return lists.unique(piece for each in ordered for piece in _pieces(each, size))


def _per(intervals: list[Interval], per: Quantity | None) -> Quantity:
    points = _points(intervals)
    if per is not None or not points:
        return per or Quantity(Decimal(1))
    if isinstance(points[0], Date | DateTime | Time):
        return Quantity(Decimal(1), NAMES[min(point.precision for point in points)])
    return Quantity(Decimal(1).scaleb(-min(map(_scale, points))))


def _scale(point: Any) -> int:
    """Digits after the point of a number."""
    value = point.value if isinstance(point, Quantity) else point
    exponent = Decimal(value).as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _pieces(interval: Interval, per: Quantity) -> list[Interval]:
    if interval.low is None or interval.high is None:
        return []
    if interval.start is None or interval.end is None or per.value <= 0:
        return []
    if isinstance(interval.start, Date | DateTime | Time):
        return _moments(interval.start, interval.end, per)
    return _numbers(interval.start, interval.end, per)


def _moments(start: Moment, end: Moment, per: Quantity) -> list[Interval]:
    """Pieces between dates or times, which are cut to the precision of `per`."""
    amount, precision = duration(per)
    if start.precision < precision or end.precision < precision or not amount:
        return []
    begin, stop = _cut(start, precision), _cut(end, precision)
    pieces: list[Interval] = []
    for number in count():
        low = _moved(begin, amount * number, precision)
        high = low and _moved(low, amount - 1, precision)
        if low is None or high is None or not less_or_equal(high, stop):
            return pieces
        pieces.append(Interval(low, high))
        _check(len(pieces))
    return pieces


def _check(pieces: int) -> None:
    if pieces > MOST_PIECES:
        raise EvaluationError(f"expand makes more than {MOST_PIECES} pieces")


def _cut(moment: Moment, precision: int) -> Moment:
    if isinstance(moment, Time):
        return Time.of_milliseconds(moment.low, precision)
    if isinstance(moment, Date):
        return Date.of_day(moment.first_day, precision)
    return DateTime.of_instant(moment.low, moment.offset, precision)


def _moved(moment: Moment, amount: int, precision: int) -> Any:
    """`moment` a number of its precision later; None past the end of the calendar or day."""
    if isinstance(moment, Time) and moment.low + amount * SPAN[precision] >= DAY_SPAN:
        return None
    return add(moment, Quantity(Decimal(amount), NAMES[precision]))


def _numbers(start: Any, end: Any, per: Quantity) -> list[Interval]:
    """Pieces between numbers, which are cut to the digits of `per`; 10 to 10 per 0.1 is ten."""
    size = per.value.normalize(EXACT)
    scale = _scale(size)
    whole = isinstance(start, int)
    unit = Decimal(1).scaleb(-scale)
    begin, stop = (_digits(each, scale) for each in (start, end))
    if whole and scale:
        stop = EXACT.subtract(EXACT.add(stop, 1), unit)
    pieces: list[Interval] = []
    while EXACT.subtract(EXACT.add(begin, size), unit) <= stop:
        high = EXACT.subtract(EXACT.add(begin, size), unit)
        pieces.append(Interval(*(_like(start, each, scale) for each in (begin, high))))
        begin = EXACT.add(begin, size)
        _check(len(pieces))
    return pieces


def _digits(point: Any, scale: int) -> Decimal:
    value = point.value if isinstance(point, Quantity) else Decimal(point)
    return value.quantize(Decimal(1).scaleb(-scale), ROUND_DOWN, EXACT)


def _like(point: Any, value: Decimal, scale: int) -> Any:
    if isinstance(point, Quantity):
        return Quantity(value, point.unit)
    return type(point)(value) if isinstance(point, int) and not scale else value


# 19.15. Intersect


@operator("Intersect", nulls="propagate")
def intersect(*operands: Any) -> Any:
    """What is in all operands, lists or intervals; null where intervals do not overlap."""
    return reduce(_intersect, operands)


def _intersect(left: Any, right: Any) -> Any:
    if left is None:
        return None
    if type(left) is not Interval:
        return lists.both(left, right)
    if not overlaps(left, right):
        return None
    start, end = _later(first(left), first(right)), _earlier(last(left), last(right))
    return _made(start, end, left.point or right.point)


# 19.31. Union


@operator("Union", nulls="handle")
def union(*operands: Any) -> Any:
    """What is in any operand; null where intervals neither overlap nor meet, or one is null."""
    if any(type(each) is list for each in operands):
        return union_of_lists(*operands)
    return reduce(_union, operands)


@operator("Union<List>", nulls="handle")
def union_of_lists(*operands: list[Any] | None) -> list[Any]:
    """All elements, each once; null counts as an empty list."""
    filled = [operand for operand in operands if operand]
    if len(filled) == 1:
        return lists.unique(filled[0])
    return lists.unique([each for operand in filled for each in operand])


def _union(left: Interval | None, right: Interval | None) -> Interval | None:
    if left is None or right is None:
        return None
    met = adjacent(last(left), first(right)) or adjacent(last(right), first(left))
    return _hull(left, right) if overlaps(left, right) or met else None
