"""The vertical scale that all charts of a measure share, so that they can be compared."""

from collections.abc import Iterable
from dataclasses import dataclass

_TOPS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8)
ROOM = 1.1  # above the highest rate


@dataclass(frozen=True)
class Scale:
    """Rates from ``bottom`` to ``top``, both within 0 and 1."""

    bottom: float = 0.0
    top: float = 1.0

    def part(self, rate: float) -> float:
        """Where a rate stands, from 0 at the bottom to 1 at the top; what lies beyond, there."""
        return min(max((rate - self.bottom) / (self.top - self.bottom), 0.0), 1.0)


def scale_of(rates: Iterable[float], lines: Iterable[float] = ()) -> Scale:
    """The scale that holds all rates and lines.

    It starts at 0 unless everything lies so far above that the changes could not be seen: a line
    shows changes, and needs no zero as a bar does.
    """
    found = [*rates, *lines]
    if not found:
        return Scale()
    low, high = min(found), max(found)
    top = next((step for step in _TOPS if high * ROOM <= step), 1.0)
    if low < 0.3 or low < high - low:
        return Scale(0.0, top)
    return Scale(round(int(low * 10 - 0.5) / 10, 1), top)
