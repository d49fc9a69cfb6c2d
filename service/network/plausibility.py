"""Whether any table of whole numbers fits what a report says.

A shown count v rounded to base b stands for a whole number from v - b + 1 to v + b - 1, and for
one of at least 11 unless it is 0; a suppressed count for any number from 0 on (docs/wire-format.md
and the disclosure control that writes it). So 42 of 39 may truly be 40 of 41. A report is refused
only when no numbers in these intervals nest as the populations of its measure must:
https://build.fhir.org/ig/HL7/cqf-measures/measure-conformance.html#population-basis
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from service.measure.stratum_name import stratum_name
from service.measure.summary import Absent, Count, Summary, SummaryGroup
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


def contradiction(summary: Summary) -> tuple[str, str] | None:
    """The path of the first group or stratum that no table fits, and in which population; or None.

    A unit is in one stratum of a stratifier at most, so that the strata together are within their
    group.
    """
    if summary.completeness.verdict == "not-computable":
        return None
    base = summary.rounding
    for path, group in _paths(summary.groups):
        population = _too_small(group.populations, summary.scoring, base)
        population = population or _too_small_for_strata(group, summary.groups, base)
        if population is not None:
            return path, population
    return None


def _paths(groups: Sequence[SummaryGroup]) -> Iterator[tuple[str, SummaryGroup]]:
    """Where each group and stratum stands in the report."""
    places: dict[tuple[str, ...], int] = {}
    children: Counter[tuple[str, ...]] = Counter()
    for group in groups:
        name = stratum_name(group.id) or (group.id,)
        for depth in range(1, len(name) + 1):
            if name[:depth] not in places:
                places[name[:depth]] = children[name[: depth - 1]]
                children[name[: depth - 1]] += 1
        steps = ("group", "stratifier", "stratum")[: len(name)]
        path = (f".{step}[{places[name[:depth]]}]" for depth, step in enumerate(steps, 1))
        yield "".join(path), group


def _too_small_for_strata(
    whole: SummaryGroup, groups: Sequence[SummaryGroup], base: int
) -> str | None:
    """The group's population that cannot hold the strata of one of its stratifiers."""
    least: Counter[tuple[str, str]] = Counter()
    for group in groups:
        name = stratum_name(group.id)
        if name and name.group == whole.id:
            for code, count in group.populations.items():
                least[name.stratifier, code] += Interval.of(count, base).low
    for (_, code), inside in least.items():
        if inside > Interval.of(whole.populations.get(code), base).high:
            return code
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
