"""What every chart gives to others, the same whoever draws it: points, and a summary per phase.

Rows count from 1. What does not apply is None, as a limit that a chart does not have.
"""

from collections.abc import Sequence
from typing import Any

from service.spc.chart import Chart
from service.spc.cusum import CusumPoint
from service.spc.funnel import Funnel, FunnelPoint
from service.spc.phase import Phase
from service.spc.point import Point
from service.spc.summary import sentences


def chart_contract(chart: Chart) -> dict[str, Any]:
    """A chart over time as JSON values."""
    return {
        "chart": chart.kind.name,
        "rules": {"name": chart.rules.name, "version": chart.rules.version},
        "limits": str(chart.method.limits),
        "points": [_point(point) for point in chart.points],
        "phases": [_phase(chart, phase) for phase in chart.phases],
    }


def _point(point: Point) -> dict[str, Any]:
    return {
        "period": point.period,
        "y": point.value,
        "cl": point.center,
        "lcl": point.lower,
        "ucl": point.upper,
        "signals": list(point.signals),
        "phase": point.phase,
        "state": str(point.state),
        "provisional": point.provisional,
        "excluded": point.excluded,
    }


def _phase(chart: Chart, phase: Phase) -> dict[str, Any]:
    return {
        "phase": phase.number,
        "first_row": phase.first + 1,
        "last_row": phase.last + 1,
        "rules": {"name": chart.rules.name, "version": chart.rules.version},
        "cl": phase.center,
        "lcl": phase.bounds.lower if phase.bounds else None,
        "ucl": phase.bounds.upper if phase.bounds else None,
        "stepped": phase.bounds is None,
        "baseline": phase.baseline,
        "frozen": phase.frozen,
        **phase.figures,
        **_runs(phase),
        "signals": [
            {"rule": s.rule, "rows": [at + 1 for at in s.positions], "side": s.side}
            for s in phase.signals
        ],
        "summary": " ".join(sentences(chart, phase)),
    }


def _runs(phase: Phase) -> dict[str, Any]:
    found = phase.analysis
    return {
        "n_useful": found.n_useful if found else 0,
        "longest_run": found.longest_run if found else None,
        "longest_run_max": found.longest_run_max if found else None,
        "crossings": found.crossings if found else None,
        "crossings_min": found.crossings_min if found else None,
        "crossings_max": found.crossings_max if found else None,
        "not_judged": str(phase.silence) if phase.silence else None,
    }


def funnel_contract(drawn: Funnel) -> dict[str, Any]:
    """A funnel as JSON values: ``lcl`` and ``ucl`` are the 99.8 % limits."""
    return {
        "chart": "funnel",
        "cl": drawn.target,
        "phi": drawn.spread.phi if drawn.spread else None,
        "tau2": drawn.spread.tau2 if drawn.spread else None,
        "overdispersed": drawn.widened,
        "points": [_unit(point, drawn.target) for point in drawn.points],
        "notes": list(drawn.notes),
    }


def _unit(point: FunnelPoint, target: float) -> dict[str, Any]:
    return {
        "period": point.name,
        "size": point.size,
        "y": point.value,
        "cl": target,
        "lcl": point.outer.lower,
        "ucl": point.outer.upper,
        "lcl95": point.inner.lower,
        "ucl95": point.inner.upper,
        "signals": list(point.signals),
        "power": point.power,
        "state": str(point.state),
        "provisional": point.provisional,
        "excluded": point.excluded,
    }


def cusum_contract(
    periods: Sequence[str], points: Sequence[CusumPoint], target: float, limit: float
) -> dict[str, Any]:
    """A CUSUM as JSON values: ``y`` is the upper sum, ``y_lower`` the lower."""
    return {
        "chart": "cusum",
        "target": target,
        "points": [
            {
                "period": period,
                "y": point.upper,
                "y_lower": point.lower,
                "cl": 0.0,
                "lcl": -limit,
                "ucl": limit,
                "signals": [f"{point.signal} limit"] if point.signal else [],
            }
            for period, point in zip(periods, points, strict=True)
        ],
    }
