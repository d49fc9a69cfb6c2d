"""DateTime: a point in time, known to some precision, with its offset from UTC."""

from __future__ import annotations

import datetime as python
import re

from service.cql.values.date import Date, days_of, number
from service.cql.values.precision import (
    DAY,
    DAY_SPAN,
    HOUR,
    MILLISECOND,
    MINUTE_SPAN,
    SECOND,
    SPAN,
)
from service.cql.values.time import Time, clock, clock_text, milliseconds, time_of

_TEXT = re.compile(
    r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?"
    r"(?:T(?:(\d{2})(?::(\d{2})(?::(\d{2})(?:\.(\d+))?)?)?(Z|[+-]\d{2}:\d{2})?)?)?",
    re.ASCII,
)
# What nearly every recorded instant looks like; Python's own parser reads it three times as fast.
_COMPLETE = re.compile(
    r"\d{4}-\d{2}-\d{2}T(?:[01]\d|2[0-3]):\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:\d{2})",
    re.ASCII,
)
_LENGTH = (4, 7, 10, 13, 16, 19, 23)


class DateTime:
    """A DateTime of precision year to millisecond (index of `service.cql.values.precision`).

    `low` and `high` are the earliest and the latest millisecond (UTC, counted from 0001-01-01T00:00
    of which the day is 1) that the known parts allow; they are the same when every part is known.
    `first_day` and `last_day` are the ordinals of the days of `low` and `high` at the DateTime's
    own `offset`, which is in minutes. Immutable.
    """

    __slots__ = ("first_day", "high", "last_day", "low", "offset", "precision")
    first_day: int
    last_day: int
    low: int
    high: int
    offset: int
    precision: int

    def __init__(
        self,
        year: int,
        month: int | None = None,
        day: int | None = None,
        hour: int | None = None,
        minute: int | None = None,
        second: int | None = None,
        millisecond: int | None = None,
        offset: int = 0,
    ) -> None:
        """Raises ValueError for parts out of range or with a gap between them."""
        precision, first, last = days_of(year, month, day)
        if hour is None:
            if (minute, second, millisecond) != (None, None, None):
                raise ValueError("a time has no finer part below an unknown one")
            self._fill(precision, first, last, 0, offset)
        elif precision < DAY:
            raise ValueError("a time has no finer part below an unknown one")
        else:
            self._fill(*_timed(first, time_of(hour, minute, second, millisecond)), offset)

    def _fill(self, precision: int, first: int, last: int, time: int, offset: int) -> None:
        """Sets every slot from the days and the earliest millisecond of the first day."""
        self.precision = precision
        self.first_day = first
        self.last_day = last
        self.offset = offset
        self.low = first * DAY_SPAN + time - offset * MINUTE_SPAN
        span = SPAN[precision] if precision > DAY else (last - first + 1) * DAY_SPAN
        self.high = self.low + span - 1

    @classmethod
    def parse(
        cls, text: str, offset: int = 0, place: python.tzinfo | None = None
    ) -> DateTime | None:
        """The DateTime that `text` says in ISO 8601; None if it is not one.

        `offset` (minutes) holds where the text gives none, but for a time at a known `place`: that
        has the offset of the clocks there at that moment. More digits than milliseconds have are
        dropped.
        """
        if _COMPLETE.fullmatch(text):
            return _complete(text)
        if not (parts := _TEXT.fullmatch(text)):
            return None
        year, month, day, hour, minute, second, fraction, zone = parts.groups()
        try:
            if place is not None and zone is None and hour is not None:
                offset = _offset_at(place, *(int(each or 0) for each in parts.groups()[:6]))
            return cls(
                int(year),
                number(month),
                number(day),
                number(hour),
                number(minute),
                number(second),
                milliseconds(fraction),
                offset if zone is None else _minutes(zone),
            )
        except ValueError:
            return None

    @classmethod
    def of_instant(cls, low: int, offset: int, precision: int = MILLISECOND) -> DateTime:
        """The DateTime at `low` (as the attribute), cut to `precision` hour or finer, day.

        Raises ValueError outside years 1 to 9999.
        """
        first, time = divmod(low + offset * MINUTE_SPAN, DAY_SPAN)
        return cls.of_day(first, time, offset, precision)

    @classmethod
    def of_day(cls, day: int, time: int, offset: int, precision: int) -> DateTime:
        """The DateTime `time` milliseconds into the day of ordinal `day`, cut to `precision`.

        Raises ValueError outside years 1 to 9999.
        """
        known = Date.of_day(day, min(precision, DAY))
        span = SPAN[precision] if precision > DAY else DAY_SPAN
        result = cls.__new__(cls)
        result._fill(precision, known.first_day, known.last_day, time // span * span, offset)
        return result

    @classmethod
    def of_python(cls, moment: python.datetime, precision: int = MILLISECOND) -> DateTime:
        """The DateTime of an aware datetime, to second or millisecond."""
        zone = moment.utcoffset()
        if zone is None:
            raise ValueError("a datetime without offset is no instant")
        time = ((moment.hour * 60 + moment.minute) * 60 + moment.second) * 1000
        if precision == MILLISECOND:
            time += moment.microsecond // 1000
        offset = (zone.days * 86_400 + zone.seconds) // 60
        if not -840 <= offset <= 840:
            raise ValueError("the offset is out of range")
        day = moment.toordinal()
        result = cls.__new__(cls)
        result._fill(precision, day, day, time, offset)
        return result

    @property
    def time(self) -> int:
        """The earliest millisecond of `first_day`, at the DateTime's own offset."""
        return self.low + self.offset * MINUTE_SPAN - self.first_day * DAY_SPAN

    def date(self) -> Date:
        """The Date, at the DateTime's own offset."""
        return Date.of_day(self.first_day, min(self.precision, DAY))

    def time_of_day(self) -> Time | None:
        """The Time, at the DateTime's own offset; None where not even the hour is known."""
        if self.precision < HOUR:
            return None
        return Time.of_milliseconds(self.time, self.precision)

    def at_offset(self, offset: int) -> DateTime:
        """The same instant told at another offset; a DateTime without time stays as it is."""
        if offset == self.offset or self.precision < HOUR:
            return self
        return DateTime.of_instant(self.low, offset, self.precision)

    def component(self, precision: int) -> int | None:
        """Year to millisecond as a number, at the own offset; None where it is not known."""
        if precision > self.precision:
            return None
        if precision >= HOUR:
            return clock(self.time)[precision - HOUR]
        return self.date().component(precision)

    def __str__(self) -> str:
        """ISO 8601 of the known parts; with the offset where there is a time."""
        day = python.date.fromordinal(self.first_day).isoformat()
        text = f"{day}T{clock_text(self.time)}"[: _LENGTH[self.precision]]
        return text + offset_text(self.offset) if self.precision >= HOUR else text

    def __repr__(self) -> str:
        return f"@{self}" if self.precision >= HOUR else f"@{self}T"

    def __eq__(self, other: object) -> bool:
        """The same parts; the language's equality is in `service.cql.operators.comparison`."""
        if type(other) is not DateTime:
            return NotImplemented
        return (self.low, self.precision, self.offset) == (
            other.low,
            other.precision,
            other.offset,
        )

    def __hash__(self) -> int:
        return hash((self.low, self.precision, self.offset))


def _timed(day: int, time: tuple[int, int]) -> tuple[int, int, int, int]:
    precision, value = time
    return precision, day, day, value


def _offset_at(place: python.tzinfo, *local: int) -> int:
    """Minutes by which clocks at a place are ahead of UTC, at a local time to the second."""
    year, month, day, hour, minute, second = local
    ahead = python.datetime(year, month, day, hour, minute, second, tzinfo=place).utcoffset()
    return 0 if ahead is None else int(ahead.total_seconds() // 60)


def _complete(text: str) -> DateTime | None:
    try:
        moment = python.datetime.fromisoformat(text)
        return DateTime.of_python(moment, MILLISECOND if text[19] == "." else SECOND)
    except ValueError:
        return None


def _minutes(zone: str) -> int:
    """The minutes of Z or +hh:mm. Raises ValueError beyond 14 hours."""
    if zone == "Z":
        return 0
    hours, minutes = int(zone[1:3]), int(zone[4:6])
    if minutes > 59 or hours * 60 + minutes > 840:
        raise ValueError("the offset is out of range")
    return (hours * 60 + minutes) * (-1 if zone[0] == "-" else 1)


def offset_text(minutes: int) -> str:
    """+hh:mm."""
    hours, rest = divmod(abs(minutes), 60)
    return f"{'-' if minutes < 0 else '+'}{hours:02}:{rest:02}"
