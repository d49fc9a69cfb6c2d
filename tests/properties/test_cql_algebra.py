"""The algebra of CQL's dates, times, intervals and logic, for values that nobody chose.

The yardstick for uncertainty is the set of completions of a partial date: an operator may say true
or false only where every completion says the same.
"""

from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cmp_to_key
from itertools import product
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from service.cql.literal import literal
from service.cql.operators import comparison, conversion, date_and_time, interval, interval_sets
from service.cql.operators import list as lists
from service.cql.operators.arithmetic import add, predecessor, subtract, successor
from service.cql.operators.logical import and_, implies, not_, or_, xor
from service.cql.values import Date, DateTime, Interval, Quantity, Time, Uncertainty
from service.cql.values.ordering import sort_order
from service.cql.values.precision import NAMES

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

Ternary = bool | None
PRECISIONS = [None, "year", "month", "day"]

days = st.dates(date(1990, 1, 1), date(2010, 12, 31))
offsets = st.sampled_from([-420, -300, 0, 60, 330, 570])


@st.composite
def dates(draw: st.DrawFn) -> Date:
    day = draw(days)
    parts = (day.year, day.month, day.day)
    return Date(*parts[: draw(st.integers(1, 3))])


@st.composite
def date_times(draw: st.DrawFn, offset: int | None = None) -> DateTime:
    moment = draw(st.datetimes(datetime(1990, 1, 1), datetime(2010, 12, 31)))
    parts = (*moment.timetuple()[:6], moment.microsecond // 1000)
    zone = draw(offsets) if offset is None else offset
    return DateTime(*parts[: draw(st.integers(1, 7))], offset=zone)


@st.composite
def times(draw: st.DrawFn) -> Time:
    moment = draw(st.times())
    parts = (moment.hour, moment.minute, moment.second, moment.microsecond // 1000)
    return Time(*parts[: draw(st.integers(1, 4))])


whole_days = days.map(lambda day: Date(day.year, day.month, day.day))
small = st.integers(-12, 12)
truth = st.sampled_from([True, False, None])


@st.composite
def intervals(
    draw: st.DrawFn, points: st.SearchStrategy[Any] = small, unknown: bool = True
) -> Interval:
    """Intervals with at least one point, some of their boundaries null."""
    low, high = sorted(draw(st.tuples(points, points)), key=cmp_to_key(sort_order))
    ends: list[Any] = [low, high]
    closed = [draw(st.booleans()), draw(st.booleans())]
    if unknown and draw(st.integers(0, 3)) == 0:
        ends[draw(st.integers(0, 1))] = None
    made = Interval(*ends, *closed)
    assume(made.start is None or made.end is None or sort_order(made.start, made.end) <= 0)
    return made


# What a value may stand for


def completions_of_date(value: Date) -> Iterable[int]:
    """The first, the last and some days between that a partial date may be."""
    span = value.last_day - value.first_day
    return {value.first_day, value.first_day + span // 3, value.last_day}


def completions_of_interval(value: Interval) -> Iterable[range]:
    """Every interval of small Integers that one with unknown boundaries may be."""
    if value.start is not None and value.end is not None:
        return [range(value.start, value.end + 1)]
    if value.start is None and value.end is not None:
        starts = [-(2**31)] if value.low_closed else range(-20, value.end + 1)
        return [range(start, value.end + 1) for start in starts]
    ends = [2**31 - 1] if value.high_closed else range(value.start, 21)
    return [range(value.start, end + 1) for end in ends]


def agrees(answer: Ternary, truths: Iterable[bool]) -> bool:
    """Whether an answer claims no more than every completion allows."""
    return answer is None or set(truths) == {answer}


# Logic


@given(truth, truth)
def test_de_morgan(left: Ternary, right: Ternary) -> None:
    assert not_(and_(left, right)) == or_(not_(left), not_(right))
    assert not_(or_(left, right)) == and_(not_(left), not_(right))


@given(truth, truth, truth)
def test_and_or_are_associative_and_distribute(a: Ternary, b: Ternary, c: Ternary) -> None:
    assert and_(a, and_(b, c)) == and_(and_(a, b), c)
    assert or_(a, or_(b, c)) == or_(or_(a, b), c)
    assert and_(a, or_(b, c)) == or_(and_(a, b), and_(a, c))


@given(truth, truth)
def test_logic_claims_no_more_than_every_reading_of_null(left: Ternary, right: Ternary) -> None:
    readings = list(
        product(*[[True, False] if value is None else [value] for value in (left, right)])
    )
    assert agrees(and_(left, right), [a and b for a, b in readings])
    assert agrees(or_(left, right), [a or b for a, b in readings])
    assert agrees(implies(left, right), [not a or b for a, b in readings])
    if left is not None and right is not None:
        assert xor(left, right) == (left != right)


# Dates and times


@given(dates(), dates())
def test_comparing_dates_claims_no_more_than_every_completion(left: Date, right: Date) -> None:
    pairs = list(product(completions_of_date(left), completions_of_date(right)))
    if left.precision != right.precision:
        assert agrees(comparison.less(left, right), [a < b for a, b in pairs])
        assert agrees(comparison.equal(left, right), [a == b for a, b in pairs])
    assert agrees(interval.before(left, right, "day"), [a < b for a, b in pairs])


@given(
    st.one_of(
        st.tuples(dates(), dates()),
        st.tuples(date_times(), date_times()),
        st.tuples(times(), times()),
    )
)
def test_exactly_one_of_before_same_after_or_none_is_known(pair: tuple[Any, Any]) -> None:
    left, right = pair
    names = NAMES[3:] if isinstance(left, Time) else NAMES[:3] if isinstance(left, Date) else NAMES
    for precision in (None, *names):
        answers = [
            interval.before(left, right, precision),
            date_and_time.same_as(left, right, precision),
            interval.after(left, right, precision),
        ]
        assert (
            answers in ([True, False, False], [False, True, False], [False, False, True])
            or None in answers
            and True not in answers
        )
        mirrored = interval.after(right, left, precision)
        if precision in (None, "year", "month", "day") or left == right:
            assert answers[0] == mirrored
        assert date_and_time.same_or_before(left, right, precision) == or_(answers[0], answers[1])


@given(date_times(), date_times())
def test_an_instant_is_the_same_at_every_offset(left: DateTime, right: DateTime) -> None:
    moved = left.at_offset(right.offset)
    if left.precision >= 3:
        assert comparison.less(left, right) == comparison.less(moved, right)
        assert interval.before(left, right, "minute") == interval.before(moved, right, "minute")


@given(dates(), dates(), st.sampled_from(["year", "month", "week", "day"]))
def test_durations_hold_for_every_completion(left: Date, right: Date, precision: str) -> None:
    for count in (date_and_time.duration_between, date_and_time.difference_between):
        found = count(left, right, precision)
        low, high = (found.low, found.high) if isinstance(found, Uncertainty) else (found, found)
        exact = [
            count(Date.of_day(first), Date.of_day(last), precision)
            for first, last in product(completions_of_date(left), completions_of_date(right))
        ]
        assert low == min(exact) and high == max(exact)


@given(whole_days, whole_days, st.sampled_from(["year", "month", "week", "day"]))
def test_duration_is_odd_and_never_exceeds_the_difference(
    left: Date, right: Date, precision: str
) -> None:
    duration = date_and_time.duration_between(left, right, precision)
    difference = date_and_time.difference_between(left, right, precision)
    assert duration == -date_and_time.duration_between(right, left, precision)
    assert difference == -date_and_time.difference_between(right, left, precision)
    assert abs(duration) <= abs(difference) <= abs(duration) + 1


@given(st.one_of(dates(), date_times()), st.integers(-60, 60))
def test_adding_days_and_taking_them_away_changes_nothing(
    moment: Date | DateTime, number: int
) -> None:
    assume(moment.precision >= 2)
    amount = Quantity(Decimal(number), "days")
    assert subtract(add(moment, amount), amount) == moment


@given(whole_days, st.integers(0, 400))
def test_a_date_so_many_months_later_is_no_further_than_that(day: Date, number: int) -> None:
    later = add(day, Quantity(Decimal(number), "months"))
    assert date_and_time.difference_between(day, later, "month") == number
    assert number - 1 <= date_and_time.duration_between(day, later, "month") <= number


@given(st.one_of(dates(), date_times(), times(), small, st.decimals(-9, 9, places=8)))
def test_successor_and_predecessor_undo_each_other(value: Any) -> None:
    assume(str(value)[:8] not in ("00:00:00", "23:59:59", "00", "23", "00:00", "23:59"))
    assert predecessor(successor(value)) == value
    assert comparison.less(value, successor(value)) is True


@given(st.one_of(dates(), date_times(), times()))
def test_text_of_a_date_or_time_reads_back(value: Any) -> None:
    assert (
        type(value).parse(str(value), *([value.offset] if isinstance(value, DateTime) else []))
        == value
    )


# Intervals


@given(intervals(), intervals())
def test_relations_claim_no_more_than_every_completion(left: Interval, right: Interval) -> None:
    pairs = list(product(completions_of_interval(left), completions_of_interval(right)))
    relations: list[tuple[Callable[..., Ternary], Callable[[range, range], bool]]] = [
        (interval.before, lambda a, b: a[-1] < b[0]),
        (interval.after, lambda a, b: a[0] > b[-1]),
        (interval.overlaps, lambda a, b: a[0] <= b[-1] and b[0] <= a[-1]),
        (interval.overlaps_before, lambda a, b: a[0] < b[0] <= a[-1]),
        (interval.overlaps_after, lambda a, b: a[-1] > b[-1] >= a[0]),
        (interval.meets_before, lambda a, b: a[-1] + 1 == b[0]),
        (interval.meets_after, lambda a, b: b[-1] + 1 == a[0]),
        (interval.meets, lambda a, b: a[-1] + 1 == b[0] or b[-1] + 1 == a[0]),
        (interval.starts, lambda a, b: a[0] == b[0] and a[-1] <= b[-1]),
        (interval.ends, lambda a, b: a[0] >= b[0] and a[-1] == b[-1]),
        (interval.included_in, lambda a, b: a[0] >= b[0] and a[-1] <= b[-1]),
        (interval.proper_included_in, lambda a, b: a[0] >= b[0] and a[-1] <= b[-1] and a != b),
        (comparison.equal, lambda a, b: a == b),
    ]
    for relation, truth_of in relations:
        answer = relation(left, right)
        assert agrees(answer, [truth_of(a, b) for a, b in pairs]), (relation.__name__, answer)


@given(small, intervals())
def test_membership_claims_no_more_than_every_completion(point: int, where: Interval) -> None:
    wholes = list(completions_of_interval(where))
    assert agrees(interval.in_(point, where), [point in whole for whole in wholes])
    assert interval.contains(where, point) == interval.in_(point, where)
    inside = [whole[0] < point < whole[-1] for whole in wholes]
    assert agrees(interval.proper_in(point, where), inside)


@given(date_times(0), date_times(0), date_times(0), st.sampled_from(NAMES))
def test_membership_at_a_precision_claims_no_more_than_every_completion(
    point: DateTime, low: DateTime, high: DateTime, precision: str
) -> None:
    assume(sort_order(low, high) <= 0)
    truths = [
        begin <= at <= end
        for at, begin, end in product(*(cut(each, precision) for each in (point, low, high)))
    ]
    assert agrees(interval.in_(point, Interval(low, high), precision), truths)
    assert agrees(
        interval.included_in(Interval(point, point), Interval(low, high), precision), truths
    )


def cut(value: DateTime, precision: str) -> set[tuple[int, ...]]:
    """The first and the last instant that a DateTime may be, cut to a precision."""
    found = set()
    for instant in (value.low, value.high):
        day, millisecond = divmod(instant, 86_400_000)
        moment = datetime.fromordinal(day) + timedelta(milliseconds=millisecond)
        parts = (*moment.timetuple()[:6], moment.microsecond // 1000)
        found.add(parts[: NAMES.index(precision) + 1])
    return found


@given(intervals(unknown=False), intervals(unknown=False))
def test_before_after_overlaps_leave_nothing_out(left: Interval, right: Interval) -> None:
    answers = [
        interval.before(left, right),
        interval.after(left, right),
        interval.overlaps(left, right),
    ]
    assert sorted(answers) == [False, False, True]
    assert not (interval.meets(left, right) and interval.overlaps(left, right))
    assert interval.overlaps(left, right) == interval.overlaps(right, left)
    assert interval.meets_before(left, right) == interval.meets_after(right, left)
    assert interval.includes(left, right) == interval.included_in(right, left)


@given(intervals(dates()), intervals(dates()), st.sampled_from(PRECISIONS))
def test_converses_hold_for_partial_dates(
    left: Interval, right: Interval, precision: str | None
) -> None:
    assert interval.before(left, right, precision) == interval.after(right, left, precision)
    assert interval.overlaps(left, right, precision) == interval.overlaps(right, left, precision)
    assert interval.meets(left, right, precision) == interval.meets(right, left, precision)
    assert not (
        interval.before(left, right, precision) and interval.overlaps(left, right, precision)
    )


@given(intervals(unknown=False), intervals(unknown=False))
def test_intersection_union_and_difference_are_those_of_their_points(
    left: Interval, right: Interval
) -> None:
    first, second = (set(next(iter(completions_of_interval(each)))) for each in (left, right))
    common = interval_sets.intersect(left, right)
    assert points(common) == first & second
    joined = interval_sets.union(left, right)
    if joined is None:
        assert interval.overlaps(left, right) is False and interval.meets(left, right) is False
    else:
        assert points(joined) == first | second
    rest = interval_sets.except_(left, right)
    if rest is not None:
        assert points(rest) == first - second


def points(found: Interval | None) -> set[int]:
    return set() if found is None else set(range(found.start, found.end + 1))


@given(st.lists(intervals(unknown=False), max_size=6))
def test_collapse_covers_the_same_points_and_no_two_parts_touch(source: list[Interval]) -> None:
    collapsed = interval_sets.collapse(source)
    covered = set().union(*map(points, source))
    assert set().union(*map(points, collapsed)) == covered
    assert interval_sets.collapse(collapsed) == collapsed
    for first, second in zip(collapsed, collapsed[1:], strict=False):
        assert interval.before(first, second) and not interval.meets(first, second)


@given(st.lists(intervals(), max_size=5))
def test_collapse_is_idempotent_with_unknown_boundaries(source: list[Interval]) -> None:
    collapsed = interval_sets.collapse(source)
    assert interval_sets.collapse(collapsed) == collapsed


@given(st.lists(intervals(whole_days, unknown=False), max_size=5))
def test_collapse_of_dates_is_idempotent(source: list[Interval]) -> None:
    collapsed = interval_sets.collapse(source)
    assert interval_sets.collapse(collapsed) == collapsed
    for number in range(1990, 2011):
        day = Date(number, 6, 15)
        inside = any(interval.in_(day, each) for each in source)
        assert any(interval.in_(day, each) for each in collapsed) == inside


@given(intervals(unknown=False), st.integers(1, 4))
def test_expand_gives_pieces_of_one_size_that_lie_inside(source: Interval, size: int) -> None:
    per = Quantity(Decimal(size), "1")
    pieces = interval_sets.expand([source], per)
    assert [piece.low for piece in pieces] == interval_sets.expand(source, per)
    assert len(pieces) == len(points(source)) // size
    for piece in pieces:
        assert interval.included_in(piece, source) and interval.size(piece) == size
    if size == 1 and pieces:
        assert interval_sets.collapse(pieces) == [Interval(source.start, source.end)]


# Lists


elements = st.one_of(
    st.none(), st.booleans(), small, st.sampled_from("abc"), dates(), date_times(0),
    st.decimals(0, 2, places=1), st.lists(small, max_size=2),
)  # fmt: skip


@given(st.lists(elements, max_size=8))
def test_distinct_keeps_the_first_of_what_is_known_to_be_equal(source: list[Any]) -> None:
    found = lists.distinct(source)
    assert lists.distinct(found) == found
    expected: list[Any] = []
    for each in source:
        if not any(comparison.same_or_both_null(each, other) for other in expected):
            expected.append(each)
    assert [literal(each) for each in found] == [literal(each) for each in expected]


@given(st.lists(small), st.lists(small))
def test_set_operators_are_those_of_sets(left: list[int], right: list[int]) -> None:
    assert set(interval_sets.union(left, right)) == set(left) | set(right)
    assert set(interval_sets.intersect(left, right)) == set(left) & set(right)
    assert set(interval_sets.except_(left, right)) == set(left) - set(right)
    assert interval.includes(left, right) == (set(right) <= set(left))


@given(st.lists(st.one_of(st.none(), date_times(0)), max_size=8))
def test_sorting_is_stable_and_puts_nulls_first(source: list[Any]) -> None:
    ordered = lists.sort(source, source)
    assert sorted(map(literal, ordered)) == sorted(map(literal, source))
    for first, second in zip(ordered, ordered[1:], strict=False):
        assert second is not None or first is None
        assert first is None or not comparison.greater(first, second)


# Equality


@given(elements, elements)
def test_equality_is_symmetric_and_equivalence_decides(left: Any, right: Any) -> None:
    if left is not None and right is not None:
        assert comparison.equal(left, right) == comparison.equal(right, left)
    assert comparison.equivalent(left, right) is comparison.equivalent(right, left)
    assert comparison.equivalent(left, left) is True
    if left is not None and right is not None and comparison.equal(left, right):
        assert comparison.equivalent(left, right)


@given(st.booleans(), small)
def test_a_boolean_is_no_number(truth_value: bool, number: int) -> None:
    assert comparison.equal(truth_value, number) is False
    assert lists.has([number], truth_value) is False
    assert lists.distinct([1, True, 0, False]) == [1, True, 0, False]


@given(
    st.decimals(-1000, 1000, places=4),
    st.sampled_from([("mg", "g"), ("cm", "m"), ("h", "d"), ("month", "year")]),
)
def test_converting_units_there_and_back(number: Decimal, units: tuple[str, str]) -> None:
    fine, coarse = units
    there = conversion.convert_quantity(Quantity(number, coarse), fine)
    back = conversion.convert_quantity(there, coarse)
    assert comparison.equal(Quantity(number, coarse), there) is True
    assert comparison.equal(back, there) is True


@given(st.times(), st.times())
def test_times_order_like_the_clock(left: time, right: time) -> None:
    first, second = (
        Time(each.hour, each.minute, each.second, each.microsecond // 1000)
        for each in (left, right)
    )
    truncated = [
        each.replace(microsecond=each.microsecond // 1000 * 1000) for each in (left, right)
    ]
    assert comparison.less(first, second) == (truncated[0] < truncated[1])
