"""From exact results to what may be shown of them: threshold, rounding, audit.

The steps, for all results of a run at once:

1. A result in which fewer than k-delta patients changed since it was last released is held.
2. A cell of 1 to k-1 patients is hidden, and one in which a single patient has too large a share.
3. The others are rounded (service.disclosure.rounding).
4. They are audited, jointly with everything that was ever released (service.disclosure.audit).
   Where a small quantity is too narrow, the least important cell is withdrawn that is enough.
5. What was withdrawn is shown again, the most important first, where the audit allows it.
6. A second implementation checks the outcome (service.disclosure.verification).
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from service.disclosure.audit import STEPS, Audit
from service.disclosure.policy import Policy
from service.disclosure.primary import hidden_at_once
from service.disclosure.published import Name, Published, together
from service.disclosure.rounding import Marker, rounded
from service.disclosure.system import Statement, System, TooMany, sum_of, system_of
from service.disclosure.table import ELIGIBLE, MET, Cell, Hidden, Mark, Table
from service.disclosure.verification import verified
from service.disclosure.withdrawal import told_before, withdraw
from service.errors import DisclosureError

# Within a group: first what a rate needs. Denominator, exclusions and initial population, which no
# rate needs beside these, give way when they would reveal how few patients are in one and not in
# the next. Groups come in the Measure's order, so that its first, a composite for instance, is
# shown longest.
IMPORTANCE = (
    ELIGIBLE,
    MET,
    "numerator",
    "denominator",
    "measure-population",
    "denominator-exclusion",
    "denominator-exception",
    "numerator-exclusion",
    "measure-population-exclusion",
    "initial-population",
)
RATE = (ELIGIBLE, MET, "numerator")
Members = Mapping[Name, frozenset[Mark]]
Show = Callable[[int, Name], bool]


def members_of(table: Table, key: bytes) -> dict[Name, frozenset[Mark]]:
    """Whom every cell counts, as marks, the most important first.

    Raises DisclosureError when the table is not one that is understood whole.
    """
    unknown = {code for group in table.groups for code in group.populations} - set(IMPORTANCE)
    if unknown:
        raise DisclosureError("a population has no place in disclosure control", where=min(unknown))
    if len({group.id for group in table.groups}) != len(table.groups):
        raise DisclosureError("two groups of a measure have one id", where=table.measure)
    marker = Marker(key)
    everyone = {m for group in table.groups for each in group.cells.values() for m in each}
    known = {member: marker.mark(member) for member in everyone}
    return {
        (group.id, code): frozenset(known[member] for member in group.cells[code])
        for group in table.groups
        for code in IMPORTANCE
        if code in group.cells
    }


def protect(
    tables: Sequence[Table],
    policy: Policy,
    key: bytes,
    history: Sequence[Published] = (),
    steps: int = STEPS,
) -> list[Published]:
    """What may be shown of each table, the tables that come first losing least.

    `key` is the site's secret for rounding; `history` is everything that was ever released. A
    stricter policy that tightens another (`Policy.tightened`) shows nothing that the other hides.
    `steps` is how long the audit may search in releases that belong together; what is not proven
    safe by then is hidden.
    Raises DisclosureError when a table is not one that is understood whole, and when the audit
    fails.
    """
    shown: Show = lambda table, name: True  # noqa: E731
    for each in policy.chain:
        drafts = [_draft(table, each, key) for table in tables]
        drafts = [_only(draft, i, shown) for i, draft in enumerate(drafts)]
        drafts = _audited(drafts, each, list(history), steps) if each.audited else drafts
        shown = _shown_in(drafts)
    return drafts


def _draft(table: Table, policy: Policy, key: bytes) -> Published:
    """Threshold and rounding, each cell by itself."""
    members = members_of(table, key)
    hidden = hidden_at_once(members, policy, table.measure)
    hidden |= {(group.id, code) for group in table.groups if not group.told for code in group.cells}
    cells: dict[Name, Cell] = {
        name: Hidden.SUPPRESSED if name in hidden else rounded(marks, policy.reading, key)
        for name, marks in members.items()
    }
    return Published(
        policy.network, table.measure, table.version, table.period, policy.reading, cells, members
    )


def _only(draft: Published, position: int, shown: Show) -> Published:
    return _without(draft, {name for name in draft.cells if not shown(position, name)})


def _shown_in(drafts: Sequence[Published]) -> Show:
    return lambda table, name: isinstance(drafts[table].cells[name], int)


def _audited(
    drafts: Sequence[Published], policy: Policy, history: list[Published], steps: int
) -> list[Published]:
    """The drafts without the cells that tell too much."""
    known = [each for each in history if policy.weighs(each.network)]
    outcome = list(drafts)
    everything = [*drafts, *known]
    for part in together(list(drafts), known):
        new = [i for i in part if i < len(drafts)]
        releases = _withdrawn([everything[i] for i in part], len(new), policy, steps)
        for i, release in zip(new, releases, strict=False):
            outcome[i] = release
    return outcome


def _withdrawn(releases: list[Published], new: int, policy: Policy, steps: int) -> list[Published]:
    """The first ``new`` of some releases that belong together, as far as they may be shown."""
    try:
        audit = Audit(system_of(releases), policy.candidates, policy.threshold, steps)
    except TooMany:  # who says nothing tells nothing, whatever was told before
        return [replace(_without(each, each.cells), unproven=True) for each in releases[:new]]
    cells = _by_importance(audit.system, new)
    gone = withdraw(audit, cells)
    if gone is None:
        gone = _beside_what_is_known(audit, cells)
    shown = [
        _without(release, {told.name for told in _of(audit.system, gone, position)})
        for position, release in enumerate(releases[:new])
    ]
    if not verified([*shown, *releases[new:]], audit.proof(), policy.threshold, policy.candidates):
        raise DisclosureError("the audit's outcome does not hold, so nothing is released")
    return [replace(each, unproven=audit.spent) for each in shown]


def _beside_what_is_known(audit: Audit, cells: Sequence[int]) -> set[int]:
    """History says too much of some patients: of these nothing more is said, and no other is."""
    known = told_before(audit, cells)
    touching = sum_of(audit.quantities[each] for each in known)
    audit.ignore(known)
    lost = {each for each in cells if audit.system.statements[each].mask & touching}
    for each in lost:
        audit.hide(each)
    return lost | (withdraw(audit, [each for each in cells if each not in lost]) or set())


def _by_importance(system: System, new: int) -> list[int]:
    """The new statements that say something: first what rates need, group by group."""

    def importance(number: int) -> tuple[bool, int, int, int]:
        told = system.statements[number]
        group, code = told.name
        return code not in RATE, groups[told.release][group], IMPORTANCE.index(code), told.release

    groups: dict[int, dict[str, int]] = {}
    for told in system.statements:
        of = groups.setdefault(told.release, {})
        of.setdefault(told.name[0], len(of))
    numbered = enumerate(system.statements)
    mine = [i for i, told in numbered if told.release < new and told.high < math.inf]
    return sorted(mine, key=importance)


def _of(system: System, numbers: set[int], release: int) -> list[Statement]:
    chosen = (system.statements[i] for i in sorted(numbers))
    return [told for told in chosen if told.release == release]


def _without(draft: Published, names: Collection[Name]) -> Published:
    cells = {name: Hidden.SUPPRESSED if name in names else c for name, c in draft.cells.items()}
    return replace(draft, cells=cells)
