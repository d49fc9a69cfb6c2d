"""The second look: does the outcome of an audit hold, reckoned anew and in whole numbers only?

Shares nothing with the audit but the record of what was released and of what was found. It forms
atoms and quantities of its own from whom each number counts, and holds every table that the audit
found against every number that was shown, by rounding it again.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice

from service.disclosure.proof import Proof
from service.disclosure.published import Published
from service.disclosure.rounding import Reading
from service.disclosure.table import Mark

Kind = frozenset[int]  # the cells that a member is in
Kinds = frozenset[Kind]
LOOKED_FOR = 4  # times the threshold: of so many patients, before a difference is formed


def verified(releases: Sequence[Published], proof: Proof, threshold: int, candidates: int) -> bool:
    """Whether every set of 1 to k-1 patients could have ``candidates`` sizes, by this proof."""
    cells = [(each, name) for each in releases for name in each.members]
    kinds = _kinds(each.members[name] for each, name in cells)
    people: dict[Kind, set[int]] = {}
    for mark, kind in kinds.items():
        people.setdefault(kind, set()).add(mark.patient)
    within = [frozenset(kind for kind in people if i in kind) for i in range(len(cells))]
    tables = [{kinds[mark]: count for mark, count in each.items()} for each in proof.tables]
    for table in tables:
        if table.keys() != people.keys() or min(table.values(), default=0) < 0:
            return False
        for (release, name), cell in zip(cells, within, strict=True):
            shown, total = release.cells[name], sum(map(table.__getitem__, cell))
            if isinstance(shown, int) and shown not in _shown_as(total, release.reading):
                return False
    known = {frozenset(kinds[mark] for mark in each) for each in proof.known}
    parts = _parts([each for each, _ in cells], people)
    small = set(_small({*within, *parts}, people, threshold)) - known
    return all(len(_values(quantity, tables, candidates)) >= candidates for quantity in small)


def _kinds(cells: Iterable[frozenset[Mark]]) -> dict[Mark, Kind]:
    """Every member's kind."""
    found: dict[Mark, set[int]] = {}
    for i, members in enumerate(cells):
        for mark in members:
            found.setdefault(mark, set()).add(i)
    same: dict[Kind, Kind] = {}
    return {mark: same.setdefault(kind := frozenset(of), kind) for mark, of in found.items()}


def _parts(releases: Sequence[Published], people: Mapping[Kind, set[int]]) -> set[Kinds]:
    """The kinds that one release by itself does not tell apart; ``releases`` are those of cells."""
    found: dict[tuple[int, Kind], set[Kind]] = {}
    for kind in people:
        for release in {id(releases[i]) for i in kind}:
            mine = frozenset(i for i in kind if id(releases[i]) == release)
            found.setdefault((release, mine), set()).add(kind)
    return {frozenset(kinds) for kinds in found.values()}


def _small(cells: set[Kinds], people: Mapping[Kind, set[int]], threshold: int) -> Iterator[Kinds]:
    """Every cell or part, and difference of two, that counts 1 to k-1 patients."""
    counting: dict[Kind, list[Kinds]] = {}
    for cell in cells:
        for kind in cell:
            counting.setdefault(kind, []).append(cell)
    for cell in cells:
        others = _much_of(cell, counting, people, threshold)
        for rest in {cell, *(cell - other for other in others)}:
            if rest and len(frozenset().union(*(people[kind] for kind in rest))) < threshold:
                yield rest


def _much_of(
    cell: Kinds,
    counting: Mapping[Kind, Sequence[Kinds]],
    people: Mapping[Kind, set[int]],
    threshold: int,
) -> Iterator[Kinds]:
    """The cells that may count all but fewer than k patients of this one.

    They count at least that many of some of its patients, who are each looked for by one kind. A
    cell that counts nobody of this one leaves all of it.
    """
    looked_for: dict[int, Kind] = {}
    for kind in cell:
        new = people[kind] - looked_for.keys()
        looked_for.update(dict.fromkeys(islice(new, threshold), kind))
        if len(looked_for) >= LOOKED_FOR * threshold:
            break
    found = Counter(chain.from_iterable(counting[kind] for kind in looked_for.values()))
    return (other for other, many in found.items() if many > len(looked_for) - threshold)


def _values(quantity: Kinds, tables: Sequence[Mapping[Kind, int]], enough: int) -> set[int]:
    """Different values that a quantity has in the tables; no more than are wanted."""
    values: set[int] = set()
    for table in tables:
        values.add(sum(map(table.__getitem__, quantity)))
        if len(values) >= enough:
            break
    return values


def _shown_as(count: int, reading: Reading) -> set[int]:
    """All that may be shown for a count; nothing for a count that may not be shown."""
    if count == 0:
        return {0}
    if count < reading.threshold:
        return set()
    base = reading.base
    below, above = count // base * base, -(-count // base) * base
    if reading.method == "keyed":
        around = {below, above}
    else:
        around = {above if 2 * (count - below) >= base else below}
    least = -(-reading.threshold // base) * base
    return {max(value, least) for value in around}
