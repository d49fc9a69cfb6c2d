"""The search for proof has a budget: what is not proven when it is spent is not shown."""

import random
from collections.abc import Sequence
from datetime import date

import pytest

from service.disclosure import Group, Hidden, Member, Published, Table, parse_policy, protect
from service.errors import DisclosureError

KEY = bytes(range(32))
MONTH = (date(2026, 1, 1), date(2026, 1, 31))
POLICY = parse_policy(
    b"""
    network = "test"
    version = "1"
    legal_basis = "test"
    [[release]]
    measure = "http://example.org/m"
    window = "month"
    from = "2026-01"
    to = "2026-12"
    """
)


def overlapping(measures: int, patients: int) -> list[Table]:
    """Measures of one month whose denominators are parts of each other, or share patients."""
    chance = random.Random(2026)
    everyone = [Member(f"p{i}", f"p{i}") for i in range(patients)]
    traits = [{who for who in everyone if chance.random() < 0.5} for _ in range(5)]
    tables = []
    for i in range(measures):
        one, other = traits[i % 5], traits[(3 * i + 2) % 5]
        denominator = frozenset((one, one & other, one | other)[i % 3])
        numerator = frozenset(who for who in sorted(denominator) if chance.random() < 0.8)
        group = {"denominator": denominator, "numerator": numerator}
        tables.append(Table(f"http://example.org/m{i}", "1.0", MONTH, (Group("g", group),)))
    return tables


def numbers(told: Sequence[Published]) -> int:
    return sum(cell is not Hidden.SUPPRESSED for each in told for cell in each.cells.values())


def test_twenty_overlapping_measures_are_proven_within_the_budget() -> None:
    told = protect(overlapping(20, 150), POLICY, KEY)
    assert not any(each.unproven for each in told)
    assert numbers(told) >= 50  # of 60


@pytest.mark.full
def test_sixty_overlapping_measures_are_done_in_a_minute_or_so() -> None:
    told = protect(overlapping(60, 300), POLICY, KEY)
    assert numbers(told) >= 120  # of 180


def test_without_a_step_what_is_not_safe_at_sight_is_hidden() -> None:
    """Whoever cannot be proven safe is taken out of every number; no search is needed for that."""
    tables = overlapping(4, 60)
    told = protect(tables, POLICY, KEY, steps=0)
    assert all(each.unproven for each in told)
    assert numbers(told) < numbers(protect(tables, POLICY, KEY))
    assert told == protect(tables, POLICY, KEY, steps=0)


def test_when_earlier_releases_leave_it_open_nothing_is_released() -> None:
    """What is sent already cannot be taken out, so without a search nothing can be said of it."""
    tables = overlapping(4, 60)
    history = protect(tables[:2], POLICY, KEY)
    with pytest.raises(DisclosureError, match="could not be proven"):
        protect(tables[2:], POLICY, KEY, history, steps=0)
