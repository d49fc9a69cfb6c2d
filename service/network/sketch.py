"""A small run chart as SVG written by hand: for pages that show many, in a millisecond each.

It says the same as the large one (`chart.py`): a point for every number and for nothing else,
hollow where it is not judged, a triangle in a long run, a sign for every gap.
"""

from collections.abc import Iterator
from html import escape

from service.network.chart import FAINT, INK, LIMIT, LINE, QUIET, SIGNS, TARGET, look
from service.network.config import Measure
from service.network.scale import Scale
from service.network.series import Series
from service.network.words import percent
from service.spc.point import State

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 300, 120, 34, 18, 6


def svg(series: Series, measure: Measure, scale: Scale, width: int = WIDTH) -> str:
    """The chart."""
    parts = _parts(series, measure, _Frame(len(series.readings), scale, width))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{HEIGHT}" '
        f'viewBox="0 0 {width} {HEIGHT}" font-family="Liberation Sans, Arial, sans-serif" '
        f'font-size="11" aria-hidden="true">{"".join(parts)}</svg>'
    )


class _Frame:
    """Where things stand."""

    def __init__(self, periods: int, scale: Scale, width: int) -> None:
        self.step = (width - LEFT - 4) / max(periods, 1)
        self.scale, self.right = scale, width - 4
        self.floor = HEIGHT - BOTTOM

    def x(self, position: float) -> float:
        return round(LEFT + (position + 0.5) * self.step, 1)

    def y(self, rate: float) -> float:
        return round(self.floor - self.scale.part(rate) * (self.floor - TOP), 1)


def _parts(series: Series, measure: Measure, at: _Frame) -> Iterator[str]:
    for rate in (at.scale.bottom, at.scale.top):
        yield _text(LEFT - 4, at.y(rate) + 4, percent(rate), "end")
        yield _line(LEFT, at.y(rate), at.right, at.y(rate), FAINT)
    yield from _years(series, at)
    yield from _gaps(series, at)
    yield from _goals(series, measure, at)
    yield from _limits(series, at)
    for phase in series.chart.phases:
        if phase.center is not None:
            ends = at.x(phase.first - 0.5), at.x(phase.last + 0.5)
            yield _line(ends[0], at.y(phase.center), ends[1], at.y(phase.center), QUIET)
    yield from _marks(series, at)
    yield from _joined(series, at)
    yield from _points(series, measure, at)


def _goals(series: Series, measure: Measure, at: _Frame) -> Iterator[str]:
    if measure.target is not None and not series.goals:
        y = at.y(measure.target)
        yield _line(LEFT, y, at.right, y, TARGET, "7 4")
    periods = [reading.period for reading in series.readings]
    for goal in series.goals:
        first, last = goal.reach(periods)
        y = at.y(goal.rate)
        yield _line(at.x(first - 0.5), y, at.x(last + 0.5), y, TARGET, "7 4")


def _limits(series: Series, at: _Frame) -> Iterator[str]:
    """Each point's own limits, as one path of steps a side; cut off beyond the scale."""
    for side in ("lower", "upper"):
        steps = [
            f"M{at.x(position - 0.5)} {at.y(limit)}h{at.step:.1f}"
            for position, point in enumerate(series.chart.points)
            if (limit := getattr(point, side)) is not None
            and at.scale.bottom <= limit <= at.scale.top
        ]
        if steps:
            yield f'<path d="{"".join(steps)}" fill="none" stroke="{LIMIT}" stroke-width="1"/>'


def _marks(series: Series, at: _Frame) -> Iterator[str]:
    for mark in series.numbered:
        x = at.x(mark.position - 0.5)
        yield _line(x, TOP, x, at.floor, INK, "" if mark in series.breaks else "2 3")
    for position in sorted({mark.position for mark in series.elsewhere}):
        x = at.x(position - 0.5)
        yield _line(x, at.floor - 5, x, at.floor, QUIET)


def _years(series: Series, at: _Frame) -> Iterator[str]:
    seen = set()
    for position, reading in enumerate(series.readings):
        year = reading.period[:4]
        if year not in seen and reading.period[5:] in ("01", "Q1"):
            yield _text(at.x(position) - at.step / 2, HEIGHT - 4, year, "start")
        seen.add(year)


def _gaps(series: Series, at: _Frame) -> Iterator[str]:
    for position, reading in enumerate(series.readings):
        if reading.state is not State.NUMBER:
            x = at.x(position - 0.5)
            yield (
                f'<rect x="{x}" y="{TOP}" width="{at.step:.1f}" height="{at.floor - TOP}" '
                f'fill="#eef1f4"/>'
            )
            yield _text(at.x(position), at.floor - 3, SIGNS[reading.state], "middle")


def _joined(series: Series, at: _Frame) -> Iterator[str]:
    """The line joins neighbors: it ends at a gap and at a new phase."""
    starts = {mark.position for mark in series.breaks}
    piece: list[str] = []
    for position, reading in enumerate(series.readings):
        if reading.rate is None or position in starts:
            yield _path(piece)
            piece = []
        if reading.rate is not None:
            piece.append(f"{at.x(position)},{at.y(reading.rate)}")
    yield _path(piece)


def _path(piece: list[str]) -> str:
    if len(piece) < 2:
        return ""
    points = " ".join(piece)
    return f'<polyline points="{points}" fill="none" stroke="{LINE}" stroke-width="1.5"/>'


def _points(series: Series, measure: Measure, at: _Frame) -> Iterator[str]:
    for position, reading in enumerate(series.readings):
        if reading.rate is None:
            continue
        drawn = look(position, series, measure)
        x, y = at.x(position), at.y(reading.rate)
        paint = f'fill="{drawn["fill"]}" stroke="{drawn["color"]}"'
        if drawn["shape"] == "circle":
            yield f'<circle cx="{x}" cy="{y}" r="2.4" {paint}/>'
        else:
            tip = -3.6 if drawn["shape"] == "triangle-up" else 3.6
            yield f'<path d="M{x} {y + tip:.1f}l3.4 {-1.7 * tip:.1f}h-6.8z" {paint}/>'


def _line(x1: float, y1: float, x2: float, y2: float, color: str, dash: str = "") -> str:
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    ends = f'x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"'
    return f'<line {ends} stroke="{color}" stroke-width="1.2"{dashed}/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x}" y="{y}" fill="{QUIET}" text-anchor="{anchor}">{escape(text)}</text>'
