"""Interval: a range of points of one type, with open, closed and null boundaries."""

from __future__ import annotations

from typing import Any

from service.cql.values.limits import MAXIMUM, MINIMUM, TYPE_NAME, step
from service.cql.values.quantity import Quantity


class Interval:
    """The points from `low` to `high`.

    `start` and `end` are the first and the last point: the boundary itself, the next point where it
    is open, the type's minimum or maximum where it is closed and null, and None (unknown) where it
    is open and null. `point` names the point type ("Integer", "DateTime"...): it is known from a
    boundary, and has to be given where both are null. Immutable.
    """

    __slots__ = ("end", "high", "high_closed", "low", "low_closed", "point", "start")

    def __init__(
        self,
        low: Any,
        high: Any,
        low_closed: bool = True,
        high_closed: bool = True,
        point: str | None = None,
    ) -> None:
        self.low = low
        self.high = high
        self.low_closed = low_closed
        self.high_closed = high_closed
        self.point = TYPE_NAME.get(type(high if low is None else low), point)
        self.start = low if low_closed and low is not None else self._start()
        self.end = high if high_closed and high is not None else self._end()

    def _start(self) -> Any:
        if self.low is not None:
            return _neighbour(self.low, 1)
        return self.least() if self.low_closed else None

    def _end(self) -> Any:
        if self.high is not None:
            return _neighbour(self.high, -1)
        return self.greatest() if self.high_closed else None

    def least(self) -> Any:
        """The minimum of the point type, in the other boundary's unit; None if there is none."""
        return _in_unit_of(MINIMUM.get(self.point or ""), self.high)

    def greatest(self) -> Any:
        """The maximum of the point type, in the other boundary's unit; None if there is none."""
        return _in_unit_of(MAXIMUM.get(self.point or ""), self.low)

    def __repr__(self) -> str:
        opening, closing = "(["[self.low_closed], ")]"[self.high_closed]
        return f"Interval{opening}{self.low!r}, {self.high!r}{closing}"

    def __eq__(self, other: object) -> bool:
        """The same boundaries; the language's equality is in `service.cql.operators.comparison`."""
        if type(other) is not Interval:
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[Any, ...]:
        return self.low, self.high, self.low_closed, self.high_closed


def _neighbour(point: Any, direction: int) -> Any:
    """The neighbouring point; None where the type ends."""
    try:
        return step(point, direction)
    except ValueError:
        return None


def _in_unit_of(limit: Any, other: Any) -> Any:
    if isinstance(limit, Quantity) and isinstance(other, Quantity):
        return Quantity(limit.value, other.unit)
    return limit
