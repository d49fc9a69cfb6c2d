"""Charts in plain sentences: for readers who do not see them, and for those who do."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from service.network.config import Measure
from service.network.lens import RUN_CHART
from service.network.pool import Pooled
from service.network.reading import Reading
from service.network.series import NETWORK, Series
from service.network.shortfall import left_out
from service.network.window import spoken
from service.spc.bounds import OUTSIDE
from service.spc.making_data_count import TREND, TWO_OF_THREE
from service.spc.phase import Phase, Silence
from service.spc.point import State
from service.spc.rules import MINIMUM_USEFUL
from service.spc.runs import RunAnalysis, Signal


class Sentence(NamedTuple):
    """A sentence about a chart, whether it tells a signal, and the number of its mark if any."""

    text: str
    is_signal: bool = False
    number: int | None = None


def percent(rate: float | None) -> str:
    """A rate for people: whole percents, and tenths near 0 and 1, where a whole one misleads."""
    if rate is None:
        return ""
    digits = 0 if 0.1 <= rate <= 0.9 else 1
    return f"{rate * 100:.{digits}f}".removesuffix(".0") + "%"


def count_text(reading: Reading, count: int | None) -> str:
    """A count, or the word for why there is none; never a zero that was not counted."""
    return reading.state.value if count is None else str(count)


def state_text(reading: Reading, partial: bool = False) -> str:
    """A reading's state in words, reasons included."""
    absent = "withdrawn" if reading.withdrawn else reading.state.value
    notes = [absent] if reading.state is not State.NUMBER else []
    notes += ["provisional"] if reading.provisional else []
    notes += ["too few centers to judge"] if partial else []
    notes += [f"restated (version {reading.versions})"] if reading.restated else []
    notes += [f"reported as {spoken(reading.told_in)}"] if reading.told_in else []
    told = ", ".join(notes)
    return f"{told}: {', '.join(reading.reasons)}" if reading.reasons else told


def latest(series: Series) -> int | None:
    """The position of the newest final number; where none is final, of the newest number."""
    points = series.chart.points
    numbers = [at for at, point in enumerate(points) if point.value is not None]
    final = [at for at in numbers if points[at].final]
    return next(reversed(final or numbers), None)


def so_far(series: Series) -> str:
    """A newer number that is not final yet, in words; empty without one."""
    at = latest(series)
    newer = [n for n, r in enumerate(series.readings) if r.rate is not None and n > (at or 0)]
    if at is None or not newer or not series.chart.points[at].final:
        return ""
    reading = series.readings[newer[-1]]
    told = "" if series.blinded else f" ({counts(series, newer[-1])})"
    return f"{spoken(reading.period)} so far: {percent(reading.rate)}{told}, not judged yet."


def counts(series: Series, position: int) -> str:
    """The counts behind a rate, and what to know of it: ``66 of 126, 1 of 2 centers``."""
    reading = series.readings[position]
    told = [f"{reading.numerator} of {reading.denominator}"]
    if series.pools and series.pools[position].left_out:
        told.append(centers(series.pools[position]))
    return ", ".join(told + ["provisional"] * reading.provisional)


def centers(pooled: Pooled) -> str:
    """How many of the centers are in a sum."""
    return f"{len(pooled.contributors)} of {len(pooled.sites)} centers"


def headline(series: Series) -> str:
    """The newest number, in one sentence."""
    at = latest(series)
    if at is None:
        return "No number yet."
    reading = series.readings[at]
    return f"{percent(reading.rate)} in {spoken(reading.period)} ({counts(series, at)})."


def summary(series: Series, measure: Measure) -> list[Sentence]:
    """The chart in sentences: what is there, what changed, what it centers on, what signals."""
    plain = [*_gaps(series, measure), *_pooling(series, measure)]
    judged = [told for phase in series.chart.phases for told in _phase(phase, series, measure)]
    return [*map(Sentence, plain), *_changes(series), *judged]


def signal_text(signal: Signal, series: Series, measure: Measure) -> str:
    """A signal, where it is, and what chance alone would have given."""
    analysis = next(p.analysis for p in series.chart.phases if signal in p.signals)
    assert analysis is not None  # a phase with limits or runs has points off its center
    first, last = (spoken(series.chart.points[at].period) for at in (signal.first, signal.last))
    where = first if signal.first == signal.last else f"{first} to {last}"
    return f"Special cause, {where}: {_finding(signal, series, measure, analysis)}."


def _finding(signal: Signal, series: Series, measure: Measure, analysis: RunAnalysis) -> str:
    """What a rule found, and what chance alone would have given where the rules say so."""
    center = series.lens.center.lower()
    if signal.side is None:
        expected = f"at least {analysis.crossings_min}"
        if analysis.crossings_max is not None:
            expected += f" and at most {analysis.crossings_max}"
        crossed = f"the line crosses the {center} {_times(analysis.crossings)}"
        return f"{crossed}; chance alone gives {expected} crossings"
    judged = _judgement(signal, measure)
    if signal.rule == TREND:
        way = "rise" if signal.side == "above" else "fall"
        return f"{signal.length} points in a row {way}, toward {judged}"
    if signal.rule == OUTSIDE:
        limit = "upper" if signal.side == "above" else "lower"
        return f"a point {signal.side} the {limit} limit, {judged}"
    if signal.rule == TWO_OF_THREE:
        return f"two of three points near a limit {signal.side} the {center}, {judged}"
    run = f"{signal.length} points in a row {signal.side} the {center}, {judged}"
    return f"{run}; chance alone gives up to {analysis.longest_run_max}"


def is_better(signal: Signal, measure: Measure) -> bool | None:
    """Whether a signal lies on the better side; None when it has no side."""
    if signal.side is None:
        return None
    return (signal.side == "above") == (measure.direction == "increase")


