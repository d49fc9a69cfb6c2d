"""Step 5: from exact results to what may leave. Only this module makes a `Release`.

A Release can be made in one way: `protect` applies the network's policy (service.disclosure) and
writes the bytes of a summary report (service.measure.summary). Outbox and push take nothing else.
"""

from collections.abc import Sequence
from dataclasses import InitVar, dataclass, field, replace
from datetime import date

import service
from service import disclosure
from service.disclosure import (
    ELIGIBLE,
    MET,
    Cell,
    Group,
    Hidden,
    Mark,
    Name,
    Policy,
    Published,
    Table,
)
from service.errors import DisclosureError, MeasureError
from service.measure.completeness import Completeness, Reason, Verdict
from service.measure.package import MeasurePackage
from service.measure.period import Period
from service.measure.summary import (
    Absent,
    Count,
    Provenance,
    Summary,
    SummaryGroup,
    parse,
    render,
    sha256,
)
from service.site.history import Remembered
from service.site.independence import check_independence
from service.site.resubmission import Decision, Held, Saying, decide

_SEAL = object()
TAKEN_BACK = Completeness(Verdict.NOT_COMPUTABLE, frozenset({Reason.WITHDRAWN}))


@dataclass(frozen=True)
class Release:
    """A protected report, ready to be sent: its bytes, and what they are of.

    `key` is the idempotency key, `content` the hash of all that the report says but key and date.
    """

    key: str
    measure: str
    period: str  # first day/last day
    content: str
    body: bytes
    memory: Remembered = field(repr=False)  # what the site's history keeps of it
    seal: InitVar[object]

    def __post_init__(self, seal: object) -> None:
        if seal is not _SEAL:
            raise DisclosureError("only protect makes what can be sent")


@dataclass(frozen=True)
class Origin:
    """Who releases under which policy; the same for all releases of a run."""

    site: str
    policy: Policy
    rounding_key: bytes = field(repr=False)
    mapping: str  # hash of the mapping tables, or "none"
    timezone: str  # IANA name
    today: date  # UTC; the releases tell its month

    @property
    def month(self) -> str:
        """YYYY-MM, in which the releases are made."""
        return self.today.strftime("%Y-%m")


@dataclass(frozen=True)
class Result:
    """What is known of one measure in one period, exactly."""

    package: MeasurePackage
    table: Table
    completeness: Completeness


@dataclass(frozen=True)
class Outcome:
    """What becomes of a result: a release, what holds it back, or both.

    A release that is held back is the one that was made before. Neither: a longer window that
    stands in for shorter ones, and is not needed.
    """

    result: Result
    release: Release | None = None
    held: Held | None = None

    @property
    def named(self) -> str:
        """The measure and the period."""
        return f"{self.result.package.title}, {Period(*self.result.table.period)}"


def protect(
    results: Sequence[Result], origin: Origin, history: Sequence[Remembered] = ()
) -> list[Outcome]:
    """What may be said of the results of a run, in their order; the first lose least.

    `history` is everything that the site ever released, to whomever. Raises DisclosureError when
    the policy does not release a measure in its period, and MeasureError when a measure cannot be
    told in one summary report.
    """
    outcomes: dict[int, Outcome] = {}
    told = list(history)
    for rung in _rungs(results, origin.policy):
        chosen = [i for i in rung if _is_needed(results[i].table, origin.policy, told)]
        made = _protected([results[i] for i in chosen], origin, told)
        outcomes |= dict(zip(chosen, made, strict=True))
        told += [each.release.memory for each in made if each.release]
    return [outcomes.get(i) or Outcome(result) for i, result in enumerate(results)]


