"""Runs on one side of a center line and crossings of it: what every run-chart rule counts.

Points on the line are not useful: they neither lengthen a run nor break it, and are left out of
every count (Perla, Provost, Murray. BMJ Qual Saf 2011;20:46).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

Side = Literal["above", "below"]


@dataclass(frozen=True)
class Signal:
    """A sign of special-cause variation: the rule, and the points that show it.

    ``positions`` count from 0 and rise. ``side`` is where the points lie, or for a trend where
    it leads; None for a rule that speaks of the whole series and of no point in it.
    """

    rule: str
    positions: tuple[int, ...]
    side: Side | None = None

    @property
    def first(self) -> int:
        return self.positions[0]

    @property
    def last(self) -> int:
        return self.positions[-1]

    @property
    def length(self) -> int:
        return len(self.positions)


@dataclass(frozen=True)
class Run:
    """Consecutive useful points on one side; positions counted from 0."""

    side: Side
    positions: tuple[int, ...]

    @property
    def length(self) -> int:
        return len(self.positions)


@dataclass(frozen=True)
class RunAnalysis:
    """What a rule set found in one series, with the limits that it judged by.

    ``longest_run_max`` is the longest run, ``crossings_min`` the fewest and ``crossings_max`` the
    most crossings that are still expected of common-cause variation; None where the rules set no
    such limit.
    """

    rules: str
    n_useful: int
    longest_run: int
    longest_run_max: int
    crossings: int
    crossings_min: int | None
    signals: tuple[Signal, ...]
    crossings_max: int | None = None


def find_runs(values: Sequence[float], center_line: float) -> list[Run]:
    """The runs of useful points, in order; between any two of them lies one crossing."""
    useful = [
        (position, side)
        for position, value in enumerate(values)
        if (side := side_of(value, center_line)) is not None
    ]
    return [
        Run(side, tuple(position for position, _ in members))
        for side, members in groupby(useful, key=lambda point: point[1])
    ]


def side_of(value: float, line: float) -> Side | None:
    """Where a value lies; None on the line, or as near to it as rounding errors reach."""
    if math.isclose(value, line, rel_tol=1e-12):
        return None
    return "above" if value > line else "below"
