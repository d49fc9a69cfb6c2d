"""Calendar months, each named by its first day."""

from collections.abc import Iterator
from datetime import date


def after(month: date, count: int = 1) -> date:
    """The month `count` months after (before, if negative)."""
    total = month.year * 12 + month.month - 1 + count
    return date(total // 12, total % 12 + 1, 1)


def between(first: date, last: date) -> Iterator[date]:
    """Every month from the first to the last."""
    while first <= last:
        yield first
        first = after(first)


def length(month: date) -> int:
    """Days in the month."""
    return (after(month) - month).days
