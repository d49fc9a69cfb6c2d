"""Small counts are hidden, and what subtraction says of them is left in the dark."""

from collections.abc import Mapping
from datetime import date
from types import SimpleNamespace

import highspy
import pytest

from service.disclosure import (
    Cell,
    Group,
    Hidden,
    Member,
    Policy,
    Published,
    Table,
    mending,
    parse_policy,
    protect,
)
from service.disclosure.audit import Audit
from service.errors import DisclosureError
from tests.properties import attacker
from tests.sampling import sampled

SUPPRESSED = Hidden.SUPPRESSED
KEYS = [bytes([i]) * 32 for i in range(40)]
POLICY = parse_policy(
    b"""
    network = "test"
    version = "1"
    legal_basis = "test"
    sensitive = ["http://example.org/sensitive"]
    [[release]]
    measure = "http://example.org/m"
    window = "month"
    from = "2026-01"
    to = "2026-12"
    """
)


def patients(first: int, last: int) -> frozenset[Member]:
    """Patients numbered from first to last, both included; each is one unit."""
    return frozenset(Member(f"p{i}", f"p{i}") for i in range(first, last + 1))


NOBODY = patients(1, 0)
Populations = Mapping[str, frozenset[Member]]


def table(*groups: Populations, month: int = 1, measure: str = "http://example.org/m") -> Table:
    period = (date(2026, month, 1), date(2026, month, 28))
    named = tuple(Group(f"g{i}", populations) for i, populations in enumerate(groups))
    return Table(measure, "1.0", period, named)


def shown(*groups: Populations, policy: Policy = POLICY, key: bytes = KEYS[0]) -> dict[str, Cell]:
    """The cells of the first group."""
    (one,) = protect([table(*groups)], policy, key)
    return {code: cell for (group, code), cell in one.cells.items() if group == "g0"}


def hidden(*groups: Populations, policy: Policy = POLICY, key: bytes = KEYS[0]) -> set[str]:
    return {
        code for code, cell in shown(*groups, policy=policy, key=key).items() if cell is SUPPRESSED
    }


@pytest.mark.parametrize("count", [1, 10])
def test_a_small_population_is_hidden(count: int) -> None:
    assert hidden({"initial-population": patients(1, count)}) == {"initial-population"}


def test_eleven_is_not_small_and_is_shown_as_twelve() -> None:
    assert shown({"initial-population": patients(1, 11)}) == {"initial-population": 12}


def test_zero_is_shown_since_it_counts_nobody() -> None:
    group = {"denominator": patients(1, 60), "numerator": NOBODY}
    assert shown(group) == {"eligible": 60, "denominator": 60, "numerator": 0}
    assert hidden(group, policy=POLICY.tightened(zeros="hide")) == {"numerator"}


def test_everybody_is_shown_since_nobody_is_left() -> None:
    """60 of 60: the gap is zero. One set has one number, so the two cannot differ."""
    group = {"denominator": patients(1, 61), "numerator": patients(1, 61)}
    assert len(set(shown(group).values())) == 1


def test_of_a_sensitive_measure_neither_all_nor_none_is_shown() -> None:
    for numerator in (patients(1, 61), NOBODY):
        group = {"denominator": patients(1, 61), "numerator": numerator}
        (one,) = protect([table(group, measure="http://example.org/sensitive")], POLICY, KEYS[0])
        assert one.cells["g0", "numerator"] is SUPPRESSED


def test_patients_are_counted_not_encounters() -> None:
    """Thirty encounters of ten patients."""
    encounters = frozenset(Member(f"p{i % 10}", f"e{i}") for i in range(30))
    assert hidden({"initial-population": encounters}) == {"initial-population"}


def test_one_patient_does_not_stand_for_all() -> None:
    """Twelve patients, of whom one has most of the encounters."""
    others = frozenset(Member(f"p{i}", f"e{i}") for i in range(11))
    one = frozenset(Member("q", f"f{i}") for i in range(12))
    assert hidden({"initial-population": others | one}) == {"initial-population"}
    few = frozenset(Member("q", f"f{i}") for i in range(11))
    assert not hidden({"initial-population": others | few})


@pytest.mark.parametrize("gap", sampled(range(1, 11), 3))
def test_whoever_subtracts_learns_little(gap: int) -> None:
    """Forty of whom a few did not get the care: five values or more are left, or no rate is."""
    group = {"denominator": patients(1, 40), "numerator": patients(1, 40 - gap)}
    for key in KEYS:
        cells = {c: None if n is SUPPRESSED else n for c, n in shown(group, key=key).items()}
        block = {"initial-population": cells["eligible"], **cells}
        found = attacker.candidates(block, 11, 3, 45)["gap"]
        assert gap in found and len(found) >= 5


