"""One point of a chart, in one of four states that are never mixed up."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """What is known of a period. Only NUMBER has a value; zero is a number like any other."""

    NUMBER = "number"
    SUPPRESSED = "suppressed"
    MISSING = "missing"
    NOT_COMPUTABLE = "not computable"


@dataclass(frozen=True)
class Point:
    """A period as drawn: its value, its phase's center line, its own limits, and what signals.

    ``value``, ``center``, ``lower`` and ``upper`` are in the chart's unit, each None where there
    is none: a point without a value is a gap in the line, never a zero. ``signals`` names the
    rules that this point breaks. A provisional point is drawn hollow. ``phase`` counts from 1.
    """

    period: str
    value: float | None
    center: float | None
    lower: float | None
    upper: float | None
    phase: int
    state: State = State.NUMBER
    provisional: bool = False
    excluded: str | None = None
    signals: tuple[str, ...] = ()

    @property
    def final(self) -> bool:
        """Whether this is a number that will not change."""
        return self.state is State.NUMBER and not self.provisional
