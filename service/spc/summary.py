"""A phase in plain sentences, for those who do not see the chart and for those who do."""

from collections.abc import Iterator, Sequence

from service.spc.chart import Chart
from service.spc.phase import Phase, Silence
from service.spc.point import Point
from service.spc.runs import RunAnalysis, Signal


def sentences(chart: Chart, phase: Phase) -> tuple[str, ...]:
    """What a phase shows: its lines, its signals or that there are none, and what to know of it."""
    return (*_lines(chart, phase), *_outside(chart, phase), *_runs(chart, phase), *phase.notes)


def number(value: float) -> str:
    """A value for people, with four digits, or all before the decimal point."""
    return f"{value:.4g}" if abs(value) < 10_000 else f"{value:.0f}"


def times(count: int) -> str:
    """How often, in words."""
    return {0: "never", 1: "once", 2: "twice"}.get(count, f"{count} times")


def _lines(chart: Chart, phase: Phase) -> Iterator[str]:
    points = chart.points[phase.first : phase.last + 1]
    where = f"{points[0].period} to {points[-1].period}"
    if phase.center is None:
        yield f"{where}: no center line, since no number is final."
        return
    name = "median" if chart.kind.is_median else "center"
    text = f"{where}: {name} {number(phase.center)}{_limits(phase, points)}"
    if phase.frozen:
        yield f"{text}, from the {phase.baseline} points of the baseline, kept since."
    else:
        yield f"{text}, from {phase.baseline} points."


def _limits(phase: Phase, points: Sequence[Point]) -> str:
    if phase.bounds is None:
        return ", limits for each point's own size"
    if phase.bounds.upper is None or phase.bounds.lower is None:
        return ""
    return f", limits {number(phase.bounds.lower)} to {number(phase.bounds.upper)}"


def _outside(chart: Chart, phase: Phase) -> Iterator[str]:
    for side, limit in (("above", "upper"), ("below", "lower")):
        places = [signal.first for signal in phase.outside if signal.side == side]
        names = [_named(chart.points[at]) for at in places]
        if names:
            yield f"Special cause: {side} the {limit} limit in {_listed(names)}."


def _named(point: Point) -> str:
    return f"{point.period} (excluded)" if point.excluded else point.period


def _runs(chart: Chart, phase: Phase) -> Iterator[str]:
    found = phase.analysis
    if phase.silence is not None:
        yield _silence(phase, phase.silence)
        return
    if found is None:
        return
    for signal in found.signals:
        yield f"Special cause, {_place(chart, signal)}: {_reading(signal, found)}."
    if not phase.signals:
        yield f"No sign of special cause: {_longest(found)}; {_crossings(found)}."


def _silence(phase: Phase, silence: Silence) -> str:
    useful = phase.analysis.n_useful if phase.analysis else 0
    more = f" ({useful})" if silence is Silence.TOO_FEW else ""
    return f"Runs are not judged: {silence}{more}."


def _place(chart: Chart, signal: Signal) -> str:
    first, last = (chart.points[at].period for at in (signal.first, signal.last))
    return f"{first} to {last}"


def _reading(signal: Signal, found: RunAnalysis) -> str:
    """A signal, and what chance alone would have given where the rules say so."""
    if signal.side is None:
        return f"{signal.rule}; {_crossings(found)}"
    if signal.rule == "trend":
        way = "rising" if signal.side == "above" else "falling"
        return f"trend of {signal.length} points {way}"
    return f"{signal.rule}, {signal.length} points {signal.side} the center line"


def _longest(found: RunAnalysis) -> str:
    return f"the longest run is {found.longest_run} (up to {found.longest_run_max} expected)"


def _crossings(found: RunAnalysis) -> str:
    told = f"the line crosses the center {times(found.crossings)}"
    if found.crossings_min is None:
        return told
    most = "" if found.crossings_max is None else f" and at most {found.crossings_max}"
    return f"{told} (at least {found.crossings_min}{most} expected)"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
