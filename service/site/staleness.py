"""Telling a copy of an EHR that is fed no more, or was not for a while: it answers as ever, and
some days are empty.

Many sites are read from a replica. When its feed stops, all that it has is right and nothing is
missing but the last days, in the middle of a month that has some of everything. When it goes on
without what came meanwhile, or one stray record is written, the empty days lie between others. So
the days are counted: where there was something nearly every day and then nothing for longer than
ever before, what a period needs of that time is not taken for empty.
"""

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

from service.site.verdict import Fault, Finding

RECENT = timedelta(days=400)  # days are counted so far back; of what is older months tell
WINDOW = 28  # days before a hole that show how often there are records
SOME = 28  # records in the window: of fewer, chance leaves out days
REGULAR = 7  # days of the window with some: what is dated by the month tells nothing of days
GRACE = 2  # days more than the longest gap: a holiday, and records that come late
# Records that a hole between others lacks, by the rate of its window. Days without any are sought
# in all that is counted, of every type, where chance would find some: where records come one by
# one, it leaves so long a time without one in e^-20 of cases, one in 500 million.
MISSING = 20


LONG = MISSING * WINDOW // SOME  # days that lack as many records at any rate that shows something
SILENT = 0  # days of a hole that has not ended
Told = tuple[str, int]  # a hole as it is kept: the day before it (YYYY-MM-DD), and its days


@dataclass(frozen=True)
class Hole:
    """Whole days without a record, so many after one that has some."""

    after: date
    days: int

    @property
    def until(self) -> date:
        """The next day that has some; or today, where none has."""
        return self.after + timedelta(days=self.days + 1)

    def touches(self, first: date, last: date) -> bool:
        """Whether it takes something from these days: of those about it, too, a part may lack."""
        return self.after <= last and self.until >= first

    def finding(self, type_name: str) -> Finding:
        """What is said of it. It stays at the site: the day could be one patient's."""
        return Finding(Fault.STALE, f"{type_name} after {self.after}", self.days, type_name)


def recent(transaction_time: str) -> str:
    """The first day (YYYY-MM-DD) that is counted for a pull of that time."""
    return (date.fromisoformat(transaction_time[:10]) - RECENT).isoformat()


def holes(days: Mapping[str, int], today: date, accepted: str = "") -> Iterator[Hole]:
    """The days without a record that are too many to be chance, the earliest first; the last may be
    the silence since the newest record.

    ``days`` has the number of records by day (YYYY-MM-DD); what is dated after today is planned.
    The days of a hole are no part of the window of a later one: a feed that stops again is noticed
    again. But those after ``accepted`` or an earlier day are: a person said that such a time is
    usual, and no other like it is told while it is in the window.
    """
    window = deque([0] * WINDOW, WINDOW)
    known = _counted(days, today)
    for (day, count), (following, _) in pairwise([*known, (today, 0)]):
        window.append(count)
        hole = Hole(day, (following - day).days - 1)
        least = 0 if day == known[-1][0] else MISSING
        if _stands_out(hole, window, least) and str(day) > accepted:
            yield hole
        else:
            window.extend([0] * min(hole.days, WINDOW))


def all_holes(
    days: Mapping[str, int], told: Iterable[Told], today: date, accepted: str = ""
) -> list[Hole]:
    """The holes that the days show, and those of ``told``, which were found before.

    The days that are counted do not show a hole for ever. It stands until more than half of its
    days have some, or somebody accepts it; where nothing came since, it lasts to this day.
    """
    known = [day for day, _ in _counted(days, today)]
    found: dict[date, int] = {}
    for hole in (*holes(days, today, accepted), *_standing(told, known, today, accepted)):
        found[hole.after] = max(hole.days, found.get(hole.after, 0))
    return [Hole(after, count) for after, count in sorted(found.items())]


def _standing(
    told: Iterable[Told], known: Sequence[date], today: date, accepted: str
) -> Iterator[Hole]:
    for after, count in told:
        hole = Hole(date.fromisoformat(after), count)
        since = bisect_right(known, hole.after)
        if count == SILENT:
            until = known[since] if since < len(known) else today
            hole = Hole(hole.after, (until - hole.after).days - 1)
        filled = bisect_left(known, hole.until) - since
        # A short silence that has ended stands as long as the days show that it is no chance.
        ended = count == SILENT and hole.until < today and hole.days < LONG
        if after > accepted and not ended and filled * 2 <= hole.days:
            yield hole


def kept(found: Iterable[Hole], today: date) -> list[Told]:
    """What is to be remembered of holes."""
    return [(str(hole.after), SILENT if hole.until >= today else hole.days) for hole in found]


def _counted(days: Mapping[str, int], today: date) -> list[tuple[date, int]]:
    """The days until today with records, and how many; without those that no calendar has."""
    known = ((day, count) for told, count in days.items() if (day := _day(told)))
    return sorted((day, count) for day, count in known if day <= today)


def _day(told: str) -> date | None:
    """The day; None of one that no calendar has."""
    try:
        return date.fromisoformat(told)
    except ValueError:
        return None


def _stands_out(hole: Hole, window: Collection[int], least: int) -> bool:
    """Whether it is longer than what the days before it show of the type, if they show anything,
    and lacks so many records."""
    if hole.days <= GRACE:  # as nearly all are
        return False
    records, there = sum(window), sum(map(bool, window))
    if records < SOME or there < REGULAR or hole.days * records < least * WINDOW:
        return False
    return hole.days > max(_gaps(window)) + GRACE


def _gaps(window: Collection[int]) -> Iterator[int]:
    """The lengths of the runs of days with nothing."""
    length = 0
    for records in window:
        length = 0 if records else length + 1
        yield length
