"""What holds for every chart, whatever its numbers."""

import json
from collections.abc import Collection
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import ChartError
from service.spc.chart import Chart, control_chart
from service.spc.contract import chart_contract
from service.spc.funnel import funnel
from service.spc.kind import KINDS, RUN, I, Kind, P, U
from service.spc.limits import Limits, Method
from service.spc.point import State
from service.spc.rules import ANHOEJ, MAKING_DATA_COUNT, PERLA, RuleSet
from service.spc.runs import Signal, find_runs
from service.spc.subgroup import Subgroup
from service.spc.table import read_table

GAPS = [State.SUPPRESSED, State.MISSING, State.NOT_COMPUTABLE]
# Eighths, so that scaling and mirroring are exact and numbers do fall on the median.
values = st.integers(-40, 40).map(lambda n: n / 8)
numbers = st.builds(Subgroup, st.just("t"), values, provisional=st.booleans())
gaps = st.builds(Subgroup, st.just("t"), state=st.sampled_from(GAPS))
finals = st.lists(st.builds(Subgroup, st.just("t"), values), min_size=1, max_size=60)
mixed = st.lists(numbers | gaps, max_size=60)


def run_chart(subgroups: list[Subgroup], breaks: Collection[int] = ()) -> Chart:
    return control_chart(RUN, subgroups, breaks=breaks)


def _changed(points: list[Subgroup], by: float, plus: float = 0.0) -> list[Subgroup]:
    return [
        p if p.numerator is None else replace(p, numerator=p.numerator * by + plus) for p in points
    ]


@given(st.lists(numbers | gaps, min_size=1, max_size=60))
def test_only_final_numbers_matter(points: list[Subgroup]) -> None:
    final = [point for point in points if point.final]
    medians = [phase.center for phase in run_chart(points).phases]
    assert medians == ([phase.center for phase in run_chart(final).phases] or [None])
    assert _places(points, points) == _places(final, points)


def _places(points: list[Subgroup], among: list[Subgroup]) -> list[tuple[str, int, int]]:
    at = [next(i for i, p in enumerate(among) if p is point) for point in points]
    return [(s.rule, at[s.first], at[s.last]) for s in run_chart(points).signals]


@given(mixed)
def test_signals_begin_and_end_on_final_numbers(points: list[Subgroup]) -> None:
    for signal in run_chart(points).signals:
        assert points[signal.first].final and points[signal.last].final


@given(finals, st.data())
def test_a_point_on_the_median_changes_no_run(points: list[Subgroup], data: st.DataObject) -> None:
    middle = run_chart(points).phases[0].center
    assert middle is not None
    plain = [p.numerator for p in points if p.numerator is not None]
    at = data.draw(st.integers(0, len(plain)))
    longer = [*plain[:at], middle, *plain[at:]]
    assert [r.length for r in find_runs(longer, middle)] == [
        r.length for r in find_runs(plain, middle)
    ]


@given(mixed, st.sampled_from([0.5, 2.0, 8.0]), values)
def test_scale_and_origin_do_not_matter(points: list[Subgroup], scale: float, shift: float) -> None:
    assert run_chart(_changed(points, scale, shift)).signals == run_chart(points).signals


@given(mixed)
def test_a_mirror_swaps_above_and_below(points: list[Subgroup]) -> None:
    swap = {"above": "below", "below": "above", None: None}
    mirrored = [replace(s, side=swap[s.side]) for s in run_chart(_changed(points, -1)).signals]  # type: ignore[arg-type]
    assert mirrored == list(run_chart(points).signals)


@given(mixed, st.sets(st.integers(0, 60), max_size=4))
def test_phases_cover_every_point_once_and_hold_their_signals(
    points: list[Subgroup], breaks: set[int]
) -> None:
    phases = run_chart(points, breaks=[b for b in breaks if b < len(points)]).phases
    assert [i for p in phases for i in range(p.first, p.last + 1)] == list(range(len(points)))
    for phase in phases:
        assert all(_within(signal, phase.first, phase.last) for signal in phase.signals)


def _within(signal: Signal, first: int, last: int) -> bool:
    return first <= signal.first <= signal.last <= last


RULES = st.sampled_from([ANHOEJ, PERLA, MAKING_DATA_COUNT])
sizes = st.integers(1, 400)


@st.composite
def proportions(draw: st.DrawFn) -> Subgroup:
    size = draw(sizes)
    return Subgroup("t", draw(st.integers(0, size)), size, provisional=draw(st.booleans()))


proportion_gaps = st.builds(
    Subgroup, st.just("t"), denominator=st.none() | sizes, state=st.sampled_from(GAPS)
)
proportion_series = st.lists(proportions() | proportion_gaps, max_size=40)
COUNTED = st.sampled_from([P, U, KINDS["p-prime"], KINDS["u-prime"], KINDS["i-prime"]])


