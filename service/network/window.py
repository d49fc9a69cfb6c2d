"""Calendar windows: months, quarters and years that a measure is reported by, and their names."""

from datetime import date

from service.measure.period import Period
from service.network.config import Rung, Window

MONTHS = {"month": 1, "quarter": 3}
LONG_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]


def name(period: Period, window: Window | Rung) -> str | None:
    """``2026-03``, ``2026-Q1`` or ``2026``; None when the period is not one whole window."""
    first = _name(period.start, window)
    return first if Period.parse(first) == period else None


def span(first: str, last: str, window: Window) -> list[str]:
    """All windows from ``first`` to ``last``, both included."""
    at, stop = _start(first, window), _start(last, window)
    names = []
    while at <= stop:
        names.append(_name(date(*at, 1), window))
        at = _shift(*at, MONTHS[window])
    return names


def holding(month: str, window: Window) -> str:
    """The window that holds a month, ``2026-03``."""
    return _name(date(int(month[:4]), int(month[5:7]), 1), window)


def length(period: str) -> Window | Rung:
    """Which window it is the name of."""
    if "Q" in period:
        return "quarter"
    return "month" if "-" in period else "year"


def months(period: str) -> tuple[str, str]:
    """The first and the last month of a window."""
    days = Period.parse(period)
    return f"{days.start:%Y-%m}", f"{days.end:%Y-%m}"


def within(period: str, longer: str) -> bool:
    """Whether one window lies in another."""
    (first, last), (begin, end) = months(period), months(longer)
    return begin <= first and last <= end


def spoken(period: str) -> str:
    """``March 2026``, ``quarter 1 of 2026``, ``the year 2026``."""
    if length(period) == "year":
        return f"the year {period}"
    if "Q" in period:
        return f"quarter {period[-1]} of {period[:4]}"
    return f"{LONG_MONTHS[int(period[5:7]) - 1]} {period[:4]}"


def short(period: str) -> str:
    """``Mar``, ``Q1``; beside a year."""
    return period[5:] if "Q" in period else LONG_MONTHS[int(period[5:7]) - 1][:3]


def _name(day: date, window: Window | Rung) -> str:
    if window == "year":
        return f"{day.year:04d}"
    if window == "quarter":
        return f"{day.year:04d}-Q{(day.month + 2) // 3}"
    return f"{day.year:04d}-{day.month:02d}"


def _start(period: str, window: Window) -> tuple[int, int]:
    year = int(period[:4])
    return (year, 3 * int(period[-1]) - 2) if window == "quarter" else (year, int(period[5:7]))


def _shift(year: int, month: int, months: int) -> tuple[int, int]:
    ahead = year * 12 + month - 1 + months
    return ahead // 12, ahead % 12 + 1
