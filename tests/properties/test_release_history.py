"""An attacker reads all that a site ever sent: months, corrections, windows, two networks."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.disclosure import Group, Mark, Member, Policy, Reading, Table, protection
from service.disclosure.system import System, bits
from service.measure import summary
from service.measure.completeness import COMPLETE
from service.site import protect as site_protect
from service.site import resubmission
from service.site.history import Remembered
from service.site.protect import Outcome
from tests import releases
from tests.properties import hospital
from tests.properties.attacker import PARTS, Attacker, Rounded, Terms
from tests.properties.hospital import GROUPS, OVERALL, STRATA, Letter, Stay

ROUNDED = {"monthly": Rounded(11, 3), "quarterly": Rounded(11, 5)}
K, CANDIDATES = 11, 5
SEEDS = range(1, 9)
Mutant = Callable[[pytest.MonkeyPatch], Mapping[str, Rounded]]


@dataclass(frozen=True)
class Narrowed:
    """A count of a few patients that the attacker knows better than he should."""

    quantity: Terms
    truth: int
    low: float
    high: float


def block(month: int, made: int) -> tuple[str, str]:
    return str(month), str(made)


def reader(letters: Sequence[Letter], rounded: Mapping[str, Rounded] = ROUNDED) -> Attacker:
    """All that he writes down. What was sent in one month's run was true at one time."""
    attacker = Attacker()
    for letter in letters:
        name = block(letter.window[0], letter.made)
        if len(letter.window) > 1:
            name = ("+".join(map(str, letter.window)), str(letter.made))
        assert letter.outcome.release
        attacker.read(letter.outcome.release.body, name, rounded[letter.network])
    _know_the_world(attacker, letters)
    return attacker


def _know_the_world(attacker: Attacker, letters: Sequence[Letter]) -> None:
    quarters = {letter.window for letter in letters if len(letter.window) > 1}
    months = {month for letter in letters for month in letter.window}
    for month in sorted(months):
        mine = {letter.made for letter in letters if month in letter.window}
        times = sorted(mine)
        for made in times:
            _know_a_block(attacker, block(month, made))
        for before, after in zip(times, times[1:], strict=False):
            for group in GROUPS:  # corrections only add stays
                for part in PARTS:
                    attacker.within(
                        {(*block(month, before), group, part): 1},
                        {(*block(month, after), group, part): 1},
                    )
    for quarter in quarters:
        for made in sorted({each.made for each in letters if each.window == quarter}):
            whole = ("+".join(map(str, quarter)), str(made))
            for group in GROUPS:
                parts = [(*block(month, made), group) for month in quarter]
                attacker.adds_up((*whole, group), parts)


def _know_a_block(attacker: Attacker, name: tuple[str, str]) -> None:
    attacker.same_people((*name, "composite"), (*name, "drinking"))
    attacker.adds_up((*name, "composite"), [(*name, stratum) for stratum in STRATA])
    attacker.within({(*name, "composite", "met"): 1}, {(*name, "drinking", "met"): 1})


def quantities(
    letters: Sequence[Letter], stays: Sequence[Stay]
) -> Iterator[tuple[Terms, list[Stay]]]:
    """What he would like to know, with who is truly in it."""
    for letter in letters:
        for group in GROUPS:
            for month in letter.window:
                yield from _of_a_month(month, letter.made, group, stays)
    for earlier in letters:
        for later in (each for each in letters if each.window == earlier.window):
            if len(later.window) == 1 and later.made > earlier.made:
                yield from _corrections(earlier, later, stays)


def _of_a_month(
    month: int, made: int, group: str, stays: Sequence[Stay]
) -> Iterator[tuple[Terms, list[Stay]]]:
    parts = hospital.counted(stays, (month,), made, group)
    for chosen in (*((part,) for part in PARTS), PARTS, PARTS[1:], ("met", "gap")):
        terms = {(*block(month, made), group, part): 1 for part in chosen}
        yield terms, [stay for part in chosen for stay in parts.get(part, [])]
    if group == "drinking":
        composite = (*block(month, made), "composite", "met")
        terms = {(*block(month, made), "drinking", "met"): 1, composite: -1}
        yield terms, [stay for stay in parts.get("met", []) if not stay.did_all]


