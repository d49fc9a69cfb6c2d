"""Whether a result may be told again: what a few patients changed stays as it was told before.

A reader who compares two releases of one number, or of two windows that overlap, sees what the
patients between them did. So nothing new is said until enough patients have changed.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from itertools import takewhile

from service.disclosure import Mark, Name, Policy, Published, Table, changed
from service.measure.completeness import Completeness, Reason, Verdict
from service.measure.stratum_name import stratum_name
from service.site.history import Remembered

Members = Mapping[Name, frozenset[Mark]]


class Held(StrEnum):
    """Why nothing new is said of a result."""

    FEW_CHANGED = "too few patients changed; the number that was released stands"
    TOO_OFTEN = "it was corrected as often as the policy allows; the last number stands"
    TOO_SOON = "it was told too short a time ago; what was told stands"
    NOT_COMPUTABLE = "it cannot be computed now; the number that was released stands"
    WITHDRAWN = "it was withdrawn, and too few patients changed since"
    UNPROVEN = (
        "numbers are hidden that were not proven safe within the audit's steps; release fewer "
        "measures, groups or strata of the same patients"
    )
    OVERLAP = "it differs by too few patients from an overlapping period that was released"


# Many patients changed: the number that stands is known not to be today's.
KNOWN_TO_DIFFER = (Held.TOO_OFTEN, Held.TOO_SOON)


class Saying(StrEnum):
    """What is to be said of a result."""

    NEW = "new"  # counts that were not told before
    KEPT = "kept"  # the counts that were told, with the verdict of today
    AGAIN = "again"  # what was told, to the byte
    NOTHING = "nothing"


@dataclass(frozen=True)
class Decision:
    """What is to be said, after which earlier release, and why nothing new is; with which verdict,
    where that is not simply the result's."""

    saying: Saying
    before: Remembered | None = None
    held: Held | None = None
    completeness: Completeness | None = None


def decide(
    table: Table,
    members: Members,
    completeness: Completeness,
    policy: Policy,
    history: Sequence[Remembered],
    today: date,
) -> Decision:
    """What may be said of a result, given all that was said before to the same network."""
    told = [each for each in history if each.published.network == policy.network]
    mine = [each for each in told if _is_of(each.published, table)]
    if not mine:
        if completeness.verdict is Verdict.NOT_COMPUTABLE or not _too_near(
            table, members, policy, told
        ):
            return Decision(Saying.NEW)
        return Decision(Saying.NOTHING, held=Held.OVERLAP)
    counted = [each for each in mine if each.counted]
    if not counted:
        return Decision(Saying.NEW, mine[-1])
    if completeness.verdict is Verdict.NOT_COMPUTABLE:
        held = Held.WITHDRAWN if mine[-1].withdrawn else Held.NOT_COMPUTABLE
        return Decision(Saying.AGAIN, mine[-1], held)
    decision = _told_before(table, members, completeness, policy, counted, mine[-1])
    if decision.saying is Saying.NEW and _too_soon(counted, policy, today):
        decision = Decision(Saying.AGAIN, mine[-1], Held.TOO_SOON)
    again = decision.saying is Saying.AGAIN and _tells_the_same(mine[-1], table, members, policy)
    judged = _judged_anew(decision.held, counted, completeness) if again else None
    if judged is not None:
        return replace(decision, saying=Saying.KEPT, completeness=judged)
    return decision


def _told_before(
    table: Table,
    members: Members,
    completeness: Completeness,
    policy: Policy,
    counted: Sequence[Remembered],
    latest: Remembered,
) -> Decision:
    differing = _differing(_told_last(counted), members)
    few = differing < policy.k_delta
    if latest.withdrawn and few:
        return Decision(Saying.AGAIN, latest, Held.WITHDRAWN)
    if not few:
        versions = len({tuple(each.published.cells.items()) for each in counted})
        if versions < policy.max_versions or latest.withdrawn:
            return Decision(Saying.NEW, latest)
        return Decision(Saying.AGAIN, latest, Held.TOO_OFTEN)
    if differing == 0:
        same_cells = latest.published.members.keys() == members.keys()
        kept = latest.policy == policy.hash and same_cells
        return Decision(Saying.KEPT if kept else Saying.NEW, latest)
    if _tells_the_same(latest, table, members, policy) and _only_the_calendar(latest, completeness):
        return Decision(Saying.KEPT, latest, Held.FEW_CHANGED)
    return Decision(Saying.AGAIN, latest, Held.FEW_CHANGED)


