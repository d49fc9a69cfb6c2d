"""The verdict on one measure in one period, from all that is known of its data."""

from collections.abc import Iterator, Set
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from math import ceil
from zoneinfo import ZoneInfo

from service.cql.values import Quantity
from service.measure.completeness import Completeness
from service.measure.package import MeasurePackage
from service.measure.period import Period
from service.site.config import VerdictConfig
from service.site.expectation import shortfalls_in
from service.site.needs import needs_of
from service.site.staleness import Hole, all_holes
from service.site.store import Facts
from service.site.survey import Survey
from service.site.verdict import Fault, Finding, concerning, judge

# Days of CQL's units of time (https://cql.hl7.org/02-authorsguide.html#quantities) and of UCUM's.
DAYS = {"year": 366, "month": 31, "week": 7, "day": 1, "a": 366, "mo": 31, "wk": 7, "d": 1}
USUAL_LOOK_BACK = 12  # months: what a measure may look back on without naming a time


@dataclass(frozen=True)
class Judged:
    """A verdict and what it rests on: reasons travel with a report, findings stay at the site."""

    completeness: Completeness
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Judge:
    """What is known of a site's data when all of its patients have been looked through."""

    facts: Facts
    survey: Survey
    zone: ZoneInfo
    rules: VerdictConfig = VerdictConfig()

    @property
    def as_of(self) -> datetime:
        """When the EHR looked, by the site's clock: a month is over when it is there."""
        return datetime.fromisoformat(self.facts.transaction_time).astimezone(self.zone)

    def on(
        self, package: MeasurePackage, period: Period, failed: int = 0, counted: int = 0
    ) -> Judged:
        """The verdict on a result that counts some patients, without those ``failed`` of whom
        nothing is defined."""
        needs = needs_of(package)
        found = concerning(self.facts.findings, needs.types)
        found += self.survey.findings(needs)
        back, last = looking_back(package, period), _followed_up(package, period, self.zone)
        found += self.survey.undated(needs, f"{back.start:%Y-%m}", f"{last:%Y-%m}")
        looked_at = list(months_of(back, self.as_of))
        found += self.survey.gaps(needs, looked_at)
        own = {*months_of(period, self.as_of)}
        expected, there = self.facts.expected, self.facts.months
        for month in looked_at:
            for name in sorted(needs.types):
                found += shortfalls_in(expected, there, name, month, month in own)
        if not is_over(package, period, self.zone, self.as_of, self.rules.late_days):
            found.append(Finding(Fault.WINDOW_OPEN, str(period)))
        if failed:
            found.append(Finding(Fault.EVALUATION_ERROR, str(period), failed))
        if failed > counted:
            found.append(Finding(Fault.MOSTLY_UNDEFINED, str(period)))
        found += self._silent_types(needs.types, package, period)
        records = sum(self.facts.arrived.get(name, 0) for name in needs.types)
        return Judged(judge(found, records, self.rules.tolerated_share), tuple(sorted(found)))

    def _silent_types(
        self, types: Set[str], package: MeasurePackage, period: Period
    ) -> Iterator[Finding]:
        """Those that were silent, or are, on days that the period needs."""
        first = looking_back(package, period).start
        last = _followed_up(package, period, self.zone).date()
        for name in sorted(types & self._holes.keys()):
            yield from (
                hole.finding(name) for hole in self._holes[name] if hole.touches(first, last)
            )

    @cached_property
    def _holes(self) -> dict[str, list[Hole]]:
        """The times without a record, by type: the same for all measures and periods."""
        expected = self.facts.expected
        return {
            name: all_holes(
                self.facts.days.get(name, {}),
                expected.holes.get(name, ()),
                self.as_of.date(),
                expected.silent.get(name, ""),
            )
            for name in self.facts.elements
        }


def is_over(
    package: MeasurePackage, period: Period, zone: ZoneInfo, as_of: datetime, late_days: int = 0
) -> bool:
    """Whether nothing of the period, of its follow-up or of the days for late records lies after
    ``as_of``."""
    return _followed_up(package, period, zone) + timedelta(days=late_days) < as_of


def asked_at(package: MeasurePackage, period: Period, zone: ZoneInfo, as_of: datetime) -> datetime:
    """What CQL's Now says of a period that is over, with data that were current at ``as_of``.

    A day after the follow-up at the latest, when it is over by the clocks of all time zones: what
    is released of a period does not change because time goes by.
    """
    return min(as_of, _followed_up(package, period, zone) + timedelta(days=1))


def _followed_up(package: MeasurePackage, period: Period, zone: ZoneInfo) -> datetime:
    _, last = period.moments(zone)
    return last + package.follow_up


def looking_back(package: MeasurePackage, period: Period) -> Period:
    """The period with the time before it that the measure's logic may look back on.

    That is the longest time that the logic names, a year at least.
    """
    named = (
        DAYS.get(one.unit.removesuffix("s"), 0) * one.value
        for logic in package.logics
        for one in logic.program.names.values()
        if isinstance(one, Quantity)
    )
    months = max(USUAL_LOOK_BACK, ceil(max(named, default=0) / 30))
    first = max(0, period.start.year * 12 + period.start.month - 1 - months)
    return Period(date(max(1, first // 12), first % 12 + 1, 1), period.end)


def months_of(period: Period, as_of: datetime) -> Iterator[str]:
    """The months (YYYY-MM) that lie wholly in a period and were over at a time."""
    year, month = period.start.year, period.start.month
    if period.start.day > 1:
        year, month = _next(year, month)
    while True:
        after = _next(year, month)
        end = datetime(*after, 1, tzinfo=as_of.tzinfo)
        if end > as_of or end.date() - timedelta(days=1) > period.end:
            return
        yield f"{year:04}-{month:02}"
        year, month = after


def _next(year: int, month: int) -> tuple[int, int]:
    return (year + 1, 1) if month == 12 else (year, month + 1)
