"""Which quantities an audit looks at: all that count few patients, by the definition itself."""

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.disclosure import Group, Hidden, Mark, Member, Published, Table, protect
from service.disclosure import system as system_file
from service.disclosure.audit import Audit
from service.disclosure.proof import Proof
from service.disclosure.published import Name
from service.disclosure.system import System, bits, system_of
from service.disclosure.verification import verified
from tests.properties.tables import tables
from tests.properties.test_disclosure import KEY, POLICY
from tests.spec.disclosure.test_steps import numbers, overlapping

THRESHOLD, VALUES = POLICY.threshold, POLICY.candidates
Marks = frozenset[Mark]


@st.composite
def worlds(draw: st.DrawFn) -> list[Published]:
    """Releases of some of the same patients, who have one to three records each."""
    count = draw(st.integers(1, 3))
    return protect([draw(tables(components=1)) for _ in range(count)], POLICY, KEY)


def by_definition(releases: Sequence[Published]) -> list[Marks]:
    """Every cell, part of a release and difference of two of these that counts few patients."""
    told = [each.members[name] for each in releases for name in each.members]
    cells = list(dict.fromkeys(filter(None, [*told, *parts(releases)])))
    both = [*cells, *(one - other for one in cells for other in cells)]
    return [each for each in dict.fromkeys(both) if 0 < len({m.patient for m in each}) < THRESHOLD]


def parts(releases: Sequence[Published]) -> Iterator[Marks]:
    """Who in a release is in the same of its cells."""
    for each in releases:
        inside: dict[frozenset[Name], set[Mark]] = {}
        for mark in each.everyone:
            names = frozenset(name for name, who in each.members.items() if mark in who)
            inside.setdefault(names, set()).add(mark)
        yield from map(frozenset, inside.values())


@given(worlds())
@settings(max_examples=60, derandomize=True, deadline=None)
def test_the_audit_looks_at_all_and_at_no_others(releases: list[Published]) -> None:
    system = system_of(releases)
    atoms = [atom_of(system, releases, i) for i in range(len(system.counts))]
    found = [frozenset().union(*(atoms[i] for i in bits(mask))) for mask in system.small(THRESHOLD)]
    assert set(found) == set(by_definition(releases)) and len(set(found)) == len(found)


def atom_of(system: System, releases: Sequence[Published], number: int) -> Marks:
    """Who is in the same cells as the atom's example."""

    def where(mark: Mark) -> list[bool]:
        return [mark in who for each in releases for who in each.members.values()]

    everyone: Marks = frozenset().union(*(each.everyone for each in releases))
    example = where(system.examples[number])
    return frozenset(mark for mark in everyone if where(mark) == example)


@given(worlds())
@settings(max_examples=30, derandomize=True, deadline=None)
@pytest.mark.full
def test_the_second_look_misses_none_of_them(releases: list[Published]) -> None:
    """Of each quantity in turn the tables are taken away that give it another value."""
    audit = Audit(system_of(releases), VALUES, THRESHOLD)
    whole = audit.proof()
    assert verified(releases, whole, THRESHOLD, VALUES)
    for quantity in by_definition(releases):
        mine = [mark for mark in whole.tables[0] if mark in quantity]
        sizes = [sum(table[mark] for mark in mine) for table in whole.tables]
        kept = [table for table, size in zip(whole.tables, sizes, strict=True) if size == sizes[0]]
        assert not verified(releases, Proof(tuple(kept), whole.known), THRESHOLD, VALUES)


def test_where_there_are_too_many_nothing_new_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is anything searched for: who says nothing adds nothing to what was told before."""
    world = overlapping(6, 60)
    history = protect(world[:2], POLICY, KEY)
    assert numbers(history) > 0
    monkeypatch.setattr(system_file, "MOST", 3)
    told = protect(world[2:], POLICY, KEY, history)
    assert numbers(told) == 0 and all(each.unproven for each in told)
    assert {cell for each in told for cell in each.cells.values()} == {Hidden.SUPPRESSED}


def test_releases_that_share_nobody_do_not_suffer_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    crowded, alone = overlapping(6, 60), renamed(overlapping(1, 60)[0])
    expected = protect([alone], POLICY, KEY)
    monkeypatch.setattr(system_file, "MOST", 3)
    *hidden, told = protect([*crowded, alone], POLICY, KEY)
    assert numbers(hidden) == 0 < numbers(expected) and [told] == expected


def renamed(table: Table) -> Table:
    """The same of other patients, as another measure."""
    (group,) = table.groups
    others = {
        code: frozenset(Member(f"other-{each.patient}", each.unit) for each in who)
        for code, who in group.populations.items()
    }
    return Table("http://example.org/alone", "1.0", table.period, (Group(group.id, others),))
