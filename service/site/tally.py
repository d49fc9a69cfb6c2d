"""Where units belong, for several counts at once: one number for all that are in the same places.

Each count has as many places as it has populations in all its groups, and one for patients whose
result is not defined (see `Count`). The places of several counts stand one after the other; a set
of places is a number of which each bit is a place, written in hexadecimal. Most units share their
places with many others, so that whoever adds them up does it in bulk.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import accumulate

from service.disclosure import Member
from service.site.evaluation import Count

Units = dict[str, list[str]]  # places -> the units in them, of one patient


def starts(widths: Iterable[int]) -> list[int]:
    """The first place of each of some counts that have so many places."""
    return list(accumulate(widths, initial=0))[:-1]


class Moves:
    """Places of counts that stand at other bits now: (from, to, how many) of each count."""

    def __init__(self, moves: Sequence[tuple[int, int, int]]) -> None:
        self._moves = moves
        self._moved = cache(self._move)

    def __call__(self, units: Units) -> Iterator[tuple[int, str]]:
        """Each unit with the places that it has now."""
        for places, named in units.items():
            moved = self._moved(places)
            for unit in named:
                yield moved, unit

    def _move(self, places: str) -> int:
        bits = int(places, 16)
        return sum((bits >> old & (1 << width) - 1) << new for old, new, width in self._moves)


def together(units: Iterable[tuple[int, str]]) -> Units:
    """One patient's units by the places that they are in; a unit may come more than once."""
    places: defaultdict[str, int] = defaultdict(int)
    for bits, unit in units:
        places[unit] |= bits
    found: Units = {}
    for unit, bits in places.items():
        if bits:
            found.setdefault(f"{bits:x}", []).append(unit)
    return found


class Tally:
    """Adds up where the units of all patients belong."""

    def __init__(self, counts: Sequence[Count]) -> None:
        self._counts = counts
        self._members: defaultdict[str, list[Member]] = defaultdict(list)

    def add(self, patient: str, units: Units) -> None:
        """Take up a patient's units."""
        for places, named in units.items():
            self._members[places] += [Member(patient, unit) for unit in named]

    def settle(self) -> None:
        """Give the counts all that was added."""
        first = starts(count.width for count in self._counts)
        for places, members in self._members.items():
            bits = int(places, 16)
            for start, count in zip(first, self._counts, strict=True):
                for place in range(count.width):
                    if bits >> start + place & 1:
                        count.add(place, members)
        self._members.clear()
