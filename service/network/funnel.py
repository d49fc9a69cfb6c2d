"""Centers side by side: a funnel plot over the last year. It ranks nobody.

Each center's final counts of the newest periods that rest on one basis are added up and compared
with the rate of all, within limits for its size. A center whose own chart signals in that time is
named: one number does not describe it. What is compared are all centers; who is shown is for the
reader's audience to say.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from service.errors import ChartError
from service.network.board import Board, GroupBoard
from service.network.config import Measure
from service.network.reading import Basis, Reading
from service.network.series import Series
from service.network.window import spoken
from service.network.words import percent
from service.spc.funnel import Funnel, FunnelPoint, funnel
from service.spc.kind import P
from service.spc.point import State
from service.spc.subgroup import Subgroup

PERIODS = {"month": 12, "quarter": 4}  # a recent year
SMALLEST = 3  # with fewer centers nothing is to be compared
WIDENED_FROM = 10  # centers that it takes to know that they differ more than chance makes them
CURVE = 40  # sizes at which the limits are drawn


@dataclass(frozen=True)
class Unit:
    """A center in the funnel; ``unstable`` when its own chart signals in these periods."""

    reporter: str
    name: str
    met: int
    cases: int
    point: FunnelPoint
    unstable: bool


@dataclass(frozen=True)
class Comparison:
    """Centers by name, the limits by size, and the periods that were added up.

    ``left_out`` are centers without a final number that may be compared.
    """

    first: str
    last: str
    units: tuple[Unit, ...]
    left_out: tuple[str, ...]
    curve: tuple[FunnelPoint, ...]
    drawn: Funnel

    @property
    def outside(self) -> tuple[Unit, ...]:
        return tuple(unit for unit in self.units if unit.point.signals)


def comparison(whole: GroupBoard, seen: GroupBoard, measure: Measure) -> Comparison | None:
    """The sites of a group compared, those that a reader sees by name; None if too few report."""
    length = len(whole.network.readings)
    recent = range(max(0, length - PERIODS[measure.window]), length)
    basis = _basis(whole.sites, recent)
    summed = {s.reporter: _sum(s, recent, basis) for s in whole.sites}
    counted = {site: unit for site, unit in summed.items() if unit is not None}
    if len(counted) < SMALLEST:
        return None
    ghosts = _ghosts(list(counted.values()))
    try:
        wide = len(counted) >= WIDENED_FROM
        drawn = funnel(P, [*counted.values(), *ghosts], widen=wide)
    except ChartError:  # nothing is to be compared when nobody has a case
        return None
    points = dict(zip(counted, drawn.points, strict=False))
    shown = [series for series in seen.sites if not series.blinded]
    named = [series for series in shown if series.reporter in points]
    periods = [reading.period for reading in whole.network.readings]
    return Comparison(
        first=periods[recent[0]],
        last=periods[recent[-1]],
        units=tuple(_unit(s, counted[s.reporter], points[s.reporter], recent) for s in named),
        left_out=tuple(series.name for series in shown if series.reporter not in points),
        curve=drawn.points[len(counted) :],
        drawn=drawn,
    )


def comparison_on(whole: Board, seen: Board) -> Comparison | None:
    """The same for the headline group of a measure, if there is one."""
    if not whole.groups or not seen.groups:
        return None
    return comparison(whole.groups[0], seen.groups[0], seen.measure)


def told(found: Comparison, measure: Measure) -> Iterator[str]:
    """The funnel in sentences."""
    total = len(found.units)
    yield (
        f"Final numbers of {spoken(found.first)} to {spoken(found.last)}, added up for each "
        f"center, and compared with the rate of all centers, {percent(found.drawn.target)}."
    )
    if found.outside:
        names = "; ".join(f"{unit.name}, {_place(unit, measure)}" for unit in found.outside)
        yield f"Outside the 99.8 % limits: {names}. Look for the reason before judging."
    else:
        yield f"None of the {total} centers shown lies outside the 99.8 % limits."
    spread = found.drawn.spread
    if found.drawn.widened and spread is not None:
        yield (
            f"Centers differ more than chance alone makes them (φ = {spread.phi:.1f}); the limits "
            "leave room for that."
        )
    unstable = [unit.name for unit in found.units if unit.unstable]
    if unstable:
        yield f"Their own charts signal in this time, so one number misleads: {_list(unstable)}."
    if found.left_out:
        yield f"Not in it, for want of a final number on the same basis: {_list(found.left_out)}."
    for note in found.drawn.notes:
        yield note.replace("units", "centers")


def _list(names: Sequence[str]) -> str:
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return ", ".join(names[:8]) + more


def _place(unit: Unit, measure: Measure) -> str:
    above = (unit.point.value or 0) > (unit.point.outer.upper or 1)
    better = above == (measure.direction == "increase")
    return f"{percent(unit.point.value)}, on the {'better' if better else 'worse'} side"


def _counts(reading: Reading) -> bool:
    return reading.state is State.NUMBER and not reading.provisional


def _basis(sites: Sequence[Series], recent: range) -> Basis | None:
    """The basis of most of the newest final numbers."""
    found = Counter(
        reading.basis
        for series in sites
        for reading in (series.readings[at] for at in recent)
        if _counts(reading)
    )
    return found.most_common(1)[0][0] if found else None


def _sum(series: Series, recent: range, basis: Basis | None) -> Subgroup | None:
    """A center's final counts, as one unit."""
    final = [series.readings[at] for at in recent]
    counted = [r.counted() for r in final if _counts(r) and r.basis == basis]
    cases = sum(int(each.denominator or 0) for each in counted)
    if not cases:
        return None
    met = sum(each.numerator or 0 for each in counted)
    return Subgroup(series.reporter, met, cases, noise=sum(each.noise for each in counted))


def _ghosts(units: Sequence[Subgroup]) -> list[Subgroup]:
    """Units without a number, at whose sizes the limits are drawn."""
    sizes = sorted(int(unit.denominator or 1) for unit in units)
    noise = sum(unit.noise for unit in units) / len(units)
    least, most = max(1, int(sizes[0] * 0.8)), int(sizes[-1] * 1.05) + 1
    steps = sorted({least + (most - least) * at**2 // CURVE**2 for at in range(CURVE + 1)})
    return [Subgroup("", None, size, state=State.MISSING, noise=noise) for size in steps]


def _unit(series: Series, unit: Subgroup, point: FunnelPoint, recent: range) -> Unit:
    signals = (s for s in series.chart.signals if s.side is not None)
    unstable = any(at in recent for signal in signals for at in signal.positions)
    met, cases = int(unit.numerator or 0), int(unit.denominator or 0)
    return Unit(series.reporter, series.name, met, cases, point, unstable)
