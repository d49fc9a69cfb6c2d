"""The subgroups of one phase, and which of them set its lines."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from service.spc.subgroup import Subgroup


@dataclass(frozen=True)
class Span:
    """``baseline`` marks, for each of the ``subgroups``, whether center and limits rest on it."""

    subgroups: tuple[Subgroup, ...]
    baseline: tuple[bool, ...]

    @cached_property
    def values(self) -> list[float | None]:
        """What is drawn of each subgroup."""
        return [subgroup.value for subgroup in self.subgroups]

    def of_baseline(self, values: Sequence[float | None]) -> list[float]:
        """Those of ``values``, one a subgroup, that belong to the baseline."""
        return [
            value
            for value, counts in zip(values, self.baseline, strict=True)
            if counts and value is not None
        ]

    def pooled(self) -> float | None:
        """Sum of numerators by sum of denominators: the mean of proportions would weigh a small
        month like a large one. None without a baseline.
        """
        chosen = [s for s, counts in zip(self.subgroups, self.baseline, strict=True) if counts]
        if not chosen:
            return None
        numerators = math.fsum(s.numerator for s in chosen if s.numerator is not None)
        return numerators / math.fsum(size(s) for s in chosen)

    @cached_property
    def before(self) -> list[int | None]:
        """For each subgroup the position of the judged one before it that it moves from.

        None for the first, and after a gap: across a gap there is no moving range.
        """
        found: list[int | None] = []
        previous: int | None = None
        for position, subgroup in enumerate(self.subgroups):
            if subgroup.value is None:
                previous = None
            found.append(previous)
            if subgroup.judged:
                previous = position
        return found

    def ranges(self, values: Sequence[float | None]) -> list[float | None]:
        """The moving range that ends at each subgroup: how far its value is from the last."""
        return [
            _distance(value, values[previous]) if previous is not None else None
            for value, previous in zip(values, self.before, strict=True)
        ]


def size(subgroup: Subgroup) -> float:
    """The number of cases or the area of opportunity; 1 where a chart has no denominator."""
    return 1.0 if subgroup.denominator is None else subgroup.denominator


def _distance(value: float | None, other: float | None) -> float | None:
    return None if value is None or other is None else abs(value - other)
