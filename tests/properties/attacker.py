"""A reader who wants to count a few patients. Shares no code with what protects them.

He keeps every byte that a site ever sent, to whichever network, and knows more than anyone does:
how populations nest, that strata and months add up to totals and longer windows, that corrections
only add stays, the threshold and how each network's numbers are rounded. What he does not know are
whole numbers, at least 0, and he narrows each by linear programming and then in integers.
"""

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, linprog, milp

PARTS = ("not-in-denominator", "excluded", "excepted", "met", "gap")
MADE_OF = {
    "initial-population": PARTS,
    "denominator": PARTS[1:],
    "denominator-exclusion": ("excluded",),
    "denominator-exception": ("excepted",),
    "numerator": ("met",),
    "urn:weir:eligible": ("met", "gap"),
}
Variable = tuple[str, ...]  # what is counted: a block's name, then the part
Terms = dict[Variable, int]


@dataclass(frozen=True)
class Rounded:
    """How the numbers of a network are to be read."""

    threshold: int
    base: int
    nearest: bool = False

    def interval(self, shown: int) -> tuple[float, float]:
        if shown == 0:
            return 0, 0
        down = self.base // 2 if self.nearest else self.base - 1
        up = (self.base - 1) // 2 if self.nearest else self.base - 1
        smallest = -(-self.threshold // self.base) * self.base
        low = self.threshold if shown <= smallest else shown - down
        return max(self.threshold, low), shown + up


@dataclass
class Attacker:
    """What he has written down: sums of unknowns between bounds, each unknown at least 0."""

    rows: list[tuple[Terms, float, float]] = field(default_factory=list)

    def read(self, body: bytes, block: Sequence[str], rounded: Rounded) -> None:
        """Write down the counts of a report; its groups' blocks are named `*block, group`, those
        of its strata `*block, group/stratifier/value`."""
        for name, group in _blocks(json.loads(body)["group"]):
            told = [(each["url"], each.get("valueInteger")) for each in group.get("extension", [])]
            told += [
                (each["code"]["coding"][0]["code"], each.get("count"))
                for each in group["population"]
            ]
            for code, count in told:
                if count is not None:
                    terms = {(*block, name, part): 1 for part in MADE_OF[code]}
                    self.rows.append((terms, *rounded.interval(count)))

    def knows(self, terms: Terms, low: float = 0, high: float = 0) -> None:
        """Write down what holds of every hospital."""
        self.rows.append((terms, low, high))

    def adds_up(self, total: Sequence[str], parts: Sequence[Sequence[str]]) -> None:
        """Blocks that are another one's in pieces: strata, or the months of a window."""
        for part in PARTS:
            self.knows({(*total, part): 1} | {(*each, part): -1 for each in parts})

    def same_people(self, one: Sequence[str], other: Sequence[str]) -> None:
        """Two blocks that share all but the numerator."""
        for part in PARTS[:3]:
            self.knows({(*one, part): 1, (*other, part): -1})
        self.knows({(*one, "met"): 1, (*one, "gap"): 1, (*other, "met"): -1, (*other, "gap"): -1})

    def within(self, inner: Terms, outer: Terms) -> None:
        """The first counts some of those whom the second counts."""
        self.knows(outer | {name: -times for name, times in inner.items()}, 0, np.inf)

    def part_of(self, name: Variable) -> "Attacker":
        """Only what has to do with a variable, however indirectly."""
        mine, left = {name}, list(self.rows)
        chosen: list[tuple[Terms, float, float]] = []
        grew = True
        while grew:
            touching = [row for row in left if not mine.isdisjoint(row[0])]
            left = [row for row in left if mine.isdisjoint(row[0])]
            chosen += touching
            mine.update(*(row[0] for row in touching))
            grew = bool(touching)
        return Attacker(chosen)

    def bounds(self, quantity: Terms) -> tuple[float, float]:
        """The least and the greatest value in whole numbers; linear programming is the first pass.

        Raises ValueError when nothing fits: then he was lied to, or reads wrongly.
        """
        low, high = (self._extreme(quantity, sign, whole=False) for sign in (1, -1))
        if high - low > 30:
            return low, high
        return tuple(self._extreme(quantity, sign, whole=True) for sign in (1, -1))  # type: ignore[return-value]

    def _extreme(self, quantity: Terms, sign: int, whole: bool) -> float:
        names = list(dict.fromkeys(itertools.chain(quantity, *(row[0] for row in self.rows))))
        position = {name: i for i, name in enumerate(names)}
        matrix = np.zeros((len(self.rows), len(names)))
        for i, (terms, _, _) in enumerate(self.rows):
            for name, times in terms.items():
                matrix[i, position[name]] += times
        lows, highs = (np.array([row[i] for row in self.rows]) for i in (1, 2))
        cost = np.zeros(len(names))
        for name, times in quantity.items():
            cost[position[name]] = sign * times
        if whole:
            found = milp(
                cost,
                constraints=LinearConstraint(matrix, lows, highs),
                integrality=np.ones(len(names)),
                bounds=Bounds(0, np.inf),
            )
        else:
            finite = np.isfinite(highs)
            found = linprog(
                cost,
                A_ub=np.vstack([matrix[finite], -matrix]),
                b_ub=np.concatenate([highs[finite], -lows]),
                bounds=(0, None),
            )
        if found.status in (3, 4):  # unbounded
            return -sign * np.inf
        if found.status != 0:
            raise ValueError(f"nothing fits what was told: {found.message}")
        return sign * found.fun


def _blocks(groups: Sequence[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for group in groups:
        yield group["id"], group
        for stratifier in group.get("stratifier", []):
            for stratum in stratifier["stratum"]:
                value = stratum["value"]["coding"][0]["code"]
                yield f"{group['id']}/{stratifier['id']}/{value}", stratum


INSIDE = ("denominator-exclusion", "numerator", "denominator-exception")


def candidates(
    block: Mapping[str, int | None], threshold: int, base: int, largest: int
) -> Mapping[str, frozenset[int]]:
    """For one group, every value that each quantity may have, by trying all whole numbers."""

    def possible(code: str, bound: int) -> Sequence[int]:
        value = block.get(code, 0)
        if value is None:
            return range(bound + 1)
        low, high = max(threshold, value - base + 1), value + base - 1
        return range(low, min(high, bound) + 1) if value else (0,)

    # What is in the denominator beyond the gap, by its total: triples that share one are alike.
    triples: dict[int, set[tuple[int, ...]]] = {}
    for inside in itertools.product(*(possible(code, largest) for code in INSIDE)):
        triples.setdefault(sum(inside), set()).add(inside)
    found: dict[str, set[int]] = {}

    def add(name: str, value: int) -> None:
        found.setdefault(name, set()).add(value)

    fitting: set[int] = set()
    for initial in possible("initial-population", largest):
        for denominator in possible("denominator", initial):
            totals = [total for total in triples if total <= denominator]
            for total in totals:
                add("gap", denominator - total)
            if totals:
                add("initial-population", initial)
                add("denominator", denominator)
                add("not in denominator", initial - denominator)
            fitting.update(totals)
    for inside in itertools.chain.from_iterable(triples[total] for total in fitting):
        for code, value in zip(INSIDE, inside, strict=True):
            add(code, value)
    return {name: frozenset(values) for name, values in found.items()}