@given(st.lists(st.lists(st.integers(0, 60), min_size=3, max_size=3), min_size=1, max_size=30))
def test_the_chart_of_added_sites_is_that_of_all_their_cases(months: list[list[int]]) -> None:
    """Whether sites are added before the chart or their cases were never apart."""
    sites = [[Subgroup("t", count, 60) for count in month] for month in months]
    added = [Subgroup("t", sum(month), 60 * len(month)) for month in months]
    (phase,) = control_chart(P, added).phases
    every_case = sum(s.numerator or 0 for month in sites for s in month)
    assert phase.center == pytest.approx(every_case / (60 * sum(map(len, sites))))
    one_row = [subgroup for month in sites for subgroup in month]
    assert control_chart(P, one_row).phases[0].center == pytest.approx(phase.center)


@given(proportion_series, COUNTED, RULES)
def test_gaps_and_provisional_points_signal_nothing_and_move_nothing(
    series: list[Subgroup], kind: Kind, rules: RuleSet
) -> None:
    chart = control_chart(kind, series, rules=rules)
    final = [subgroup for subgroup in series if subgroup.final]
    if final:
        assert chart.phases[0].center == control_chart(kind, final).phases[0].center
    for subgroup, point in zip(series, chart.points, strict=True):
        assert subgroup.final or point.signals == ()
        assert (point.value is None) == (subgroup.numerator is None)


@given(proportion_series, st.sampled_from([P, U]), st.sampled_from(list(Limits)))
def test_limits_hold_the_center_and_stay_where_values_can_be(
    series: list[Subgroup], kind: Kind, limits: Limits
) -> None:
    for point in control_chart(kind, series, method=Method(limits)).points:
        if point.lower is not None and point.center is not None and point.upper is not None:
            # A quantile is a whole number of cases, which can fall short of a center near 1.
            assert 0 <= point.lower <= point.center + 1e-12
            assert point.center <= point.upper + 1e-12 or limits is not Limits.THREE_SIGMA
            assert kind is U or point.upper <= 1


@given(st.lists(proportions(), min_size=1, max_size=40), RULES)
def test_cases_and_all_other_cases_mirror_each_other(
    series: list[Subgroup], rules: RuleSet
) -> None:
    def places(of: list[Subgroup], swap: bool) -> list[tuple[str, tuple[int, ...], str | None]]:
        sides = {"above": "below", "below": "above"} if swap else {}
        return sorted(
            (s.rule, s.positions, sides.get(s.side or "", s.side))
            for s in control_chart(P, of, rules=rules).signals
        )

    others = [replace(s, numerator=(s.denominator or 0) - (s.numerator or 0)) for s in series]
    assert places(series, False) == places(others, True)


@given(proportion_series, COUNTED, st.sampled_from([0.5, 1000.0]), RULES)
def test_another_unit_changes_no_signal(
    series: list[Subgroup], kind: Kind, multiply: float, rules: RuleSet
) -> None:
    plain = control_chart(kind, series, rules=rules)
    assert control_chart(kind, series, rules=rules, multiply=multiply).signals == plain.signals


@given(mixed, st.sampled_from([0.5, 2.0, 8.0]), values, RULES)
def test_scale_and_origin_of_measurements_do_not_matter(
    series: list[Subgroup], scale: float, shift: float, rules: RuleSet
) -> None:
    plain = control_chart(I, series, rules=rules)
    assert control_chart(I, _changed(series, scale, shift), rules=rules).signals == plain.signals


@given(mixed, st.sets(st.integers(0, 59), max_size=3), st.integers(1, 60), RULES)
def test_every_point_belongs_to_the_phase_that_covers_it(
    series: list[Subgroup], breaks: set[int], baseline: int, rules: RuleSet
) -> None:
    inside = [at for at in breaks if at < len(series)]
    chart = control_chart(I, series, breaks=inside, baseline=baseline, rules=rules)
    assert len(chart.points) == len(series)
    for phase in chart.phases:
        for point in chart.points[phase.first : phase.last + 1]:
            assert (point.phase, point.center) == (phase.number, phase.center)


@given(st.lists(proportions(), min_size=1, max_size=30).filter(lambda s: any(u.final for u in s)))
def test_the_order_of_units_does_not_matter_to_a_funnel(units: list[Subgroup]) -> None:
    there, back = funnel(P, units), funnel(P, units[::-1])
    assert there.target == pytest.approx(back.target)
    assert [p.signals for p in there.points] == [p.signals for p in back.points[::-1]]


CELLS = ["", "0", "1", "3", "20", "2.5", "-1", "1e9", "1e-9", "1e999", "x", "suppressed", '"']
likely = st.sampled_from(["1", "3", "20"])


@st.composite
def tables(draw: st.DrawFn) -> list[str]:
    """Tables of which most could be drawn, and many not."""
    columns = draw(st.sampled_from(["period,numerator,denominator", "period,numerator"]))
    width = columns.count(",")
    cell = likely | likely | st.sampled_from(CELLS)
    rows = st.lists(cell, min_size=width, max_size=width).map(lambda row: ",".join(["a", *row]))
    return [columns, *draw(st.lists(rows, max_size=6))]


@given(tables(), st.sampled_from(list(KINDS.values())), RULES)
def test_any_table_is_drawn_in_finite_numbers_or_refused_in_words(
    lines: list[str], kind: Kind, rules: RuleSet
) -> None:
    try:
        drawn = control_chart(kind, read_table(lines, kind), rules=rules)
    except ChartError as error:
        assert error.what
        return
    json.dumps(chart_contract(drawn), allow_nan=False)
