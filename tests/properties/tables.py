"""Random tables: groups that share an initial population and a denominator, with sizes about k."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from datetime import date

from hypothesis import strategies as st

from service.disclosure import Group, Member, Table

PERIOD = (date(2026, 1, 1), date(2026, 1, 31))
ROLES = ("outside", "excluded", "excepted", "counted")
Kind = tuple[str, tuple[bool, ...]]  # role in every group, and which components were met

kinds = st.tuples(st.sampled_from(ROLES), st.tuples(*[st.booleans()] * 3))
sizes = st.one_of(st.integers(1, 12), st.integers(9, 16), st.integers(11, 60))
populations = st.lists(st.tuples(kinds, sizes), max_size=8)


@st.composite
def tables(draw: st.DrawFn, components: int | None = None, units: bool = True) -> Table:
    """A composite (all components met) in the first group, then each component."""
    count = draw(st.integers(0, 3)) if components is None else components
    each = draw(st.integers(1, 3)) if units else 1
    return build(draw(populations), count, each)


def build(people: Sequence[tuple[Kind, int]], components: int, units: int = 1) -> Table:
    """`units` records a patient at most: patient i has 1 + i mod `units`."""
    members: dict[Kind, set[Member]] = {}
    patients = itertools.count()
    for kind, size in people:
        for i in itertools.islice(patients, size):
            records = {Member(f"p{i}", f"p{i}.{j}") for j in range(1 + i % units)}
            members.setdefault(kind, set()).update(records)
    numerators = [lambda met: all(met[:components])] + [
        (lambda met, i=i: met[i]) for i in range(components)
    ]
    groups = [Group(f"g{i}", _group(members, is_met)) for i, is_met in enumerate(numerators)]
    return Table("http://example.org/m", "1.0", PERIOD, tuple(groups))


def _group(
    members: Mapping[Kind, set[Member]], is_met: Callable[[tuple[bool, ...]], bool]
) -> dict[str, frozenset[Member]]:
    def of(*roles: str, met: bool = False) -> frozenset[Member]:
        chosen = (
            who
            for (role, each), who in members.items()
            if role in roles and (not met or is_met(each))
        )
        return frozenset().union(*chosen)

    return {
        "initial-population": of(*ROLES),
        "denominator": of("excluded", "excepted", "counted"),
        "denominator-exclusion": of("excluded"),
        "denominator-exception": of("excepted"),
        "numerator": of("counted", met=True),
    }