def test_a_small_gap_does_not_cost_the_rate_as_a_rule() -> None:
    """43 in the denominator, 41 in the numerator: rounding hides which of them it was."""
    group = {"denominator": patients(1, 43), "numerator": patients(1, 41)}
    lost = [key for key in KEYS if hidden(group, key=key)]
    assert len(lost) < len(KEYS) / 2
    assert all(
        hidden(group, key=key) == {"numerator"}
        or "eligible" in hidden(group, key=key)
        or "denominator" in hidden(group, key=key)
        for key in lost
    )


def test_a_few_exclusions_never_cost_the_rate() -> None:
    """Five of eighty are excluded: what a rate needs is withdrawn last."""
    group = {
        "denominator": patients(1, 80),
        "denominator-exclusion": patients(1, 5),
        "numerator": patients(6, 45),
    }
    for key in KEYS:
        assert not {"eligible", "numerator"} & hidden(group, key=key)


def test_exclusions_that_leave_few_tell_little() -> None:
    """1000 less 995 excluded leaves five: PCORnet's example of a count that is derived."""
    group = {"denominator": patients(1, 1000), "denominator-exclusion": patients(1, 995)}
    for key in KEYS:
        told = shown(group, key=key)
        assert told["eligible"] is SUPPRESSED
        whole, excluded = told["denominator"], told["denominator-exclusion"]
        if isinstance(whole, int) and isinstance(excluded, int):
            assert whole + 2 - (excluded - 2) - max(whole - 2 - (excluded + 2), 0) + 1 >= 5


def test_the_same_patients_have_the_same_number_in_every_group() -> None:
    everyone = patients(1, 61)
    one = {"denominator": everyone}
    (told,) = protect([table(one, one)], POLICY, KEYS[0])
    assert len(set(told.cells.values())) == 1


def test_nothing_of_a_table_that_is_not_understood_is_released() -> None:
    with pytest.raises(DisclosureError, match="no place in disclosure control"):
        shown({"denominator": patients(1, 50), "surprise": patients(1, 20)})


def exact(one: Published) -> Published:
    """A history in which too much was told already: exact counts."""
    cells: dict[tuple[str, str], Cell] = {n: len(members) for n, members in one.members.items()}
    reading = one.reading.__class__(1, 1)
    return Published(one.network, one.measure, one.version, one.period, reading, cells, one.members)


def test_of_patients_of_whom_too_much_was_told_nothing_more_is_said() -> None:
    """The first month's gap of three is known; another month's patients do not pay for it."""
    first = {"denominator": patients(1, 40), "numerator": patients(1, 37)}
    second = {"denominator": patients(101, 160), "numerator": patients(101, 130)}
    tables = [table(first), table(second, month=2)]
    history = [exact(protect(tables[:1], POLICY, KEYS[0])[0])]
    told = protect(tables, POLICY, KEYS[0], history)
    assert told[0].cells["g0", "eligible"] is SUPPRESSED
    assert told[0].cells["g0", "denominator"] is SUPPRESSED
    assert SUPPRESSED not in told[1].cells.values()


FEW_MISSED = {"denominator": patients(1, 43), "numerator": patients(1, 38)}


def test_when_the_solver_fails_nothing_is_released(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mending, "MOVES", 0)  # nothing is found without the solver
    monkeypatch.setattr(highspy.Highs, "run", lambda self: highspy.HighsStatus.kError)
    with pytest.raises(DisclosureError, match="nothing is released"):
        shown(FEW_MISSED)


def test_nor_when_it_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it proposes is believed only when it agrees with every number that is shown."""
    monkeypatch.setattr(mending, "MOVES", 0)
    lie = SimpleNamespace(col_value=[7.0, 7.0])
    monkeypatch.setattr(highspy.Highs, "getSolution", lambda self: lie)
    with pytest.raises(DisclosureError, match="nothing is released"):
        shown(FEW_MISSED)


def test_nor_when_the_second_look_finds_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """An audit that calls everything safe without looking is found out."""
    monkeypatch.setattr(Audit, "safe", lambda self, quantity: True)
    with pytest.raises(DisclosureError, match="does not hold"):
        shown(FEW_MISSED)
