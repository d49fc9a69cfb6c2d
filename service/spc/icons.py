"""Making Data Count's two icons: what the latest point is, and whether the target will be met.

NHS England, Making Data Count. A picture of an icon carries its letter and its words; colour alone
says nothing.
"""

from enum import StrEnum

from service.spc.bounds import Bounds
from service.spc.chart import Chart
from service.spc.runs import Side


class Variation(StrEnum):
    """The latest point: common cause, or the first of its signals and which way it points."""

    COMMON = "common cause"
    IMPROVEMENT_HIGH = "special cause, improvement, high"
    IMPROVEMENT_LOW = "special cause, improvement, low"
    CONCERN_HIGH = "special cause, concern, high"
    CONCERN_LOW = "special cause, concern, low"
    NEUTRAL_HIGH = "special cause, neither better nor worse, high"
    NEUTRAL_LOW = "special cause, neither better nor worse, low"


class Assurance(StrEnum):
    """The target against the latest limits."""

    PASS = "consistently meets the target"
    FAIL = "consistently misses the target"
    INCONSISTENT = "meets and misses the target by chance"


_VARIATIONS = {
    ("above", "above"): Variation.IMPROVEMENT_HIGH,
    ("below", "below"): Variation.IMPROVEMENT_LOW,
    ("above", "below"): Variation.CONCERN_HIGH,
    ("below", "above"): Variation.CONCERN_LOW,
    ("above", None): Variation.NEUTRAL_HIGH,
    ("below", None): Variation.NEUTRAL_LOW,
}


def variation(chart: Chart, better: Side | None) -> Variation | None:
    """The icon of the latest judged point; None without one. ``better`` is the good side, if any.

    Where a point breaks several rules, the first counts: a chart lists signals in that order.
    """
    latest = _latest(chart)
    if latest is None:
        return None
    for signal in chart.phases[chart.points[latest].phase - 1].signals:
        if signal.side is not None and latest in signal.positions:
            return _VARIATIONS[signal.side, better]
    return Variation.COMMON


def assurance(chart: Chart, target: float | None, better: Side | None) -> Assurance | None:
    """The icon of a ``target`` in the chart's unit; None without limits, target or good side."""
    latest = _latest(chart)
    if latest is None or target is None or better is None:
        return None
    point = chart.points[latest]
    if point.lower is None or point.upper is None:
        return None
    beyond = Bounds(point.lower, point.upper).side(target)
    if beyond is None:
        return Assurance.INCONSISTENT
    return Assurance.FAIL if beyond == better else Assurance.PASS


def _latest(chart: Chart) -> int | None:
    judged = [
        at
        for at, point in enumerate(chart.points)
        if point.final and point.excluded is None and point.value is not None
    ]
    return judged[-1] if judged else None
