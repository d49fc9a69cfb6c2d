"""What disclosure control works on: sets of patients in, numbers that may be shown out."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import Enum
from functools import cached_property
from typing import NamedTuple


class Member(NamedTuple):
    """One unit of a population and the patient whom it belongs to.

    The unit is what the measure counts: an encounter, a procedure or, where it counts patients,
    the patient's own id again.
    """

    patient: str
    unit: str


class Mark(NamedTuple):
    """A member as the site remembers it in its history: two keyed 64-bit numbers, no name."""

    patient: int
    unit: int


ELIGIBLE = "eligible"  # what the score's denominator counts: exclusions and exceptions are out
MET = "met"  # what its numerator counts, where the group has a numerator exclusion


@dataclass(frozen=True)
class Group:
    """One group or stratum of a measure: the members of each population, by FHIR population code.

    One that is not ``told`` is weighed like the others, and no number of it is ever shown.
    """

    id: str
    populations: Mapping[str, frozenset[Member]]
    told: bool = True

    @cached_property
    def cells(self) -> Mapping[str, frozenset[Member]]:
        """All that can be released of the group: what its score needs, then its populations."""
        return _of_the_score(self.populations) | dict(self.populations)


def _of_the_score(of: Mapping[str, frozenset[Member]]) -> dict[str, frozenset[Member]]:
    """The two sides of a score, as the Quality Measure IG defines it ("Measure scoring")."""
    sides: dict[str, frozenset[Member]] = {}
    for code in ("denominator", "measure-population"):
        if code in of:
            out = (of.get(f"{code}-{suffix}", frozenset()) for suffix in ("exclusion", "exception"))
            sides[ELIGIBLE] = of[code].difference(*out)
    if "numerator-exclusion" in of and "numerator" in of:
        sides[MET] = of["numerator"] - of["numerator-exclusion"]
    return sides


@dataclass(frozen=True)
class Table:
    """Exact results of one measure for one period (closed days); they never leave the site."""

    measure: str  # canonical address
    version: str
    period: tuple[date, date]
    groups: tuple[Group, ...]


class Hidden(Enum):
    """The one way to say that a number may not be shown: not zero, not absent."""

    SUPPRESSED = "suppressed"


Cell = int | Hidden


@dataclass(frozen=True)
class ProtectedGroup:
    """One group: for each of its cells (see `Group.cells`) 0, a rounded count, or suppressed."""

    id: str
    cells: Mapping[str, Cell]


@dataclass(frozen=True)
class ProtectedTable:
    """What may be shown of a Table: same groups and populations, in the same order."""

    measure: str
    version: str
    period: tuple[date, date]
    rounding: int  # every number is a multiple of this
    groups: tuple[ProtectedGroup, ...]
