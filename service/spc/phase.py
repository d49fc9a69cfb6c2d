"""A phase: points that are judged together by one set of lines.

A phase begins where a person decided so, or where a version changed; never by itself (Anhøj,
Mohammed. Statistical Process Control for Healthcare, spc4hc).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from service.spc.bounds import Bounds
from service.spc.runs import RunAnalysis, Signal

MINIMUM_BASELINE = 10  # before these, a center line is not worth freezing
TRIAL = 12  # limits of fewer points than these are trial limits


class Silence(StrEnum):
    """Why the runs of a phase were not judged."""

    NO_POINTS = "no final number"
    TOO_FEW = "too few useful points"
    ON_CENTER = "more than half of the points lie on the center line"


@dataclass(frozen=True)
class Phase:
    """Points ``first`` to ``last``, positions from 0, both included; ``number`` counts from 1.

    ``center`` is None when there is nothing to take it from. ``bounds`` are the limits when they
    are the same for all points, else None: then each point has its own. ``baseline`` is the
    number of points that the lines were taken from; ``frozen`` says that later points are judged
    by them without moving them. ``outside`` are the points outside their limits. ``analysis`` is
    None only when no point lies off the center; its signals hold positions in the whole chart,
    and are empty whenever ``silence`` gives a reason. ``notes`` are sentences on what the phase
    can and cannot show.
    """

    number: int
    first: int
    last: int
    center: float | None
    bounds: Bounds | None
    baseline: int
    frozen: bool
    figures: Mapping[str, float]
    outside: tuple[Signal, ...]
    analysis: RunAnalysis | None
    silence: Silence | None
    notes: tuple[str, ...] = ()

    @property
    def signals(self) -> tuple[Signal, ...]:
        """All signals, points outside limits first: the order in which a point is explained."""
        return self.outside + (self.analysis.signals if self.analysis else ())
