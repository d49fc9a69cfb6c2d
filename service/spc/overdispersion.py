"""How much more the units differ than chance makes them, and the room that a funnel gives to it.

Spiegelhalter DJ. Handling over-dispersion of performance indicators. Qual Saf Health Care
2005;14:347-51; Funnel plots for comparing institutional performance. Stat Med 2005;24:1185-202.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

WINSORISED = 0.1  # of the scores at either end


@dataclass(frozen=True)
class Overdispersion:
    """``phi`` is the mean squared score, about 1 by chance alone; ``tau2`` the variance between
    units on the scale of the scores, 0 when chance explains them all.
    """

    phi: float
    tau2: float


def overdispersion(
    scores: Sequence[float], sigmas: Sequence[float], winsorise: float = WINSORISED
) -> Overdispersion:
    """From each unit's standardized score and standard deviation (at least one unit).

    Outlying units must not widen the funnel that is to find them: the lowest and highest part
    ``winsorise`` (0 to below 0.5) of the scores are drawn in to its ends first.
    """
    squares = math.fsum(score**2 for score in winsorised(scores, winsorise))
    weights = [1 / sigma**2 for sigma in sigmas]
    return Overdispersion(squares / len(scores), between(squares, weights))


def between(squares: float, weights: Sequence[float]) -> float:
    """The variance between units, by DerSimonian and Laird's method of moments."""
    total = math.fsum(weights)
    room = total - math.fsum(weight**2 for weight in weights) / total
    excess = squares - (len(weights) - 1)
    return excess / room if excess > 0 and room > 0 else 0.0


def winsorised(scores: Sequence[float], part: float) -> list[float]:
    """``scores`` with those beyond the quantiles ``part`` and 1 - ``part`` set to these."""
    ordered = sorted(scores)
    low, high = _quantile(ordered, part), _quantile(ordered, 1 - part)
    return [min(max(score, low), high) for score in scores]


def _quantile(ordered: Sequence[float], part: float) -> float:
    """By linear interpolation (Hyndman and Fan's type 7)."""
    place = part * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])