def _corrections(
    earlier: Letter, later: Letter, stays: Sequence[Stay]
) -> Iterator[tuple[Terms, list[Stay]]]:
    (month,) = later.window
    for group in OVERALL:
        before = hospital.counted(stays, (month,), earlier.made, group)
        after = hospital.counted(stays, (month,), later.made, group)
        for part in PARTS:
            terms = {
                (*block(month, later.made), group, part): 1,
                (*block(month, earlier.made), group, part): -1,
            }
            yield terms, [one for one in after.get(part, []) if one not in before.get(part, [])]


def narrowed(
    letters: Sequence[Letter], stays: Sequence[Stay], attacker: Attacker
) -> Iterator[Narrowed]:
    """Every count of 1 to 10 patients with fewer possible values than it should have.

    Asserts on the way that he reads rightly: the truth is always possible.
    """
    parts: dict[frozenset[object], Attacker] = {}
    seen = set()
    for terms, who in quantities(letters, stays):
        key = frozenset(terms.items())
        if key in seen or not 0 < len({stay.patient for stay in who}) < K:
            continue
        seen.add(key)
        name = next(iter(terms))
        part = next((each for names, each in parts.items() if name in names), None)
        if part is None:
            part = attacker.part_of(name)
            parts[frozenset(each for row in part.rows for each in row[0])] = part
        low, high = part.bounds(terms)
        assert low - 1e-6 <= len(who) <= high + 1e-6, (terms, len(who), low, high)
        if round(high) - round(low) + 1 < CANDIDATES if high < 1e6 else False:
            yield Narrowed(terms, len(who), low, high)


@pytest.mark.full
@pytest.mark.parametrize("seed", [1])
def test_half_a_year_with_corrections_strata_quarters_and_two_networks(seed: int) -> None:
    _withstands(seed, months=6)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(2, 5))
def test_two_years(seed: int) -> None:
    _withstands(seed, months=24)


def _withstands(seed: int, months: int) -> None:
    stays = hospital.stays(seed, months)
    sent = hospital.letters(stays, months)
    assert {letter.network for letter in sent} == {"monthly", "quarterly"}
    corrected = [each for each in sent if each.made > each.window[-1]]
    assert corrected and {len(each.window) for each in sent} == {1, 3}
    assert not list(narrowed(sent, stays, reader(sent)))


# Protectors that are wrong in the ways that are usual. The attacker must see through each of them.


def exact(patch: pytest.MonkeyPatch, *bases: int) -> None:
    """Counts are not rounded for the networks with these bases, and the schema is not asked."""
    honest = protection.rounded

    def as_it_is(marks: frozenset[Mark], reading: Reading, key: bytes) -> int:
        return len(marks) if reading.base in bases else honest(marks, reading, key)

    patch.setattr(protection, "rounded", as_it_is)
    patch.setattr(summary, "parse", lambda body: None)
    patch.setattr(site_protect, "_check", lambda body, published: None)
    patch.setattr(Remembered, "completeness", COMPLETE)


def threshold_only(patch: pytest.MonkeyPatch) -> Mapping[str, Rounded]:
    """Hides small populations and forgets that the others can be subtracted."""
    exact(patch, 3, 5)
    patch.setattr(protection, "_audited", lambda drafts, *others: list(drafts))
    return {"monthly": Rounded(11, 1), "quarterly": Rounded(11, 1)}


def rounds_only(patch: pytest.MonkeyPatch) -> Mapping[str, Rounded]:
    """Leaves it to rounding."""
    patch.setattr(protection, "_audited", lambda drafts, *others: list(drafts))
    return ROUNDED


