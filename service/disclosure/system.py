"""Releases as linear statements about atoms, and the small quantities in them.

An atom is the set of members that are in exactly the same cells of all releases that are weighed
together: exclusion, numerator, exception and gap of a month; those who are also in the quarter; who
came into the numerator by a correction. Every cell is a sum of atoms, so whatever nests, overlaps,
repeats or was corrected is one system of equations, and nothing needs to be declared.

The reader is taken to know which atoms nobody is in. That makes him stronger than anyone is.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from service.disclosure.published import Name, Published
from service.disclosure.table import Mark
from service.errors import DisclosureError

Mask = int  # a set of atoms: bit i is atom i
ASKED = 4  # times the threshold: of so many patients at most, before a difference is formed
MOST = 100_000  # quantities: looking at each once takes a few seconds


class TooMany(DisclosureError):
    """Releases that belong together have more small quantities than can be weighed."""


@dataclass(frozen=True)
class Statement:
    """One cell of one release: the sum of the atoms in ``mask`` is within the bounds."""

    release: int
    name: Name
    mask: Mask
    low: int
    high: float


@dataclass(frozen=True)
class System:
    """All that was said of some members, and how many there truly are in each atom."""

    statements: tuple[Statement, ...]
    counts: tuple[int, ...]  # members in each atom
    patients: tuple[frozenset[int], ...]  # whose they are
    examples: tuple[Mark, ...]  # one of them

    @cached_property
    def said(self) -> dict[Mask, list[int]]:
        """The distinct cells, each with the numbers of the statements about it."""
        found: dict[Mask, list[int]] = {}
        for number, told in enumerate(self.statements):
            found.setdefault(told.mask, []).append(number)
        return found

    @cached_property
    def masks(self) -> list[Mask]:
        """The distinct cells, and the parts that each release by itself tells apart."""
        cells = [mask for mask in self.said if mask]
        return list(dict.fromkeys([*cells, *self._parts()]))

    def small(self, threshold: int) -> list[Mask]:
        """Every cell, part and difference of two of these that counts 1 to k-1 patients.

        Raises TooMany; there may be almost as many as there are pairs of cells.
        """
        found = dict.fromkeys(each for each in self.masks if self._counts_few(each, threshold))
        for mask in self.masks:
            for rest in self._rests(mask, self._near(mask, threshold)):
                if rest not in found and self._counts_few(rest, threshold):
                    found[rest] = None
            if len(found) > MOST:
                todo = "Release fewer measures, groups or strata in the policy, then run again"
                raise TooMany("too many counts overlap to be weighed together", todo=todo)
        return list(found)

    def _rests(self, mask: Mask, near: int) -> list[Mask]:
        """What each of some masks, given by their numbers, leaves of this one; the first first."""
        atoms = bits(mask)
        if near.bit_count() <= len(atoms):
            return [mask & ~self.masks[number] for number in bits(near)]
        leaving = {0: near}  # those that leave the same, atom by atom
        for atom in atoms:
            parted: dict[Mask, int] = {}
            for rest, masks in leaving.items():
                lacking = masks & self._lacking[atom]
                parted |= {rest | 1 << atom: lacking, rest: masks ^ lacking}
            leaving = {rest: masks for rest, masks in parted.items() if masks}
        return sorted(leaving, key=lambda rest: leaving[rest] & -leaving[rest])

    def _near(self, mask: Mask, threshold: int) -> int:
        """The masks, by number, that may leave fewer patients of this one than the threshold.

        Some of its patients are asked about, no patient twice: whoever leaves k of these is out.
        """
        atoms = [atom for atom in bits(mask) if self._own[atom]]
        all_masks = (1 << len(self.masks)) - 1
        leaving = [all_masks] + [0] * threshold  # those that leave 0, 1, ... of them, or more
        for atom in atoms[:: 1 + len(atoms) // (ASKED * threshold)]:
            many = min(self._own[atom], threshold)
            for total in range(threshold, 0, -1):
                leaving[total] |= leaving[max(0, total - many)] & self._lacking[atom]
        return all_masks ^ leaving[threshold]

    @cached_property
    def _lacking(self) -> list[int]:
        """For each atom the masks, by number, that it is not in."""
        lacking = [(1 << len(self.masks)) - 1] * len(self.patients)
        for number, mask in enumerate(self.masks):
            for atom in bits(mask):
                lacking[atom] ^= 1 << number
        return lacking

    @cached_property
    def _own(self) -> list[int]:
        """For each atom how many of its patients are in none before it."""
        seen: set[int] = set()
        found = []
        for who in self.patients:
            found.append(len(who - seen))
            seen |= who
        return found

    def _parts(self) -> Iterator[Mask]:
        """For each release the sets of atoms that are in the same of its cells."""
        cells: dict[int, list[Mask]] = {}
        for told in self.statements:
            cells.setdefault(told.release, []).append(told.mask)
        for masks in cells.values():
            parts: dict[int, Mask] = {}
            for i in bits(sum_of(masks)):
                inside = sum(1 << n for n, mask in enumerate(masks) if mask >> i & 1)
                parts[inside] = parts.get(inside, 0) | 1 << i
            yield from parts.values()

    def _counts_few(self, mask: Mask, threshold: int) -> bool:
        """Whether a set of atoms counts 1 to k-1 distinct patients."""
        seen: set[int] = set()
        while mask and len(seen) < threshold:
            lowest = mask & -mask
            seen |= self.patients[lowest.bit_length() - 1]
            mask ^= lowest
        return 0 < len(seen) < threshold


def system_of(releases: Sequence[Published]) -> System:
    """The statements of releases that are weighed together.

    Atoms are in the order in which releases and cells first tell them apart, whoever is in them.
    """
    cells = [(i, name) for i, release in enumerate(releases) for name in release.members]
    sets: dict[frozenset[Mark], int] = {}
    for i, name in cells:
        sets.setdefault(releases[i].members[name], len(sets))
    signature: dict[Mark, int] = {}
    for members, position in sets.items():
        for mark in members:
            signature[mark] = signature.get(mark, 0) | 1 << position
    within: dict[int, list[Mark]] = {}
    for mark, where in signature.items():
        within.setdefault(where, []).append(mark)
    order = sorted(within)
    masks = [
        sum(1 << i for i, where in enumerate(order) if where >> p & 1) for p in range(len(sets))
    ]
    statements = tuple(
        Statement(i, name, masks[sets[releases[i].members[name]]], *releases[i].interval(name))
        for i, name in cells
    )
    return System(
        statements,
        tuple(len(within[where]) for where in order),
        tuple(frozenset(mark.patient for mark in within[where]) for where in order),
        tuple(within[where][0] for where in order),
    )


def sum_of(masks: Iterable[Mask]) -> Mask:
    """All atoms of some sets of atoms."""
    total = 0
    for mask in masks:
        total |= mask
    return total


def bits(mask: Mask) -> list[int]:
    """The atoms of a set, as positions."""
    found = []
    while mask:
        lowest = mask & -mask
        found.append(lowest.bit_length() - 1)
        mask ^= lowest
    return found
