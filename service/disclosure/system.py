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

Mask = int  # a set of atoms: bit i is atom i


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
        """Every cell, part and difference of two of these that counts 1 to k-1 patients."""
        large = sum(1 << i for i, who in enumerate(self.patients) if len(who) >= threshold)
        found = dict.fromkeys(mask for mask in self.masks if not mask & large)
        for mask in self.masks:
            rest = [mask & ~other for other in self.masks]
            found.update(dict.fromkeys(each for each in rest if each and not each & large))
        return [mask for mask in found if self._patients(mask, threshold) < threshold]

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

    def _patients(self, mask: Mask, enough: int) -> int:
        """Distinct patients in a set of atoms; counting stops at ``enough``."""
        seen: set[int] = set()
        while mask and len(seen) < enough:
            lowest = mask & -mask
            seen |= self.patients[lowest.bit_length() - 1]
            mask ^= lowest
        return len(seen)


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
