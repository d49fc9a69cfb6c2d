"""Tables of counts with their margins, as statisticians publish them, made of patients."""

from collections.abc import Mapping
from datetime import date
from functools import cached_property
from itertools import product

from service.disclosure import Group, Member, Name, Table
from tests.conformance.disclosure_oracles.tau_argus import Sum

TOTAL = "total"
CODE = "initial-population"
Place = tuple[str, ...]  # a category or TOTAL in each dimension


class Crossed:
    """Counts by place; ``table`` is what Weir protects, ``sums`` what every reader can add up.

    Margins come first, so that Weir keeps them longest.
    """

    def __init__(self, inner: Mapping[Place, int]) -> None:
        self.inner = inner
        sides = [dict.fromkeys([TOTAL, *found]) for found in zip(*inner, strict=True)]
        places = sorted(product(*sides), key=lambda place: -place.count(TOTAL))
        self.number = {place: number for number, place in enumerate(places)}
        self._sides = sides

    @property
    def places(self) -> list[Place]:
        """All of them, margins included, by number."""
        return list(self.number)

    def name(self, place: Place) -> Name:
        """The place's name in the table."""
        return "-".join(place), CODE

    def count(self, place: Place) -> int:
        """Patients in a place."""
        return len(self._members[place])

    @cached_property
    def table(self) -> Table:
        """One group for each place."""
        groups = tuple(
            Group(self.name(place)[0], {CODE: self._members[place]}) for place in self.places
        )
        return Table("urn:crossed", "1", (date(2026, 1, 1), date(2026, 1, 31)), groups)

    @cached_property
    def sums(self) -> list[Sum]:
        """Every margin as the sum of what it adds up, one dimension at a time."""
        found = []
        for place in self.places:
            for i in (i for i, category in enumerate(place) if category == TOTAL):
                parts = [(*place[:i], each, *place[i + 1 :]) for each in self._sides[i]]
                numbers = [self.number[part] for part in parts if part != place]
                found.append(Sum(self.number[place], numbers))
        return found

    @cached_property
    def _members(self) -> dict[Place, frozenset[Member]]:
        people = {
            inner: [Member(f"{inner} {i}", "") for i in range(count)]
            for inner, count in self.inner.items()
        }
        return {
            place: frozenset(m for inner in people if _within(inner, place) for m in people[inner])
            for place in self.places
        }


def _within(inner: Place, place: Place) -> bool:
    return all(of in (TOTAL, each) for each, of in zip(inner, place, strict=True))