def _too_soon(counted: Sequence[Remembered], policy: Policy, today: date) -> bool:
    """Whether fewer days than the policy asks for may have passed since the counts that stand were
    told for the first time."""
    if not policy.min_interval:
        return False
    return (today - _first_told(counted).last_day).days < policy.min_interval


def _first_told(counted: Sequence[Remembered]) -> Remembered:
    """The release that told the counts that stand for the first time.

    The same numbers of the same patients with another verdict correct nothing. Did they begin the
    interval anew, a verdict that comes and goes would put off a correction for ever.
    """
    stand = counted[-1].published
    same = takewhile(lambda each: _counts_the_same(each.published, stand), reversed(counted))
    return list(same)[-1]


def _counts_the_same(one: Published, other: Published) -> bool:
    told, stand = ((each.version, each.cells, each.members) for each in (one, other))
    return told == stand


def _told_last(counted: Sequence[Remembered]) -> Members:
    """Whom the newest release counted, and each stratum that it no longer told when it last was."""
    every = (each.published.members for each in counted)
    strata = {name: marks for of in every for name, marks in of.items() if stratum_name(name[0])}
    return strata | dict(counted[-1].published.members)


def _differing(before: Members, after: Members) -> int:
    """How many patients entered or left what was told and is.

    A stratum that only one of the two tells is not a change of any patient, and who is in none that
    is told changes with those who are.
    """
    same = {name for name in before.keys() | after.keys() if _tells_of_change(name, before, after)}
    return changed(_only(before, same), _only(after, same))


def _tells_of_change(name: Name, before: Members, after: Members) -> bool:
    stratum = stratum_name(name[0])
    return stratum is None or (bool(stratum.value) and name in before and name in after)


def _only(members: Members, names: Collection[Name]) -> Members:
    return {name: marks for name, marks in members.items() if name in names}


def _only_the_calendar(latest: Remembered, now: Completeness) -> bool:
    """Whether the verdict is today what it was, but that the window has closed since."""
    was = latest.completeness.reasons
    return Reason.WINDOW_OPEN in was and now.reasons == was - {Reason.WINDOW_OPEN}


def _tells_the_same(latest: Remembered, table: Table, members: Members, policy: Policy) -> bool:
    """Whether the latest release has counts of the same cells, by the measure's same version
    and under the same policy."""
    told = latest.published
    same = (told.version, latest.policy) == (table.version, policy.hash)
    return latest.counted and same and told.members.keys() == members.keys()


def _judged_anew(
    held: Held | None, counted: Sequence[Remembered], now: Completeness
) -> Completeness | None:
    """The verdict with which the counts that stand may be told anew; None for the one they have.

    A number that is known to differ is never called surer than it was told last, whatever it was
    called before that; more reasons to doubt it are told beside those that there were.
    """
    was = counted[-1].completeness.reasons
    if held not in KNOWN_TO_DIFFER:
        return now if now.reasons != was and _is_no_surer(counted, now) else None
    if now.reasons <= was:
        return None
    return Completeness(Verdict.PROVISIONAL, now.reasons | (was - {Reason.WINDOW_OPEN}))


def _is_no_surer(counted: Sequence[Remembered], now: Completeness) -> bool:
    """Whether the counts that stand were told before with none but today's reasons to doubt them.

    So a fault that is found later is told, and when it is mended they are what they were.
    """
    stand = counted[-1].published
    return any(
        each.completeness.reasons <= now.reasons
        for each in counted
        if (each.published.version, each.published.cells) == (stand.version, stand.cells)
    )


def _is_of(published: Published, table: Table) -> bool:
    return (published.measure, published.period) == (table.measure, table.period)


def _too_near(table: Table, members: Members, policy: Policy, told: Sequence[Remembered]) -> bool:
    """Whether an overlapping period of the measure was released that differs by a few patients."""
    latest = {
        each.published.period: each.published
        for each in told
        if each.counted and each.published.measure == table.measure
    }
    overlapping = (
        each
        for (first, last), each in latest.items()
        if first <= table.period[1] and table.period[0] <= last
    )
    return any(0 < _differing(each.members, members) < policy.k_delta for each in overlapping)
