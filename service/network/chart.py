"""A chart over time as Vega-Lite: drawn on the server, readable without color.

The horizontal scale counts periods from 0, so that a change can be drawn between two points. Gaps
are bands with a sign, never points; hollow points are provisional or rest on too few centers.
Changes carry numbers, which the words beside the chart explain.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import vl_convert

from service.network.config import Measure
from service.network.scale import Scale
from service.network.series import Series
from service.network.window import short, spoken
from service.network.words import is_better, percent
from service.spc.point import State
from service.spc.runs import Signal

VEGA_LITE = "6.4"
INK, QUIET, FAINT = "#1c2b39", "#5a6875", "#e3e8ec"
LINE, BETTER, WORSE, TARGET = "#3d6382", "#0a6b5e", "#b04a00", "#5b3f9e"
LIMIT = "#8794a0"
SIGNS = {State.SUPPRESSED: "■", State.MISSING: "–", State.NOT_COMPUTABLE: "×"}
FONT = "Liberation Sans, Arial, Helvetica, sans-serif"  # one set of widths, wherever it is drawn
LABEL_GAP = 13  # pixels that two labels beside the chart keep apart


@dataclass(frozen=True)
class Size:
    """A chart's plot in pixels, the months between its labels, and whether its lines have names.

    A ``titled`` one stands alone, as on a slide: what it is, and what its numbers mean, are in it.
    """

    width: int
    height: int
    every: int
    texts: bool
    titled: bool = False


WIDE = Size(580, 250, 3, True)
NARROW = Size(250, 190, 6, True)
CARD = Size(400, 130, 6, False)
SMALL = Size(250, 110, 12, False)
SLIDE = Size(760, 320, 3, True, True)
SIZES = {"slide": SLIDE, "wide": WIDE, "narrow": NARROW, "card": CARD, "small": SMALL}


def svg(series: Series, measure: Measure, scale: Scale, size: Size) -> str:
    """The chart as SVG."""
    return _draw(json.dumps(_spec(series, measure, scale, size), sort_keys=True))


@lru_cache(maxsize=4096)
def _draw(spec: str) -> str:
    """Drawing takes some 30 ms, so equal charts are drawn once."""
    return vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE)


def _spec(series: Series, measure: Measure, scale: Scale, size: Size) -> dict[str, Any]:
    layers = [_gaps(series, scale), *_limits(series, scale), *_center_lines(series)]
    layers += [*_marks(series, size), *_goals(series, measure)]
    if size.texts:
        layers.append(_side_labels(series, measure, scale, size))
    return {
        "width": size.width,
        "height": size.height,
        "padding": 4,
        "background": None,
        "config": _config(size),
        **({"title": _title(series, measure)} if size.titled else {}),
        "encoding": {"x": _x_axis(series, size), "y": _y_axis(scale, size)},
        "layer": [*layers, _line(series), _points(series, measure, size)],
    }


def _title(series: Series, measure: Measure) -> dict[str, Any]:
    """What the chart is of, and its numbered changes."""
    group = "" if series.group.title == measure.title else f", {series.group.title}"
    changes = [
        f"{number}  {spoken(series.readings[mark.position].period)}: {mark.text}"
        for number, mark in enumerate(series.numbered, 1)
    ]
    told = [f"{series.name}{group}. {series.lens.title}.", *changes]
    return {
        "text": measure.title,
        "subtitle": [*(line[:110] for line in told), ""],
        "anchor": "start",
        "color": INK,
        "subtitleColor": QUIET,
        "fontSize": 17,
        "subtitleFontSize": 12,
        "subtitlePadding": 5,
    }


def _config(size: Size) -> dict[str, Any]:
    label = {"labelColor": QUIET, "labelFontSize": 12 if size.texts else 11, "labelPadding": 6}
    return {
        "aria": False,  # the page's figure says it all in words
        "font": FONT,
        "view": {"stroke": None},
        "axis": {**label, "domain": False, "ticks": False, "title": None, "gridColor": FAINT},
    }


def _x_axis(series: Series, size: Size) -> dict[str, Any]:
    periods = [reading.period for reading in series.readings]
    yearly = 4 if "Q" in periods[0] else 12
    every = max(1, size.every * yearly // 12)
    named = [at for at in range(len(periods)) if (int(_within(periods[at])) - 1) % every == 0]
    texts = {at: _tick(periods, at, named) for at in named}
    return {
        "field": "at",
        "type": "quantitative",
        "scale": {"domain": [-0.5, len(periods) - 0.5], "nice": False, "zero": False},
        "axis": {
            "values": named,
            "labelExpr": f"{json.dumps(texts)}[datum.value]",
            "labelOverlap": False,
            "labelFlush": False,
            "grid": False,
            "ticks": True,
            "tickColor": QUIET,
            "domain": True,
            "domainColor": QUIET,
        },
    }


def _within(period: str) -> str:
    """The number of a month or quarter in its year."""
    return period[-1] if "Q" in period else period[5:]


def _tick(periods: Sequence[str], at: int, named: Sequence[int]) -> list[str]:
    """The year stands under its first label."""
    year = periods[at][:4]
    is_first = not any(periods[other][:4] == year for other in named if other < at)
    return [short(periods[at]), year if is_first else ""]


def _y_axis(scale: Scale, size: Size) -> dict[str, Any]:
    return {
        "field": "rate",
        "type": "quantitative",
        "scale": {"domain": [scale.bottom, scale.top], "nice": False, "clamp": True},
        "axis": {"format": ".0%", "tickCount": 5 if size.texts else 2, "grid": True},
    }


def _layer(mark: dict[str, Any], rows: Sequence[dict[str, Any]], **encoding: Any) -> dict[str, Any]:
    return {"mark": mark, "data": {"values": list(rows)}, "encoding": encoding}


def _gaps(series: Series, scale: Scale) -> dict[str, Any]:
    rows = [
        {
            "at": at - 0.5,
            "to": at + 0.5,
            "rate": scale.bottom,
            "top": scale.top,
            "middle": at,
            "sign": SIGNS[r.state],
        }
        for at, r in enumerate(series.readings)
        if r.state is not State.NUMBER
    ]
    band = _layer(
        {"type": "rect", "color": "#eef1f4"}, rows, x2={"field": "to"}, y2={"field": "top"}
    )
    sign = _layer(
        {"type": "text", "color": QUIET, "fontSize": 12, "baseline": "bottom", "dy": -3},
        rows,
        x={"field": "middle", "type": "quantitative"},
        text={"field": "sign"},
    )
    return {"layer": [band, sign]}


def _center_lines(series: Series) -> Iterator[dict[str, Any]]:
    """Each phase's median: full where it was taken from, broken where it was carried on."""
    for phase in series.chart.phases:
        if phase.center is None:
            continue
        end = phase.last + 0.5
        final = [at for at in range(phase.first, phase.last + 1) if series.chart.points[at].final]
        carried = final[phase.baseline - 1] + 0.5 if phase.frozen else end
        row = {"rate": phase.center, "at": phase.first - 0.5, "to": carried}
        yield _segment([row], [])
        if carried < end:
            yield _segment([{**row, "at": carried, "to": end}], [2, 3])


