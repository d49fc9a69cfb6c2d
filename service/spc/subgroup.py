"""A rational subgroup: what was counted or measured in one period, or why there is nothing."""

import math
from dataclasses import dataclass

from service.spc.point import State


@dataclass(frozen=True)
class Subgroup:
    """What a period gives to a chart.

    ``numerator`` is a count or a measurement, present exactly when ``state`` is NUMBER;
    ``denominator`` is the number of cases or the area of opportunity, None where the chart has
    none. A ``provisional`` number neither moves a line nor signals. An ``excluded`` one, with a
    person's note of why, sets no limits and is in no run, but is still seen outside the limits.
    ``noise`` is the variance that rounding put on each of the two counts (`rounding.variance`).
    """

    period: str
    numerator: float | None = None
    denominator: float | None = None
    state: State = State.NUMBER
    provisional: bool = False
    excluded: str | None = None
    noise: float = 0.0

    def __post_init__(self) -> None:
        if (self.numerator is not None) != (self.state is State.NUMBER):
            raise ValueError("a subgroup has a numerator exactly when its state is NUMBER")
        numbers = (self.numerator, self.denominator, self.noise)
        if not all(math.isfinite(number) for number in numbers if number is not None):
            raise ValueError("a subgroup's numbers are finite")
        if self.noise < 0:
            raise ValueError("a variance is not negative")

    @property
    def value(self) -> float | None:
        """What is drawn: the ratio where there is a denominator; None for a gap."""
        if self.numerator is None or self.denominator is None:
            return self.numerator
        return self.numerator / self.denominator

    @property
    def final(self) -> bool:
        """Whether this is a number that will not change."""
        return self.state is State.NUMBER and not self.provisional

    @property
    def judged(self) -> bool:
        """Whether this number sets limits and belongs to runs."""
        return self.final and self.excluded is None
