"""Measurement periods: closed days, and the moments they mean in a time zone."""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import date, datetime, time
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from service.errors import PeriodError

TODO = "Give first and last day as 2026-01-01/2026-12-31, or one year, quarter (2026-Q1) or month"
MEASUREMENT_PERIOD = "Measurement Period"  # the logic's parameter for it
END_OF_DAY = time(23, 59, 59, 999_000)  # CQL's DateTime ends at the millisecond


@dataclass(frozen=True, order=True, slots=True)
class Period:
    """The days from ``start`` to ``end``, both included."""

    start: date
    end: date

    def __post_init__(self) -> None:
        if self.end < self.start:
            raise PeriodError("The period ends before it starts", where=str(self), todo=TODO)

    def __str__(self) -> str:
        return f"{self.start}/{self.end}"

    @classmethod
    def parse(cls, text: str) -> Period:
        """``first/last``, where each is a day, month or year and means all of it; or one of them.

        As in FHIR's $evaluate-measure, 2026/2026-03 is 1 January to 31 March. Raises PeriodError.
        """
        first, slash, last = text.strip().partition("/")
        return cls(_span(first, text)[0], _span(last if slash else first, text)[1])

    @classmethod
    def month(cls, text: str) -> Period:
        """A calendar month, ``2026-03``."""
        return cls._only(r"[0-9]{4}-[0-9]{2}", text, "month as 2026-03")

    @classmethod
    def quarter(cls, text: str) -> Period:
        """A calendar quarter, ``2026-Q1``."""
        return cls._only(r"[0-9]{4}-Q[0-9]", text, "quarter as 2026-Q1")

    @classmethod
    def _only(cls, pattern: str, text: str, wanted: str) -> Period:
        if not re.fullmatch(pattern, text):
            raise PeriodError("Not a period", where=repr(text), todo=f"Give a {wanted}")
        return cls.parse(text)

    def moments(self, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """The first and the last moment (to the millisecond), each with its offset in ``zone``."""
        return (
            datetime.combine(self.start, time(), zone),
            # The later one, where clocks are put back at midnight.
            datetime.combine(self.end, END_OF_DAY, zone).replace(fold=1),
        )


def timezone(name: str) -> ZoneInfo:
    """The IANA time zone of that name. Raises PeriodError."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        todo = "Give a name of the IANA time zone database, such as Europe/London or UTC"
        raise PeriodError("No such time zone", where=repr(name), todo=todo) from None


def _span(text: str, whole: str) -> tuple[date, date]:
    """First and last day of a day, month, quarter or year."""
    try:
        return _days(text)
    except ValueError:
        raise PeriodError("Not a period", where=repr(whole), todo=TODO) from None


def _days(text: str) -> tuple[date, date]:
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        day = date.fromisoformat(text)
        return day, day
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}", text):
        return _months(int(text[:4]), int(text[5:]), 1)
    if re.fullmatch(r"[0-9]{4}-Q[1-4]", text):
        return _months(int(text[:4]), 3 * int(text[6]) - 2, 3)
    if re.fullmatch(r"[0-9]{4}", text):
        return _months(int(text), 1, 12)
    raise ValueError(text)


def _months(year: int, first: int, count: int) -> tuple[date, date]:
    last = first + count - 1
    return date(year, first, 1), date(year, last, monthrange(year, last)[1])
