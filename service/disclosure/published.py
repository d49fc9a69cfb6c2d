"""What a reader has been told: the numbers of a release, and whom they are about."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from service.disclosure.rounding import Reading
from service.disclosure.table import Cell, Mark

Name = tuple[str, str]  # group, code
Span = tuple[date, date]


@dataclass(frozen=True)
class Published:
    """One release of one measure and period to one network, as the site's history keeps it.

    ``cells`` and ``members`` have the same names; a cell that is hidden or of a release without
    counts says nothing, and its members are protected all the same.
    """

    network: str
    measure: str
    version: str
    period: Span
    reading: Reading
    cells: Mapping[Name, Cell]
    members: Mapping[Name, frozenset[Mark]]
    unproven: bool = False  # more is hidden than had to be: the audit's steps were spent

    @property
    def everyone(self) -> frozenset[Mark]:
        """All members of all cells."""
        return frozenset().union(*self.members.values())

    def interval(self, name: Name) -> tuple[int, float]:
        """The least and greatest count that a reader must reckon with."""
        cell = self.cells[name]
        return self.reading.interval(cell) if isinstance(cell, int) else (0, float("inf"))


def changed(before: Mapping[Name, frozenset[Mark]], after: Mapping[Name, frozenset[Mark]]) -> int:
    """How many distinct patients entered or left any of the cells."""
    patients: set[int] = set()
    for name in before.keys() | after.keys():
        differing = before.get(name, frozenset()) ^ after.get(name, frozenset())
        patients.update(mark.patient for mark in differing)
    return len(patients)


def together(new: list[Published], history: list[Published]) -> list[list[int]]:
    """The releases that must be weighed together, as positions in ``new + history``.

    Two releases belong together when they count a member in common, or share such releases.
    Groups of releases of which none is new are left out.
    """
    everything = new + history
    root = list(range(len(everything)))

    def find(i: int) -> int:
        while root[i] != i:
            root[i] = root[root[i]]
            i = root[i]
        return i

    first: dict[Mark, int] = {}
    for i, release in enumerate(everything):
        for mark in release.everyone:
            other = first.setdefault(mark, i)
            if other != i:
                a, b = sorted((find(i), find(other)))
                root[b] = a
    parts: dict[int, list[int]] = {}
    for i in range(len(everything)):
        parts.setdefault(find(i), []).append(i)
    return [part for part in parts.values() if part[0] < len(new)]