def forgets_the_gap(patch: pytest.MonkeyPatch) -> Mapping[str, Rounded]:
    """Looks at populations, and not at what is left of them."""
    patch.setattr(System, "small", populations_only)
    patch.setattr(protection, "verified", lambda *anything: True)
    return ROUNDED


def populations_only(system: System, threshold: int) -> list[int]:
    return [
        mask
        for mask in system.masks
        if len(frozenset().union(*(system.patients[i] for i in bits(mask)))) < threshold
    ]


def exact_and_rounded(patch: pytest.MonkeyPatch) -> Mapping[str, Rounded]:
    """Gives one network exact counts, and reckons with what it should have given."""
    exact(patch, 5)
    patch.setattr(protection, "verified", lambda *anything: True)
    return ROUNDED | {"quarterly": Rounded(11, 1)}


def without_history(patch: pytest.MonkeyPatch) -> Mapping[str, Rounded]:
    """Protects each release as if it were the first."""

    def forgetful(tables: list[Table], policy: Policy, key: bytes, history: object) -> object:
        return protection.protect(tables, policy, key)

    patch.setattr(site_protect.disclosure, "protect", forgetful)
    return ROUNDED


@pytest.mark.parametrize(
    "mutant",
    [
        threshold_only,
        rounds_only,
        exact_and_rounded,
        pytest.param(forgets_the_gap, marks=pytest.mark.full),
        pytest.param(without_history, marks=pytest.mark.full),
    ],
)
def test_he_sees_through_a_wrong_protector(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    rounded = mutant(monkeypatch)
    assert any(_caught(seed, rounded) for seed in SEEDS)


def _caught(seed: int, rounded: Mapping[str, Rounded]) -> bool:
    stays = hospital.stays(seed, 6)
    sent = hospital.letters(stays, 6)
    return any(True for _ in narrowed(sent, stays, reader(sent, rounded)))


changes = st.lists(
    st.tuples(st.integers(0, 89), st.sampled_from(["leaves", "is met", "is not met", "is new"])),
    min_size=1,
    max_size=10,
    unique_by=lambda change: change[0],
)


def world(change: Mapping[int, str]) -> Outcome:
    """The readmission measure told of 90 patients, and again after a few of them changed."""
    first = releases.outcome(counts=(90, 15, 30))
    assert first.release
    result = first.result
    (group,) = result.table.groups
    after = {code: set(members) for code, members in group.populations.items()}
    for number, what in change.items():
        who = Member(f"patient-{number}", f"Encounter/stay-{number}")
        for code in ("initial-population", "denominator"):
            if what == "leaves":
                after[code].discard(who)
            if what == "is new":
                after[code].add(Member(f"other-{number}", "Encounter/other"))
        if what in ("leaves", "is not met"):
            after["numerator"].discard(who)
        elif what == "is met":
            after["numerator"].add(who)
    changed = Group(group.id, {code: frozenset(members) for code, members in after.items()})
    table = replace(result.table, groups=(changed,))
    (again,) = site_protect.protect(
        [replace(result, table=table)], releases.origin(), [first.release.memory]
    )
    return again


@given(changes)
def test_neighbours_are_silent(change: list[tuple[int, str]]) -> None:
    """Whatever up to ten patients do, not a byte of it leaves."""
    quiet, told = world({}), world(dict(change))
    assert quiet.release and told.release
    assert (told.release.key, told.release.body) == (quiet.release.key, quiet.release.body)


def test_they_are_not_where_changes_are_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resubmission, "changed", lambda before, after: 1000)
    told = [world(dict.fromkeys(range(60, 60 + count), "is met")) for count in range(1, 11)]
    assert len({each.release.body for each in told if each.release}) > 1


@pytest.mark.full
def test_the_same_records_have_the_same_letters_on_every_run_and_machine() -> None:
    """In another process, with another seed for hashes, nothing differs."""
    code = (
        "import hashlib;from tests.properties import hospital as h;"
        "print(hashlib.sha256(b''.join(l.outcome.release.body"
        " for l in h.letters(h.stays(1, 4), 4))).hexdigest())"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(told) == 1
