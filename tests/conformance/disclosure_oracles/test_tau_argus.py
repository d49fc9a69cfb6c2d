"""Tau-Argus agrees on what a reader can reckon from a release, and on what has to be hidden.

It knows nothing of Weir: each release is handed to it as a table, with what every reader knows.
"""

import math
import random
from pathlib import Path

import pytest

from service.disclosure import Policy, Published, parse_policy, protect
from service.disclosure.audit import Audit
from service.disclosure.system import system_of
from service.disclosure.table import Hidden
from tests.conformance.disclosure_oracles.crossed import Crossed, Place
from tests.conformance.disclosure_oracles.tau_argus import Cell, also_hidden, intervals

pytest.importorskip("pytauargus", reason="there is no build of tau-Argus for this machine")

KEY = b"one hospital's secret for rounding"
MANY = 100  # values of a quantity; what has more is not told apart
DEFAULT = parse_policy(
    b"""
    network = "oracle"
    version = "1"
    legal_basis = "published tables"
    [[release]]
    measure = "urn:crossed"
    window = "month"
    from = "2026-01"
    to = "2026-12"
    """
)
EXACT = DEFAULT.model_copy(update={"rounding": 1})  # complementary suppression, and no more

# microdata1 of the R package sdcTable, region by gender. Its tests say what each method hides.
REGIONS = Crossed(
    {
        ("A", "male"): 18,
        ("A", "female"): 2,
        ("B", "male"): 14,
        ("B", "female"): 19,
        ("C", "male"): 12,
        ("C", "female"): 10,
        ("D", "male"): 11,
        ("D", "female"): 14,
    }
)
SMALL = ("A", "female")
PUBLISHED = {("A", "male"), ("C", "male"), ("C", "female")}

# The example of PCORnet's data committee: from 1000 and 995 excluded anyone has the 5.
EXCLUDED = Crossed({("excluded",): 995, ("left",): 5})


def made_up(seed: int) -> Crossed:
    chance = random.Random(seed)
    counts = (0, 3, 8, 14, 20, 35)
    return Crossed({(row, column): chance.choice(counts) for row in "ABC" for column in "xyz"})


TABLES = {"regions": REGIONS, "excluded": EXCLUDED} | {
    f"made up {seed}": made_up(seed) for seed in range(5)
}


def small(table: Crossed, threshold: int) -> set[Place]:
    return {place for place in table.places if 0 < table.count(place) < threshold}


def planned(table: Crossed, unsafe: set[Place], also: set[Place], protection: int) -> list[Cell]:
    """A table before publication: readers know no more than that counts are not negative."""
    return [
        Cell(
            table.count(place),
            low=0,
            high=10 * table.count(table.places[0]),
            status="u" if place in unsafe else "m" if place in also else "s",
            protection=protection if place in unsafe else 0,
        )
        for place in table.places
    ]


def read(table: Crossed, release: Published, base: int) -> list[Cell]:
    """A release as its reader has it: each count between what its number may stand for."""
    told = (release.cells[table.name(place)] for place in table.places)
    bounds = [stands_for(number, release.reading.threshold, base) for number in told]
    most = 10 * table.count(table.places[0])
    counts = [table.count(place) for place in table.places]
    return [
        Cell(n, low, min(high, most), "m") for n, (low, high) in zip(counts, bounds, strict=True)
    ]


def stands_for(number: int | Hidden, threshold: int, base: int) -> tuple[int, float]:
    if isinstance(number, Hidden):
        return 0, math.inf
    return (max(threshold, number - base + 1), number + base - 1) if number else (0, 0)


def hidden(table: Crossed, release: Published) -> set[Place]:
    return {p for p in table.places if release.cells[table.name(p)] is Hidden.SUPPRESSED}


def loss(table: Crossed, places: set[Place]) -> int:
    return sum(map(table.count, places))


def test_it_hides_what_was_published(tmp_path: Path) -> None:
    found = also_hidden(planned(REGIONS, {SMALL}, set(), 1), REGIONS.sums, tmp_path)
    assert {REGIONS.places[i] for i in found} == PUBLISHED
    cells = planned(REGIONS, {SMALL}, PUBLISHED, 1)
    assert intervals(cells, REGIONS.sums, tmp_path)[REGIONS.number[SMALL]] == (0, 12)


def test_it_sees_through_a_threshold_alone(tmp_path: Path) -> None:
    cells = planned(REGIONS, {SMALL}, set(), 1)
    assert intervals(cells, REGIONS.sums, tmp_path)[REGIONS.number[SMALL]] == (2, 2)


def test_without_rounding_weir_hides_a_little_more_and_exposes_less(tmp_path: Path) -> None:
    exact = EXACT.model_copy(update={"threshold": 3})
    [release] = protect([REGIONS.table], exact, KEY)
    also = hidden(REGIONS, release) - {SMALL}
    assert (loss(REGIONS, PUBLISHED), loss(REGIONS, also)) == (40, 43)
    told = intervals(read(REGIONS, release, 1), REGIONS.sums, tmp_path)
    assert told[REGIONS.number[SMALL]] == (0, 16)


def test_with_rounding_weir_hides_nothing_more() -> None:
    [release] = protect([REGIONS.table], DEFAULT, KEY)
    assert hidden(REGIONS, release) == small(REGIONS, 11) == {SMALL, ("C", "female")}


@pytest.mark.parametrize("policy", [DEFAULT, EXACT], ids=["rounded", "exact"])
@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_readers_are_left_with_what_the_audit_says(
    table: Crossed, policy: Policy, tmp_path: Path
) -> None:
    [release] = protect([table.table], policy, KEY)
    found = intervals(read(table, release, policy.rounding), table.sums, tmp_path)
    audit = Audit(system_of([release]), MANY, policy.threshold)
    masks = {told.name: told.mask for told in audit.system.statements}
    places = small(table, policy.threshold)
    assert places
    for place in places:
        low, high = found[table.number[place]]
        assert low <= table.count(place) <= high
        assert high - low + 1 >= policy.candidates
        quantity = audit.quantities.index(masks[table.name(place)])
        assert min(high - low + 1, MANY) == min(audit.values(quantity), MANY)
