"""A funnel plot as SVG written by hand: one point a center, and limits for its size."""

from collections.abc import Iterator, Sequence
from html import escape

from service.network.chart import BETTER, FAINT, INK, LIMIT, LINE, QUIET, WORSE
from service.network.config import Measure
from service.network.funnel import Comparison, Unit
from service.network.scale import Scale, scale_of
from service.network.words import percent
from service.spc.bounds import Bounds

WIDTH, HEIGHT, LEFT, RIGHT, TOP, FLOOR = 640, 300, 44, 76, 14, 262
STEPS = (0.01, 0.02, 0.05, 0.1, 0.2)  # between the lines of the vertical scale
FEW = 6  # so many centers are all named


def svg(found: Comparison, measure: Measure) -> str:
    """The funnel; shape and name say which centers lie outside the limits."""
    parts = "".join(_parts(found, measure, _Frame(found)))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}" font-family="Liberation Sans, Arial, sans-serif" '
        f'font-size="12" aria-hidden="true">{parts}</svg>'
    )


class _Frame:
    """Where cases and rates stand."""

    def __init__(self, found: Comparison) -> None:
        sizes = [int(point.size or 0) for point in found.curve]
        self.first, self.last = min(sizes), max(sizes)
        rates = [unit.point.value for unit in found.units if unit.point.value is not None]
        reach = [found.drawn.target, *_middle(found)]
        self.scale: Scale = scale_of(rates, reach)

    def x(self, cases: float) -> float:
        part = (cases - self.first) / max(self.last - self.first, 1)
        return round(LEFT + part * (WIDTH - LEFT - RIGHT), 1)

    def y(self, rate: float) -> float:
        return round(FLOOR - self.scale.part(rate) * (FLOOR - TOP), 1)


def _middle(found: Comparison) -> Iterator[float]:
    """The outer limits at a quarter of the sizes: wider ones may be cut off."""
    bounds = found.curve[len(found.curve) // 4].outer
    yield from (limit for limit in (bounds.lower, bounds.upper) if limit is not None)


def _parts(found: Comparison, measure: Measure, at: _Frame) -> Iterator[str]:
    yield from _axes(at)
    for name, dash in (("outer", ""), ("inner", "5 4")):
        limits = [getattr(point, name) for point in found.curve]
        sizes = [point.size or 0 for point in found.curve]
        yield from _curves(limits, sizes, at, dash)
    y = at.y(found.drawn.target)
    yield f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}" stroke="{QUIET}"/>'
    yield _text(WIDTH - RIGHT + 5, y + 4, f"All {percent(found.drawn.target)}", QUIET)
    for unit in sorted(found.units, key=lambda each: bool(each.point.signals)):
        yield from _unit(unit, measure, at, named=len(found.units) <= FEW)


def _axes(at: _Frame) -> Iterator[str]:
    low, reach = at.scale.bottom, at.scale.top - at.scale.bottom
    step = next(each for each in STEPS if reach / each <= 6.01)
    for tick in range(int(reach / step + 1.01)):
        rate = low + tick * step
        y = at.y(rate)
        yield f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}" stroke="{FAINT}"/>'
        yield _text(LEFT - 6, y + 4, percent(rate), QUIET, "end")
    for part in (0, 0.5, 1):
        cases = round(at.first + part * (at.last - at.first))
        anchor = "start" if part == 0 else "end" if part == 1 else "middle"
        yield _text(at.x(cases), FLOOR + 16, str(cases), QUIET, anchor)
    yield _text((LEFT + WIDTH - RIGHT) / 2, FLOOR + 33, "cases in these periods", QUIET, "middle")


def _curves(
    limits: Sequence[Bounds], sizes: Sequence[float], at: _Frame, dash: str
) -> Iterator[str]:
    for side in ("lower", "upper"):
        points = [
            f"{at.x(size)},{at.y(limit)}"
            for bounds, size in zip(limits, sizes, strict=True)
            if (limit := getattr(bounds, side)) is not None
            and at.scale.bottom <= limit <= at.scale.top
        ]
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        yield f'<polyline points="{" ".join(points)}" fill="none" stroke="{LIMIT}"{dashed}/>'
        if points:
            x, y = points[-1].split(",")
            yield _text(float(x) + 5, float(y) + 4, "95%" if dash else "99.8%", QUIET)


def _unit(unit: Unit, measure: Measure, at: _Frame, *, named: bool) -> Iterator[str]:
    value = unit.point.value
    if value is None:
        return
    x, y = at.x(unit.cases), at.y(value)
    above = value > (unit.point.outer.upper or 1)
    title = f"<title>{escape(unit.name)}: {percent(value)}, {unit.cases} cases</title>"
    if unit.point.signals:
        color = BETTER if above == (measure.direction == "increase") else WORSE
        tip = -6 if above else 6
        yield f'<path d="M{x} {y + tip}l5.6 {-1.7 * tip:.1f}h-11.2z" fill="{color}">{title}</path>'
    else:
        fill = "#ffffff" if unit.unstable else LINE
        yield f'<circle cx="{x}" cy="{y}" r="4" fill="{fill}" stroke="{LINE}">{title}</circle>'
    if unit.point.signals or named:
        anchor, dx = ("end", -9) if x > WIDTH * 0.6 else ("start", 9)
        yield _text(x + dx, y + 4, unit.name, INK, anchor)


def _text(x: float, y: float, text: str, color: str, anchor: str = "start") -> str:
    return f'<text x="{x}" y="{y}" fill="{color}" text-anchor="{anchor}">{escape(text)}</text>'
