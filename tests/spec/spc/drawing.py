"""Charts from words, for tests that read as documentation."""

from typing import Any

from service.spc.chart import Chart, control_chart
from service.spc.kind import kind_named
from service.spc.point import State
from service.spc.subgroup import Subgroup

GAPS = {"s": State.SUPPRESSED, "m": State.MISSING, "x": State.NOT_COMPUTABLE}


def subgroups(text: str) -> list[Subgroup]:
    """A word a period: ``4``, ``4/20``, ``(4)`` provisional, ``[4]`` excluded, ``s m x`` gaps."""
    return [_subgroup(f"t{position}", word) for position, word in enumerate(text.split())]


def _subgroup(period: str, word: str) -> Subgroup:
    count, _, size = word.strip("()[]").partition("/")
    denominator = float(size) if size else None
    if count in GAPS:
        return Subgroup(period, None, denominator, GAPS[count])
    return Subgroup(
        period,
        float(count),
        denominator,
        provisional=word.startswith("("),
        excluded="known cause" if word.startswith("[") else None,
    )


def draw(kind: str, text: str, **options: Any) -> Chart:
    return control_chart(kind_named(kind), subgroups(text), **options)


def limits(chart: Chart) -> list[tuple[float | None, float | None]]:
    return [(point.lower, point.upper) for point in chart.points]


def signalling(chart: Chart, rule: str = "outside limits") -> list[int]:
    """The positions of the points that break a rule."""
    return [at for at, point in enumerate(chart.points) if rule in point.signals]
