"""Uncertainty: a number that is known only to lie within closed bounds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

Number = TypeVar("Number")


@dataclass(frozen=True, slots=True)
class Uncertainty:
    """A number between `low` and `high`, both included: the days between partial dates.

    The bounds are of one type, Integer until the logic converts them. Comparing one gives null
    where its bounds do not decide. As a result it shows as an interval.
    """

    low: Any
    high: Any

    @staticmethod
    def between(low: Number, high: Number) -> Number | Uncertainty:
        """The Uncertainty, or the number where the bounds leave only one."""
        return low if low == high else Uncertainty(low, high)

    def map(self, rising: Callable[[Any], Any]) -> Any:
        """The range of a function that rises with its argument; null where it is null."""
        low, high = rising(self.low), rising(self.high)
        return None if low is None or high is None else Uncertainty.between(low, high)