def _segment(rows: Sequence[dict[str, Any]], dash: Sequence[int]) -> dict[str, Any]:
    mark = {"type": "rule", "color": QUIET, "strokeWidth": 1.5, "strokeDash": list(dash)}
    return _layer(mark, rows, x2={"field": "to"})


def _limits(series: Series, scale: Scale) -> Iterator[dict[str, Any]]:
    """Each point's own limits, as steps; what lies beyond the scale is cut off."""
    for side in ("lower", "upper"):
        rows = [
            {"at": at - 0.5, "to": at + 0.5, "rate": limit}
            for at, point in enumerate(series.chart.points)
            if (limit := getattr(point, side)) is not None and scale.bottom <= limit <= scale.top
        ]
        mark = {"type": "rule", "color": LIMIT, "strokeWidth": 1.2}
        yield _layer(mark, rows, x2={"field": "to"})


def _goals(series: Series, measure: Measure) -> Iterator[dict[str, Any]]:
    """The target across the chart, or what people aim at, from when until when."""
    periods = [reading.period for reading in series.readings]
    rows = [
        {"rate": goal.rate, "at": first - 0.5, "to": last + 0.5}
        for goal in series.goals
        for first, last in [goal.reach(periods)]
    ]
    if measure.target is not None and not series.goals:
        rows = [{"rate": measure.target, "at": -0.5, "to": len(periods) - 0.5}]
    mark = {"type": "rule", "color": TARGET, "strokeWidth": 1.6, "strokeDash": [7, 4]}
    yield _layer(mark, rows, x2={"field": "to"})


def _marks(series: Series, size: Size) -> Iterator[dict[str, Any]]:
    """Upright lines with numbers: dotted for a change that people marked, full for a new phase."""
    for marks, dash in (
        ([mark for mark in series.numbered if mark not in series.breaks], [2, 3]),
        (series.breaks, []),
    ):
        rows = [{"at": mark.position - 0.5} for mark in marks]
        line = {"type": "rule", "color": INK, "strokeDash": dash, "strokeWidth": 1.2}
        yield _layer(line, rows, y={"value": 12}, y2={"value": size.height})
    ticks = [{"at": mark.position - 0.5} for mark in series.elsewhere]
    line = {"type": "rule", "color": QUIET, "strokeWidth": 1.2}
    yield _layer(line, ticks, y={"value": size.height - 7}, y2={"value": size.height})
    yield _numbers(series, size)