def _rungs(results: Sequence[Result], policy: Policy) -> list[list[int]]:
    """The results by the length of their window: those that stand in come after the others."""
    rungs: dict[int, list[int]] = {}
    for i, result in enumerate(results):
        table = result.table
        periods = policy.periods(table.measure)
        if table.period not in periods:
            raise DisclosureError(
                "the policy does not release this measure in this period",
                where=f"{table.measure}, {Period(*table.period)}",
                todo="Released measures and periods are listed in the policy file",
            )
        days = (table.period[1] - table.period[0]).days
        stands_in = bool(policy.stands_in(table.measure, table.period))
        rungs.setdefault(days // 28 if stands_in else 0, []).append(i)
    return [rungs[length] for length in sorted(rungs)]


def _is_needed(table: Table, policy: Policy, told: Sequence[Remembered]) -> bool:
    """Whether a longer window has to stand in: a shorter one cannot show the first group's rate."""
    shorter = policy.stands_in(table.measure, table.period)
    if not shorter:
        return True
    latest = {
        each.published.period: each
        for each in told
        if (each.published.network, each.published.measure) == (policy.network, table.measure)
    }
    if table.period in latest:
        return True
    return any(period in latest and not _shows_a_rate(latest[period]) for period in shorter)


def _shows_a_rate(told: Remembered) -> bool:
    cells = told.published.cells
    group = next(iter(cells))[0]
    needed = [cells[group, code] for code in (ELIGIBLE, MET, "numerator") if (group, code) in cells]
    return told.counted and all(isinstance(cell, int) for cell in needed)


def _protected(
    results: Sequence[Result], origin: Origin, history: Sequence[Remembered]
) -> list[Outcome]:
    """The outcomes of results of which none stands in for another."""
    policy = origin.policy
    decisions = [
        decide(
            each.table,
            disclosure.members_of(each.table, origin.rounding_key),
            each.completeness,
            policy,
            history,
            origin.today,
        )
        for each in results
    ]
    new = [
        i
        for i, each in enumerate(results)
        if decisions[i].saying is Saying.NEW
        and each.completeness.verdict is not Verdict.NOT_COMPUTABLE
    ]
    tables = [results[i].table for i in new]
    published = disclosure.protect(
        tables, policy, origin.rounding_key, [each.published for each in history]
    )
    shown = dict(zip(new, published, strict=True))
    return [
        Outcome(
            each,
            _said(each, decision, shown.get(i), origin),
            Held.UNPROVEN if i in shown and shown[i].unproven else decision.held,
        )
        for i, (each, decision) in enumerate(zip(results, decisions, strict=True))
    ]


def _said(
    result: Result, decision: Decision, shown: Published | None, origin: Origin
) -> Release | None:
    before = decision.before
    if decision.saying is Saying.NOTHING:
        return None
    if before and decision.saying is Saying.AGAIN:
        return _again(before)
    if before and decision.saying is Saying.KEPT and decision.held:
        return _kept(before, result, decision.completeness or result.completeness, origin)
    if before and decision.saying is Saying.KEPT:
        shown = before.published
    release = _release(result, shown, origin, before.key if before else None)
    return _again(before) if before and before.content == release.content else release


def _kept(
    before: Remembered, result: Result, completeness: Completeness, origin: Origin
) -> Release:
    """The counts that stand, of other patients than today's and on what they rested then, with
    another verdict; to the byte as they were where the measure's package is another by now."""
    told = parse(before.body).summary
    summary = replace(told, completeness=completeness)
    if summary.hash == before.content or told.provenance.package != result.package.hash:
        return _again(before)
    return _sealed(summary, before.published, before.policy, origin, before.key, counted=True)


def _again(before: Remembered) -> Release:
    """The release as it was made."""
    period = str(Period(*before.published.period))
    return Release(
        before.key, before.published.measure, period, before.content, before.body, before, _SEAL
    )


def _release(
    result: Result, shown: Published | None, origin: Origin, replaces: str | None
) -> Release:
    """A release of what may be shown; without any count where nothing is given.

    `replaces` is the key of the release that stands, so that a number which goes back to an earlier
    value is a new release.
    """
    summary = _summary(result, shown, origin)
    published = shown or _nothing_of(result.table, origin.policy)
    policy, counted = origin.policy.hash, shown is not None
    return _sealed(summary, published, policy, origin, replaces, counted=counted)


def _sealed(
    summary: Summary,
    published: Published,
    policy: str,
    origin: Origin,
    replaces: str | None,
    *,
    counted: bool,
) -> Release:
    key = sha256(f"{summary.hash} {origin.month} {replaces}".encode())
    body = render(summary, key, origin.month)
    _check(body, published)
    memory = Remembered(key, policy, summary.hash, body, published, counted)
    period = str(summary.period)
    return Release(key, summary.measure, period, summary.hash, body, memory, _SEAL)


def _check(body: bytes, published: Published) -> None:
    """The bytes, read back, say what was audited and nothing else."""
    for group in parse(body).summary.groups:
        sides = {ELIGIBLE: group.eligible, MET: group.met}
        told = dict(group.populations) | {code: n for code, n in sides.items() if n is not None}
        for code, count in told.items():
            cell = published.cells[group.id, code]
            if isinstance(count, int) and count != cell:
                raise DisclosureError("a report says what was not audited", where=code)


def _nothing_of(table: Table, policy: Policy) -> Published:
    cells: dict[Name, Cell] = {
        (group.id, code): Hidden.SUPPRESSED for group in table.groups for code in group.cells
    }
    nobody: dict[Name, frozenset[Mark]] = dict.fromkeys(cells, frozenset())
    return Published(
        policy.network, table.measure, table.version, table.period, policy.reading, cells, nobody
    )


def withdrawal(before: Remembered, month: str) -> Release:
    """The release that takes back the counts of another one: none of them is computable."""
    told = parse(before.body).summary
    groups = tuple(
        SummaryGroup(
            group.id,
            dict.fromkeys(group.populations, Absent.NOT_COMPUTABLE),
            None if group.eligible is None else Absent.NOT_COMPUTABLE,
            None if group.met is None else Absent.NOT_COMPUTABLE,
        )
        for group in told.groups
    )
    summary = replace(told, completeness=TAKEN_BACK, groups=groups)
    key = sha256(f"{summary.hash} {month} {before.key}".encode())
    body = render(summary, key, month)
    was = before.published
    hidden: dict[Name, Cell] = dict.fromkeys(was.cells, Hidden.SUPPRESSED)
    nobody: dict[Name, frozenset[Mark]] = dict.fromkeys(was.cells, frozenset())
    published = replace(was, cells=hidden, members=nobody)
    memory = Remembered(key, before.policy, summary.hash, body, published, False, withdrawn=True)
    return Release(key, told.measure, str(told.period), summary.hash, body, memory, _SEAL)


def releasable(package: MeasurePackage) -> tuple[str, str | None]:
    """The measure's scoring and better direction, of which a summary report states one each.

    Raises MeasureError when one report cannot tell what the measure counts, or when whom it counts
    depends on other patients.
    """
    check_independence(package)
    scorings = {group.scoring for group in package.groups}
    improvements = {group.improvement for group in package.groups}
    if len(scorings) > 1 or len(improvements) > 1:
        what = "the groups of the measure differ in scoring or in the better direction"
        raise MeasureError(what, where=package.url, todo="Make a measure of each")
    if any(len(group.of("initial-population")) > 1 for group in package.groups):
        what = "a group with two initial populations cannot be told in a summary report"
        raise MeasureError(what, where=package.url)
    scoring, improvement = scorings.pop(), improvements.pop()
    if improvement is None and scoring != "cohort":
        what = "the measure does not say which direction is better"
        raise MeasureError(what, where=package.url, todo="Give it an improvementNotation")
    return scoring, improvement


def _summary(result: Result, shown: Published | None, origin: Origin) -> Summary:
    package, table = result.package, result.table
    scoring, improvement = releasable(package)
    return Summary(
        site=origin.site,
        measure=table.measure,
        version=table.version,
        period=Period(*table.period),
        scoring=scoring,
        improvement=improvement,
        provenance=Provenance(
            package=package.hash,
            mapping=origin.mapping,
            engine=service.__version__,
            policy=origin.policy.hash,
            timezone=origin.timezone,
        ),
        completeness=result.completeness,
        rounding=origin.policy.rounding,
        groups=tuple(_told(group, shown) for group in table.groups if group.told),
    )


def _told(group: Group, shown: Published | None) -> SummaryGroup:
    counts = {
        code: _count(shown.cells[group.id, code]) if shown else Absent.NOT_COMPUTABLE
        for code in group.cells
    }
    eligible, met = counts.pop(ELIGIBLE, None), counts.pop(MET, None)
    return SummaryGroup(group.id, counts, eligible, met)


def _count(cell: Cell) -> Count:
    return Absent.SUPPRESSED if cell is Hidden.SUPPRESSED else cell
