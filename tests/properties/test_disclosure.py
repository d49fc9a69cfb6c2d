"""What disclosure control guarantees of one release, tried on random tables."""

import random
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.disclosure import (
    Group,
    Hidden,
    Mark,
    Marker,
    Member,
    Policy,
    Table,
    parse_policy,
    protect,
)
from tests.properties import attacker
from tests.properties.tables import tables

KEY = bytes(range(32))
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
Name = tuple[str, str]
Report = Mapping[Name, int | None]  # None: suppressed


def truth_of(table: Table) -> dict[Name, frozenset[Member]]:
    return {(g.id, code): each for g in table.groups for code, each in g.cells.items()}


def report_of(table: Table, policy: Policy = POLICY, key: bytes = KEY) -> Report:
    (release,) = protect([table], policy, key)
    return {n: None if cell is Hidden.SUPPRESSED else cell for n, cell in release.cells.items()}


@given(tables())
def test_a_number_is_zero_or_a_multiple_near_the_truth_and_never_small(table: Table) -> None:
    truth = truth_of(table)
    for name, value in report_of(table).items():
        patients = {member.patient for member in truth[name]}
        if value is not None:
            assert value == 0 or value >= 12
            assert value % 3 == 0
            assert abs(value - len(truth[name])) < 3
        if 0 < len(patients) < 11:
            assert value is None
        if not patients:
            assert value == 0


@given(tables(components=0, units=False))
@settings(max_examples=60)
def test_every_small_quantity_keeps_many_candidates(table: Table) -> None:
    truth = {code: each for (_, code), each in truth_of(table).items()}
    block = {code: value for (_, code), value in report_of(table).items()}
    largest = len(truth["initial-population"]) + 3
    if largest > 60:
        return  # trying all whole numbers takes too long
    gap = truth["denominator"] - truth["denominator-exclusion"]
    truth["gap"] = gap - truth["denominator-exception"] - truth["numerator"]
    truth["not in denominator"] = truth["initial-population"] - truth["denominator"]
    for name, found in attacker.candidates(block, 11, 3, largest).items():
        true = len(truth[name])
        assert true in found, "the reader is sound: the truth is always possible"
        assert not 0 < true < 11 or len(found) >= 5


@given(tables(components=0, units=False), st.integers(0, 5_000))
@settings(max_examples=60)
def test_with_few_steps_to_search_more_is_hidden_and_nothing_unsafe_is_shown(
    table: Table, steps: int
) -> None:
    truth = {code: each for (_, code), each in truth_of(table).items()}
    (told,) = protect([table], POLICY, KEY, steps=steps)
    block = {code: c if isinstance(c, int) else None for (_, code), c in told.cells.items()}
    assert protect([table], POLICY, KEY, steps=steps) == [told]
    largest = len(truth["initial-population"]) + 3
    if largest > 60:
        return  # trying all whole numbers takes too long
    gap = truth["denominator"] - truth["denominator-exclusion"]
    truth["gap"] = gap - truth["denominator-exception"] - truth["numerator"]
    truth["not in denominator"] = truth["initial-population"] - truth["denominator"]
    for name, found in attacker.candidates(block, 11, 3, largest).items():
        assert not 0 < len(truth[name]) < 11 or len(found) >= 5


@given(tables(), st.randoms(use_true_random=False))
@pytest.mark.full
def test_the_value_depends_on_the_set_alone(table: Table, chance: random.Random) -> None:
    """Not on order, on labels, on the measure, on the period or on the run."""
    renamed = Table(
        "http://example.org/other",
        "2.0",
        table.period,
        tuple(
            Group(f"other-{group.id}", dict(chance.sample(list(group.populations.items()), 5)))
            for group in table.groups
        ),
    )
    again = report_of(renamed)
    for (group, code), value in report_of(table).items():
        assert again[f"other-{group}", code] == value


@given(tables(), st.integers(0, 2**32))
@pytest.mark.full
def test_renaming_patients_changes_no_byte_but_for_the_key(table: Table, seed: int) -> None:
    """With marks that follow the patient whatever he is called, nothing else remains."""
    chance = random.Random(seed)
    everyone = sorted({member for members in truth_of(table).values() for member in members})
    patients = sorted({member.patient for member in everyone})
    names = dict(zip(patients, chance.sample(range(10_000), len(patients)), strict=True))
    other = {m: Member(f"x{names[m.patient]}", f"{m.unit[::-1]}") for m in everyone}
    back = {new: old for old, new in other.items()}
    renamed = Table(
        table.measure,
        table.version,
        table.period,
        tuple(
            Group(g.id, {c: frozenset(other[m] for m in each) for c, each in g.populations.items()})
            for g in table.groups
        ),
    )
    before = protect([table], POLICY, KEY)
    mark = Marker.mark

    def follow(self: Marker, member: Member) -> Mark:
        return mark(self, back[member])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Marker, "mark", follow)
        assert protect([renamed], POLICY, KEY) == before


@given(
    tables(),
    st.fixed_dictionaries(
        {
            "threshold": st.integers(11, 30),
            "rounding": st.integers(3, 10),
            "candidates": st.integers(5, 9),
            "max_share": st.floats(0.05, 0.5),
            "zeros": st.sampled_from(["show", "hide"]),
        }
    ),
)
@pytest.mark.full
def test_a_stricter_policy_never_shows_more(table: Table, stricter: Mapping[str, object]) -> None:
    rounding = max(int(str(stricter["rounding"])), (int(str(stricter["candidates"])) + 2) // 2)
    tightened = POLICY.tightened(**{**stricter, "rounding": rounding})
    lax, strict = report_of(table), report_of(table, tightened)
    assert {n for n, v in strict.items() if v is not None} <= {
        n for n, v in lax.items() if v is not None
    }


@given(tables())
def test_hidden_is_a_token_of_its_own_and_every_population_is_there(table: Table) -> None:
    (protected,) = protect([table], POLICY, KEY)
    assert set(protected.cells) == {(g.id, code) for g in table.groups for code in g.cells}
    for cell in protected.cells.values():
        assert cell is Hidden.SUPPRESSED or type(cell) is int


@pytest.mark.parametrize(
    ("block", "quantity"),
    [
        ({"initial-population": 43, "denominator": 43, "numerator": 41}, "gap"),
        ({"initial-population": 1000, "denominator": 995}, "not in denominator"),
    ],
)
def test_the_reader_pins_what_exact_counts_reveal(block: Mapping[str, int], quantity: str) -> None:
    found = attacker.candidates(block, threshold=1, base=1, largest=1000)
    assert len(found[quantity]) == 1
