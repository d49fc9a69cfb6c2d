"""Reading back what was received: every version of every report, newest last, as of any day."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, get_args

from sqlalchemy import ColumnElement, Row, Select
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, exists, func, select

from service.measure.completeness import Completeness, Reason, Verdict
from service.measure.period import Period
from service.measure.summary import Absent, Count, Provenance, Summary, SummaryGroup
from service.measure.wire import PopulationCode
from service.network.restatement import WITHDRAWN
from service.network.submission import NOT_COMPUTABLE, SUPPRESSED, GroupCounts, Submission

# All versions of one measure's reports, oldest first, by site and period.
Versions = Mapping[tuple[str, str], Sequence["Version"]]

CODES: tuple[str, ...] = get_args(PopulationCode)
COLUMNS = {code: code.replace("-", "_") for code in CODES}
SIDES = ("eligible", "met")  # of the score
_COUNTS = [getattr(GroupCounts, column) for column in (*COLUMNS.values(), *SIDES)]
_NAMES = (
    *("id", "site", "period", "receipt", "received", "reason", "measure", "measure_version"),
    *("scoring", "improvement", "package", "mapping", "engine", "policy", "timezone"),
    *("verdict", "reasons", "rounding"),
)
_FIELDS = [getattr(Submission, name) for name in _NAMES]


@dataclass(frozen=True)
class Version:
    """One received report: what it says, its receipt, the instant it came, and why it was sent."""

    site: str
    period: str
    receipt: str
    received: str
    summary: Summary
    reason: str = ""

    @property
    def withdraws(self) -> bool:
        """Whether it takes back a number that an earlier one gave."""
        return self.reason == WITHDRAWN


def versions_of(
    session: Session, measure: str, as_of: str | None = None, site: str | None = None
) -> Versions:
    """Everything ever received for a measure, given by its address without a version.

    With ``as_of`` (an instant), only what had come by then; with ``site``, only that site's.
    """
    kept = col(Submission.measure) == measure
    if site is not None:
        kept = kept & (col(Submission.site) == site)
    counts: dict[int, list[SummaryGroup]] = defaultdict(list)
    wanted = select(GroupCounts.submission, GroupCounts.name, *_COUNTS)
    joined = wanted.join(Submission, col(Submission.id) == col(GroupCounts.submission))
    for row in session.execute(_until(joined.where(kept), as_of).order_by(GroupCounts.position)):
        counts[row[0]].append(_group(row))
    found: dict[tuple[str, str], list[Version]] = defaultdict(list)
    reports = select(*_FIELDS).where(kept).order_by(col(Submission.id))
    for row in session.execute(_until(reports, as_of)):
        found[row.site, row.period].append(_version(row, tuple(counts[row.id])))
    return found


def submission_of(session: Session, receipt: str) -> Submission | None:
    """The stored report with this receipt."""
    return session.exec(select(Submission).where(Submission.receipt == receipt)).first()


def newest(*about: ColumnElement[bool]) -> Select[Any]:
    """A query for the reports that count now and of which all this holds, by arrival.

    What replaced a report is looked up in an index, one by one: a page of many takes no longer.
    """
    later = aliased(Submission)
    replaced = exists().where(
        col(later.measure) == Submission.measure,
        col(later.site) == Submission.site,
        col(later.period) == Submission.period,
        col(later.revision) == Submission.revision + 1,
    )
    return select(Submission).where(~replaced, *about).order_by(col(Submission.id))


def how_many(session: Session, *about: ColumnElement[bool]) -> int:
    """How many reports count now: each has one first version, so later ones need no look.

    ``about`` says whose they are and of what, which no later version changes.
    """
    first = select(func.count()).select_from(Submission).where(Submission.revision == 1, *about)
    return int(session.execute(first).scalar_one())


def _until(query: Any, as_of: str | None) -> Any:
    return query if as_of is None else query.where(Submission.received <= as_of)


def _version(row: Row[Any], groups: tuple[SummaryGroup, ...]) -> Version:
    summary = Summary(
        site=row.site,
        measure=row.measure,
        version=row.measure_version,
        period=_period(row.period),
        scoring=row.scoring,
        improvement=row.improvement,
        provenance=Provenance(row.package, row.mapping, row.engine, row.policy, row.timezone),
        completeness=_completeness(row.verdict, row.reasons),
        rounding=row.rounding,
        groups=groups,
    )
    return Version(row.site, row.period, row.receipt, row.received, summary, row.reason)


@lru_cache(maxsize=4096)
def _period(name: str) -> Period:
    return Period.parse(name)


@lru_cache(maxsize=256)
def _completeness(verdict: str, reasons: str) -> Completeness:
    return Completeness(Verdict(verdict), frozenset(map(Reason, reasons.split())))


def _group(row: Row[Any]) -> SummaryGroup:
    found: Iterable[tuple[str, int | None]] = zip((*CODES, *SIDES), row[2:], strict=True)
    counts = {name: _count(number) for name, number in found if number is not None}
    eligible, met = (counts.pop(side, None) for side in SIDES)
    return SummaryGroup(row.name, counts, eligible, met)


def _count(number: int) -> Count:
    if number >= 0:
        return number
    return {SUPPRESSED: Absent.SUPPRESSED, NOT_COMPUTABLE: Absent.NOT_COMPUTABLE}[number]


def number_of(count: Count) -> int:
    """A count as the table has it."""
    absent = {Absent.SUPPRESSED: SUPPRESSED, Absent.NOT_COMPUTABLE: NOT_COMPUTABLE}
    return absent[count] if isinstance(count, Absent) else count
