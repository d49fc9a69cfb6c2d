"""A chart over time: lines for each phase, and a rule set's judgement of the points around them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from service.errors import ChartError
from service.spc.bounds import OUTSIDE
from service.spc.kind import Kind, check
from service.spc.limits import Limits, Method
from service.spc.lines import Lines
from service.spc.notes import notes_on
from service.spc.phase import MINIMUM_BASELINE, Phase, Silence
from service.spc.point import Point
from service.spc.rules import ANHOEJ, RuleSet
from service.spc.runs import RunAnalysis, Signal, side_of
from service.spc.span import Span
from service.spc.subgroup import Subgroup

THREE_SIGMA = Method()


@dataclass(frozen=True)
class Chart:
    """All points in order, and the phases that cover them without overlap."""

    kind: Kind
    rules: RuleSet
    method: Method
    points: tuple[Point, ...]
    phases: tuple[Phase, ...]

    @property
    def signals(self) -> tuple[Signal, ...]:
        return tuple(signal for phase in self.phases for signal in phase.signals)


@dataclass(frozen=True)
class _Stretch:
    """The subgroups of one phase, from position ``start`` on, and the lines through them."""

    number: int
    start: int
    span: Span
    frozen: bool
    lines: Lines

    @cached_property
    def judged(self) -> list[tuple[int, float]]:
        """Positions within, and values, of what runs are made of."""
        return [
            (at, value)
            for at, value in enumerate(self.lines.values)
            if value is not None and self.span.subgroups[at].judged
        ]


def control_chart(
    kind: Kind,
    subgroups: Sequence[Subgroup],
    *,
    breaks: Collection[int] = (),
    baseline: int | None = None,
    rules: RuleSet = ANHOEJ,
    method: Method = THREE_SIGMA,
    multiply: float = 1.0,
    minimum_baseline: int = MINIMUM_BASELINE,
) -> Chart:
    """Judge ``subgroups`` in time order.

    ``breaks`` are the positions (from 0) at which a new phase starts. ``baseline`` is the
    position after the last baseline subgroup: in the phase that holds it the lines are taken from
    the subgroups before it and frozen, if at least ``minimum_baseline`` of them count. Values and
    lines are drawn ``multiply`` times as large, as rates per 1,000 are. Raises ChartError for a
    subgroup that the kind of chart cannot draw, or limits that it does not have.
    """
    check(kind, subgroups)
    if method.limits is not Limits.THREE_SIGMA and not kind.exact:
        raise ChartError(f"The {kind.name} chart has no exact limits", todo="Take 3sigma")
    points: list[Point] = []
    phases: list[Phase] = []
    for start, stop in _spans(breaks, len(subgroups)):
        own = tuple(subgroups[start:stop])
        span, frozen = _span(own, start, baseline, minimum_baseline)
        lines = kind.lines(span, method)
        stretch = _Stretch(len(phases) + 1, start, span, frozen, lines.times(multiply))
        phases.append(_phase(stretch, rules, notes_on(kind, span, lines, method)))
        points += _points(stretch, phases[-1].signals)
    return Chart(kind, rules, method, tuple(points), tuple(phases))


def _spans(breaks: Collection[int], length: int) -> list[tuple[int, int]]:
    starts = sorted({0, *breaks})
    stops = [*starts[1:], length]
    return [(start, stop) for start, stop in zip(starts, stops, strict=True) if start < stop]


def _span(
    subgroups: tuple[Subgroup, ...], start: int, baseline: int | None, minimum: int
) -> tuple[Span, bool]:
    """A phase's subgroups with their baseline, and whether that is frozen."""
    judged = tuple(subgroup.judged for subgroup in subgroups)
    end = 0 if baseline is None else baseline - start
    if 0 < end <= len(subgroups):
        before = tuple(counts and at < end for at, counts in enumerate(judged))
        if sum(before) >= minimum:
            return Span(subgroups, before), True
    return Span(subgroups, judged), False


def _phase(stretch: _Stretch, rules: RuleSet, notes: tuple[str, ...]) -> Phase:
    lines = stretch.lines
    analysis, silence = _judge(stretch, rules)
    return Phase(
        number=stretch.number,
        first=stretch.start,
        last=stretch.start + len(lines.values) - 1,
        center=lines.center,
        bounds=lines.bounds[0] if len(set(lines.bounds)) == 1 else None,
        baseline=len(stretch.span.of_baseline(lines.values)),
        frozen=stretch.frozen,
        figures=lines.figures,
        outside=tuple(_outside(stretch)),
        analysis=analysis,
        silence=silence,
        notes=notes,
    )


def _judge(stretch: _Stretch, rules: RuleSet) -> tuple[RunAnalysis | None, Silence | None]:
    """The runs of a phase, placed in the whole chart, and why they say nothing if so."""
    center, judged = stretch.lines.center, stretch.judged
    if center is None or not judged:
        return None, Silence.NO_POINTS
    values = [value for _, value in judged]
    useful = sum(side_of(value, center) is not None for value in values)
    silence = _silence(useful, len(values), rules)
    if not useful:
        return None, silence
    analysis = rules.judge(values, center, [stretch.lines.bounds[at] for at, _ in judged])
    places = [stretch.start + at for at, _ in judged]
    signals = () if silence else tuple(_moved(signal, places) for signal in analysis.signals)
    return replace(analysis, signals=signals), silence


def _silence(useful: int, judged: int, rules: RuleSet) -> Silence | None:
    # When most months are at 0 % (or 100 %) the median is that bound and the rules are void.
    if judged - useful > useful:
        return Silence.ON_CENTER
    return Silence.TOO_FEW if useful < rules.minimum_useful else None


def _moved(signal: Signal, places: Sequence[int]) -> Signal:
    """A signal among judged values, with their places in the whole chart as positions."""
    return replace(signal, positions=tuple(places[position] for position in signal.positions))


def _outside(stretch: _Stretch) -> list[Signal]:
    """Final numbers outside their limits, those that a person excluded among them."""
    rows = zip(stretch.span.subgroups, stretch.lines.values, stretch.lines.bounds, strict=True)
    return [
        Signal(OUTSIDE, (stretch.start + at,), side)
        for at, (subgroup, value, bounds) in enumerate(rows)
        if subgroup.final and value is not None and (side := bounds.side(value)) is not None
    ]


def _points(stretch: _Stretch, signals: Sequence[Signal]) -> list[Point]:
    lines, names = stretch.lines, _names(signals)
    return [
        Point(
            period=subgroup.period,
            value=lines.values[at],
            center=lines.center,
            lower=lines.bounds[at].lower,
            upper=lines.bounds[at].upper,
            phase=stretch.number,
            state=subgroup.state,
            provisional=subgroup.provisional,
            excluded=subgroup.excluded,
            signals=tuple(names.get(stretch.start + at, ())),
        )
        for at, subgroup in enumerate(stretch.span.subgroups)
    ]


def _names(signals: Sequence[Signal]) -> dict[int, list[str]]:
    """The rules that each point breaks; those of the whole series are told by the phase alone."""
    names: dict[int, list[str]] = {}
    for signal in signals:
        for position in signal.positions if signal.side is not None else ():
            names.setdefault(position, []).append(signal.rule)
    return names
