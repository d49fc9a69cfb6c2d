"""Charts as text: a table of points, and sentences below."""

from collections.abc import Mapping, Sequence

from service.spc.chart import Chart
from service.spc.cusum import CusumPoint
from service.spc.funnel import Funnel, FunnelPoint
from service.spc.point import Point, State
from service.spc.summary import number, sentences, times


def chart_text(chart: Chart, icons: Mapping[str, str | None]) -> str:
    """A chart over time; a new phase begins below a line."""
    rows = [["row", "period", "y", "cl", "lcl", "ucl", "signals"]]
    for row, point in enumerate(chart.points, start=1):
        if row > 1 and point.phase != chart.points[row - 2].phase:
            rows.append([])
        rows.append(
            [
                str(row),
                point.period,
                *map(_number, (point.value, point.center, point.lower, point.upper)),
                ", ".join([*point.signals, *_marks(point)]),
            ]
        )
    told = [
        *(" ".join(sentences(chart, phase)) for phase in chart.phases),
        *(f"{name.capitalize()}: {icon}." for name, icon in icons.items() if icon),
        f"Rules: {chart.rules.name} ({chart.rules.version}).",
    ]
    return "\n".join([*_aligned(rows), "", *told, ""])


def funnel_text(drawn: Funnel) -> str:
    """A funnel, its units in the table's order: nobody is ranked."""
    rows = [["unit", "size", "y", "lcl", "lcl95", "ucl95", "ucl", "signals"]]
    for point in drawn.points:
        limits = (point.outer.lower, point.inner.lower, point.inner.upper, point.outer.upper)
        rows.append(
            [
                point.name,
                *map(_number, (point.size, point.value, *limits)),
                ", ".join([*point.signals, *_marks(point)]),
            ]
        )
    told = [f"Compared with {number(drawn.target)}."]
    if drawn.spread is not None:
        spread = drawn.spread
        told.append(f"Over-dispersion: phi {spread.phi:.3g}, tau2 {spread.tau2:.3g}.")
    return "\n".join([*_aligned(rows), "", *told, *drawn.notes, ""])


def cusum_text(periods: Sequence[str], points: Sequence[CusumPoint], target: float) -> str:
    """A CUSUM, case by case."""
    rows = [["row", "period", "upper", "lower", "signals"]]
    for row, (period, point) in enumerate(zip(periods, points, strict=True), start=1):
        signal = f"{point.signal} limit" if point.signal else ""
        rows.append([str(row), period, _number(point.upper), _number(point.lower), signal])
    signals = [point.signal for point in points]
    told = (
        f"Expected rate {number(target)}: the upper sum reached its limit "
        f"{times(signals.count('above'))}, the lower {times(signals.count('below'))}."
    )
    return "\n".join([*_aligned(rows), "", told, ""])


def _number(value: float | None) -> str:
    return "" if value is None else number(value)


def _marks(point: Point | FunnelPoint) -> list[str]:
    """What else to know of a point: a gap, a number that may change, one that does not count."""
    marks = [] if point.state is State.NUMBER else [f"({point.state})"]
    marks += ["(provisional)"] if point.provisional else []
    return marks + ([f"(excluded: {point.excluded})"] if point.excluded else [])


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows with every column as wide as its widest cell; an empty row is a line."""
    filled = [row for row in rows if row]
    widths = [max(map(len, column)) for column in zip(*filled, strict=True)]
    line = "-" * (sum(widths) + 2 * (len(widths) - 1))
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        if row
        else line
        for row in rows
    ]