def _numbers(series: Series, size: Size) -> dict[str, Any]:
    at: dict[int, list[str]] = {}
    for number, change in enumerate(series.numbered, 1):
        at.setdefault(change.position, []).append(str(number))
    rows = [{"at": position - 0.5, "text": ",".join(told)} for position, told in at.items()]
    letters = {"fontSize": 12 if size.texts else 10, "fontWeight": "bold"}
    mark = {"type": "text", "color": INK, "baseline": "top", **letters}
    return _layer(mark, rows, y={"value": -1}, text={"field": "text"})


def _side_labels(series: Series, measure: Measure, scale: Scale, size: Size) -> dict[str, Any]:
    """Names at the right end of the lines, moved apart where they would overlap."""
    labels = [(rate, text, QUIET) for rate, text in _own_lines(series)]
    if measure.target is not None and not series.goals:
        labels.append((measure.target, f"Target {percent(measure.target)}", TARGET))
    labels += [(goal.rate, f"Goal {percent(goal.rate)}", TARGET) for goal in series.goals]
    labels.sort(key=lambda label: -label[0])
    rows, lowest = [], -float("inf")
    for rate, text, ink in labels:
        lowest = max(size.height * (1 - scale.part(rate)), lowest + LABEL_GAP)
        rows.append({"y": lowest, "text": text, "color": ink})
    mark = {"type": "text", "align": "left", "baseline": "middle", "dx": 6, "fontSize": 12}
    y = {"field": "y", "type": "quantitative", "scale": None, "axis": None}
    color = {"field": "color", "type": "nominal", "scale": None}
    return _layer(mark, rows, x={"value": size.width}, y=y, color=color, text={"field": "text"})


def _own_lines(series: Series) -> Iterator[tuple[float, str]]:
    """The newest center and limits, and their names."""
    last, point = series.chart.phases[-1].center, series.chart.points[-1]
    if last is not None:
        yield last, f"{series.lens.center} {percent(last)}"
    if point.lower is not None and point.upper is not None:
        yield min(max(point.lower, 0.0), 1.0), "Lower limit"
        yield min(max(point.upper, 0.0), 1.0), "Upper limit"


def _line(series: Series) -> dict[str, Any]:
    """The line joins neighbors: it ends at a gap and at a new phase."""
    starts = {mark.position for mark in series.breaks}
    rows, segment = [], 0
    for at, reading in enumerate(series.readings):
        segment += reading.rate is None or at in starts
        if reading.rate is not None:
            rows.append({"at": at, "rate": reading.rate, "segment": segment})
    mark = {"type": "line", "color": LINE, "strokeWidth": 1.8}
    return _layer(mark, rows, detail={"field": "segment", "type": "nominal"})


def _points(series: Series, measure: Measure, size: Size) -> dict[str, Any]:
    rows = [
        {"at": at, "rate": point.value, **look(at, series, measure)}
        for at, point in enumerate(series.chart.points)
        if point.value is not None
    ]
    mark = {"type": "point", "filled": True, "size": 58 if size.texts else 26, "opacity": 1}
    own = {"type": "nominal", "scale": None, "legend": None}
    return _layer(
        mark,
        rows,
        shape={"field": "shape", **own},
        fill={"field": "fill", **own},
        stroke={"field": "color", **own},
        strokeWidth={"value": 1.6 if size.texts else 1.2},
    )


def look(at: int, series: Series, measure: Measure) -> dict[str, str]:
    """Shape says on which side a point signals, color whether that is the better one."""
    if not series.chart.points[at].final:
        return {"shape": "circle", "color": LINE, "fill": "#ffffff"}
    signal = signal_at(at, series)
    if signal is None:
        return {"shape": "circle", "color": LINE, "fill": LINE}
    color = BETTER if is_better(signal, measure) else WORSE
    shape = "triangle-up" if signal.side == "above" else "triangle-down"
    return {"shape": shape, "color": color, "fill": color}


def signal_at(at: int, series: Series) -> Signal | None:
    """The first signal that a point shows; those of the whole series are shown by none."""
    if not series.chart.points[at].signals:
        return None
    phase = series.chart.phases[series.chart.points[at].phase - 1]
    return next((s for s in phase.signals if s.side and at in s.positions), None)