def _judgement(signal: Signal, measure: Measure) -> str:
    return "the better side" if is_better(signal, measure) else "the worse side"


def _gaps(series: Series, measure: Measure) -> Iterator[str]:
    """How many periods have no number, and how many numbers are not judged."""
    states = Counter(reading.state for reading in series.readings)
    numbers = states.pop(State.NUMBER, 0)
    if states:
        told = ", ".join(f"{states[state]} {state.value}" for state in State if state in states)
        yield f"{numbers} of {len(series.readings)} {measure.window}s have a number; {told}."
    provisional = sum(r.provisional and r.rate is not None for r in series.readings)
    if provisional:
        yield f"Provisional, drawn hollow and not judged: {provisional}."


def _pooling(series: Series, measure: Measure) -> list[str]:
    """How many centers the network's line rests on, and who is not in its newest number."""
    if series.reporter != NETWORK or not series.pools:
        return []
    sums = Counter((len(pooled.contributors), len(pooled.sites)) for pooled in series.pools)
    (fewest, _), (most, _) = min(sums), max(sums)
    totals = sorted({total for _, total in sums})
    expected = f"{totals[0]} to {totals[-1]}" if len(totals) > 1 else f"{totals[0]}"
    if len(sums) == 1:
        told = [f"Sum of {most} of {expected} centers in every {measure.window}."]
    else:
        each = f"{fewest} to {most}" if fewest < most else f"{most}"
        told = [f"Sum of {each} of {expected} centers; the table names who is not in each."]
    numbers = [at for at, reading in enumerate(series.readings) if reading.rate is not None]
    if numbers and series.pools[numbers[-1]].left_out:
        period = spoken(series.readings[numbers[-1]].period)
        told.append(f"Not in the number of {period}: {left_out(series.pools[numbers[-1]])}.")
    return told


def _phase(phase: Phase, series: Series, measure: Measure) -> Iterator[Sentence]:
    if phase.first:
        mark = next(mark for mark in series.breaks if mark.position == phase.first)
        period = spoken(series.readings[phase.first].period)
        number = series.numbered.index(mark) + 1
        yield Sentence(f"New phase from {period}: {mark.text}.", number=number)
    if phase.center is not None:
        yield Sentence(_median(phase, series, measure))
    if phase.silence is not None:
        yield Sentence(f"Not judged: {_silence(phase)}.")
    for text in _signals(phase, series, measure):
        yield Sentence(text, is_signal=True)
    if phase.analysis and not phase.signals and not phase.silence:
        yield Sentence(_nothing(phase.analysis, series))
    for note in phase.notes if series.lens is not RUN_CHART else ():
        yield Sentence(note)


def _nothing(found: RunAnalysis, series: Series) -> str:
    """No signal, and how far from one."""
    if found.crossings_min is None:
        return "No sign of special cause."
    most = "" if found.crossings_max is None else f" and at most {found.crossings_max}"
    return (
        f"No sign of special cause: the longest run is {found.longest_run} (chance alone gives "
        f"up to {found.longest_run_max}), and the line crosses the {series.lens.center.lower()} "
        f"{_times(found.crossings)} (chance alone gives at least {found.crossings_min}{most})."
    )


def _median(phase: Phase, series: Series, measure: Measure) -> str:
    value = f"{series.lens.center} {percent(phase.center)}"
    limits = (phase.bounds.lower, phase.bounds.upper) if phase.bounds else ()
    within = [min(max(limit, 0.0), 1.0) for limit in limits if limit is not None]
    if len(within) == 2:
        value += f", limits {percent(within[0])} to {percent(within[1])}"
    if not phase.frozen:
        return f"{value}."
    baseline = [point for point in series.chart.points[phase.first : phase.last + 1] if point.final]
    until = spoken(baseline[phase.baseline - 1].period)
    return (
        f"{value}, taken from the {phase.baseline} {measure.window}s until {until} and kept since."
    )


def _signals(phase: Phase, series: Series, measure: Measure) -> Iterator[str]:
    """The signals of a phase, points outside the limits of one side in one sentence."""
    for side in ("above", "below"):
        lone = [each for each in phase.outside if each.side == side]
        if len(lone) > 2:
            limit = "upper" if side == "above" else "lower"
            told = [spoken(series.readings[each.first].period) for each in lone]
            where = f"{', '.join(told[:-1])} and {told[-1]}"
            judged = _judgement(lone[0], measure)
            yield f"Special cause, {len(lone)} points {side} the {limit} limit, {judged}: {where}."
        else:
            yield from (signal_text(each, series, measure) for each in lone)
    for signal in phase.analysis.signals if phase.analysis else ():
        yield signal_text(signal, series, measure)


def _silence(phase: Phase) -> str:
    if phase.silence is not Silence.TOO_FEW:
        return str(phase.silence)
    useful = phase.analysis.n_useful if phase.analysis else 0
    return f"{useful} points lie off the median, and a run chart needs {MINIMUM_USEFUL}"


def _changes(series: Series) -> Iterator[Sentence]:
    """What people changed, and what moved below a number without being a new measure."""
    for mark in series.changes:
        period = spoken(series.readings[mark.position].period)
        number = series.numbered.index(mark) + 1 if mark in series.numbered else None
        yield Sentence(f"Changed in {period}: {mark.text}.", number=number)
    told: Sequence[Reading] = [reading for reading in series.readings if reading.mapping]
    for before, after in zip(told, told[1:], strict=False):
        if before.mapping != after.mapping:
            text = f"The center's mapping of local codes changed in {spoken(after.period)}."
            yield Sentence(text)


def _times(count: int) -> str:
    return {0: "never", 1: "once", 2: "twice"}.get(count, f"{count} times")
