"""Whether any table of whole numbers fits what a report says.

A shown count v rounded to base b stands for a whole number from v - b + 1 to v + b - 1, and for
one of at least 11 unless it is 0; a suppressed count for any number from 0 on (docs/wire-format.md
and the disclosure control that writes it). So 42 of 39 may truly be 40 of 41. A report is refused
only when no numbers in these intervals nest as the populations of its measure must:
https://build.fhir.org/ig/HL7/cqf-measures/measure-conformance.html#population-basis
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from service.measure.summary import Absent, Count, Summary
from service.measure.wire import SMALLEST, SMALLEST_IN_FIVES

# A population, and what is in it without overlap; each of these at most as large as it.
_WITHIN: dict[str, dict[str, tuple[str, ...]]] = {
    "proportion": {
        "numerator": ("numerator-exclusion",),
        "denominator": ("numerator", "denominator-exclusion", "denominator-exception"),
        "initial-population": ("denominator",),
    },
    "ratio": {
        "numerator": ("numerator-exclusion",),
        "denominator": ("denominator-exclusion",),
    },
    "continuous-variable": {
        "measure-population": ("measure-population-exclusion",),
        "initial-population": ("measure-population",),
    },
    "cohort": {},
}


@dataclass(frozen=True)
class Interval:
    """The whole numbers that a count may stand for, both ends included."""

    low: int
    high: float

    @classmethod
    def of(cls, count: Count | None, base: int) -> "Interval":
        """What a count as sent stands for; a count that is not sent says nothing."""
        if count is None or isinstance(count, Absent):
            return cls(0, math.inf)
        if count == 0:
            return cls(0, 0)
        least = 8 if count == SMALLEST_IN_FIVES else SMALLEST
        return cls(max(least, count - base + 1), count + base - 1)


def contradiction(summary: Summary) -> tuple[int, str] | None:
    """The position of the first group that no table fits, and in which population; or None."""
    if summary.completeness.verdict == "not-computable":
        return None
    for position, group in enumerate(summary.groups):
        population = _too_small(group.populations, summary.scoring, summary.rounding)
        if population is not None:
            return position, population
    return None


def _too_small(counts: Mapping[str, Count], scoring: str, base: int) -> str | None:
    """The population that cannot hold what must be within it.

    Going from the inside out, each population is at least as large as the least that its parts
    can be; that is enough, since larger populations never make another one too small.
    """
    least: dict[str, int] = {}
    for population, parts in _WITHIN[scoring].items():
        if population not in counts:
            continue
        interval = Interval.of(counts[population], base)
        inside = sum(
            least.get(part, Interval.of(counts[part], base).low) for part in parts if part in counts
        )
        if inside > interval.high:
            return population
        least[population] = max(interval.low, inside)
    return None
