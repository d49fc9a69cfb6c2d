"""Date: a calendar date, known to the year, the month or the day."""

from __future__ import annotations

import calendar
import datetime
import re

from service.cql.values.precision import DAY, MONTH, YEAR

_TEXT = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?", re.ASCII)


class Date:
    """A Date of precision year, month or day (index of `service.cql.values.precision`).

    `first_day` and `last_day` are the ordinals (as `datetime.date.toordinal`) of the first and the
    last day that the known parts allow. Immutable.
    """

    __slots__ = ("first_day", "last_day", "precision")
    first_day: int
    last_day: int
    precision: int

    def __init__(self, year: int, month: int | None = None, day: int | None = None) -> None:
        """Raises ValueError for parts out of range or with a gap between them."""
        self.precision, self.first_day, self.last_day = days_of(year, month, day)

    @classmethod
    def parse(cls, text: str) -> Date | None:
        """The Date that `text` says (YYYY, YYYY-MM or YYYY-MM-DD); None if it is not one."""
        if not (parts := _TEXT.fullmatch(text)):
            return None
        year, month, day = parts.groups()
        try:
            return cls(int(year), number(month), number(day))
        except ValueError:
            return None

    @classmethod
    def of_day(cls, ordinal: int, precision: int = DAY) -> Date:
        """The Date of that day, known to `precision`. Raises ValueError outside years 1 to 9999."""
        day = datetime.date.fromordinal(ordinal)
        if precision == YEAR:
            return cls(day.year)
        return cls(day.year, day.month, day.day if precision == DAY else None)

    @property
    def first(self) -> datetime.date:
        """The first day that the known parts allow."""
        return datetime.date.fromordinal(self.first_day)

    def component(self, precision: int) -> int | None:
        """The year, month or day as a number; None where it is not known."""
        if precision > self.precision:
            return None
        first = self.first
        return (first.year, first.month, first.day)[precision]

    def __str__(self) -> str:
        return self.first.isoformat()[: (4, 7, 10)[self.precision]]

    def __repr__(self) -> str:
        return f"@{self}"

    def __eq__(self, other: object) -> bool:
        """The same parts; the language's equality is in `service.cql.operators.comparison`."""
        if type(other) is not Date:
            return NotImplemented
        return self.first_day == other.first_day and self.precision == other.precision

    def __hash__(self) -> int:
        return hash((self.first_day, self.precision))


def number(digits: str | None) -> int | None:
    """The number that a part of a text says, None for a missing part."""
    return None if digits is None else int(digits)


def days_of(year: int, month: int | None, day: int | None) -> tuple[int, int, int]:
    """Precision, first and last ordinal of a date of which some parts may be unknown."""
    if month is None:
        if day is not None:
            raise ValueError("a date with a day has a month")
        first = datetime.date(year, 1, 1).toordinal()
        return YEAR, first, first + 364 + calendar.isleap(year)
    if day is None:
        first = datetime.date(year, month, 1).toordinal()
        return MONTH, first, first + days_in_month(year, month) - 1
    first = datetime.date(year, month, day).toordinal()
    return DAY, first, first


def days_in_month(year: int, month: int) -> int:
    """28 to 31."""
    return calendar.monthrange(year, month)[1]


def plus_months(day: int, months: int) -> int:
    """The ordinal `months` later; a day that the month does not have becomes its last day.

    Raises ValueError outside years 1 to 9999.
    """
    start = datetime.date.fromordinal(day)
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    if not 1 <= year <= 9999:
        raise ValueError("the year is outside 1 to 9999")
    last = days_in_month(year, month + 1)
    return datetime.date(year, month + 1, min(start.day, last)).toordinal()
