"""A point's control limits, and the rule that Shewhart charts are made for.

A value outside the limits is a signal; on a limit it is not. Shewhart WA. Economic Control of
Quality of Manufactured Product, 1931.
"""

from dataclasses import dataclass

from service.spc.runs import Side, side_of

OUTSIDE = "outside limits"


@dataclass(frozen=True)
class Bounds:
    """Lower and upper control limit of one point, each None where the chart has none."""

    lower: float | None = None
    upper: float | None = None

    def side(self, value: float) -> Side | None:
        """On which side a value lies outside, or None."""
        if self.upper is not None and side_of(value, self.upper) == "above":
            return "above"
        if self.lower is not None and side_of(value, self.lower) == "below":
            return "below"
        return None

    def times(self, factor: float) -> "Bounds":
        """The same in another unit."""
        lower, upper = (
            None if limit is None else limit * factor for limit in (self.lower, self.upper)
        )
        return Bounds(lower, upper)
