"""Time: a time of day, known to the hour or finer."""

from __future__ import annotations

import re

from service.cql.values.date import number
from service.cql.values.precision import DAY_SPAN, HOUR, MILLISECOND, MINUTE, SECOND, SPAN

_TEXT = re.compile(
    r"T?(\d{2})(?::(\d{2})(?::(\d{2})(?:\.(\d+))?)?)?(?:Z|[+-]\d{2}:\d{2})?", re.ASCII
)
_LENGTH = {HOUR: 2, MINUTE: 5, SECOND: 8, MILLISECOND: 12}


class Time:
    """A Time of precision hour to millisecond; `low` and `high` in milliseconds of the day."""

    __slots__ = ("high", "low", "precision")
    low: int
    high: int
    precision: int

    def __init__(
        self,
        hour: int,
        minute: int | None = None,
        second: int | None = None,
        millisecond: int | None = None,
    ) -> None:
        """Raises ValueError for parts out of range or with a gap between them."""
        self.precision, self.low = time_of(hour, minute, second, millisecond)
        self.high = self.low + SPAN[self.precision] - 1

    @classmethod
    def parse(cls, text: str) -> Time | None:
        """The Time that `text` says (hh[:mm[:ss[.fff]]], a leading T allowed); None if not one.

        An offset from UTC is read over, because a Time has none.
        """
        if not (parts := _TEXT.fullmatch(text)):
            return None
        hour, minute, second, fraction = parts.groups()
        try:
            return cls(int(hour), number(minute), number(second), milliseconds(fraction))
        except ValueError:
            return None

    @classmethod
    def of_milliseconds(cls, value: int, precision: int = MILLISECOND) -> Time:
        """The Time that many milliseconds after midnight (around the clock), to `precision`."""
        time = cls.__new__(cls)
        span = SPAN[precision]
        time.low = value % DAY_SPAN // span * span
        time.high = time.low + span - 1
        time.precision = precision
        return time

    def component(self, precision: int) -> int | None:
        """The hour, minute, second or millisecond as a number; None where it is not known."""
        if precision > self.precision or precision < HOUR:
            return None
        return clock(self.low)[precision - HOUR]

    def __str__(self) -> str:
        return clock_text(self.low)[: _LENGTH[self.precision]]

    def __repr__(self) -> str:
        return f"@T{self}"

    def __eq__(self, other: object) -> bool:
        """The same parts; the language's equality is in `service.cql.operators.comparison`."""
        if type(other) is not Time:
            return NotImplemented
        return self.low == other.low and self.precision == other.precision

    def __hash__(self) -> int:
        return hash((self.low, self.precision))


def time_of(
    hour: int, minute: int | None, second: int | None, millisecond: int | None
) -> tuple[int, int]:
    """Precision and earliest millisecond of the day of a time of which parts may be unknown."""
    parts = (hour, minute, second, millisecond)
    known = parts.index(None) if None in parts else 4
    if any(part is not None for part in parts[known:]):
        raise ValueError("a time has no finer part below an unknown one")
    total = 0
    for part, limit, span in zip(parts[:known], (24, 60, 60, 1000), SPAN[HOUR:], strict=False):
        if part is None or not 0 <= part < limit:
            raise ValueError("a part of the time is out of range")
        total += part * span
    return HOUR + known - 1, total


def milliseconds(fraction: str | None) -> int | None:
    """The digits after the second's point as milliseconds; finer digits are dropped."""
    return None if fraction is None else int(fraction[:3].ljust(3, "0"))


def clock(value: int) -> tuple[int, int, int, int]:
    """Hour, minute, second and millisecond of a millisecond of the day."""
    seconds, millisecond = divmod(value, 1000)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return hour, minute, second, millisecond


def clock_text(value: int) -> str:
    """hh:mm:ss.fff of a millisecond of the day."""
    hour, minute, second, millisecond = clock(value)
    return f"{hour:02}:{minute:02}:{second:02}.{millisecond:03}"
