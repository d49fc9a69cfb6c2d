"""Telling a copy of an EHR that is fed no more: it answers as ever, and its newest days are empty.

Many sites are read from a replica. When its feed stops, all that it has is right and nothing is
missing but the last days, in the middle of a month that has some of everything. So the days are
counted: where there was something nearly every day and then nothing for longer than ever before,
what a period needs after that is not taken for empty.
"""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta

RECENT = timedelta(days=400)  # days are counted so far back; of what is older months tell
WINDOW = 28  # days before the newest record that show how often there are some
SOME = 28  # records in the window: of fewer, chance leaves out days
REGULAR = 7  # days of the window with some: what is dated by the month tells nothing of days
GRACE = 2  # days more than the longest gap: a holiday, and records that come late


def recent(transaction_time: str) -> str:
    """The first day (YYYY-MM-DD) that is counted for a pull of that time."""
    return (date.fromisoformat(transaction_time[:10]) - RECENT).isoformat()


def silence(days: Mapping[str, int], today: date) -> tuple[date, int] | None:
    """The newest day with a record and how many whole days since have none, when these are too many
    to be chance; else None.

    ``days`` has the number of records by day (YYYY-MM-DD); what is dated after today is planned.
    """
    last = newest(days, today)
    if last is None:
        return None
    counts = {day: count for told, count in days.items() if (day := _day(told))}
    window = [last - timedelta(days=n) for n in range(WINDOW)]
    there = [day in counts for day in window]
    if sum(counts.get(day, 0) for day in window) < SOME or sum(there) < REGULAR:
        return None
    silent = (today - last).days - 1
    longest = max(_gaps(there))
    return (last, silent) if silent > longest + GRACE else None


def newest(days: Mapping[str, int], today: date) -> date | None:
    """The newest day with a record until today."""
    return max((day for told in days if (day := _day(told)) and day <= today), default=None)


def _day(told: str) -> date | None:
    """The day; None of one that no calendar has."""
    try:
        return date.fromisoformat(told)
    except ValueError:
        return None


def _gaps(there: list[bool]) -> Iterator[int]:
    """The lengths of the runs of days with nothing."""
    length = 0
    for one in there:
        length = 0 if one else length + 1
        yield length
