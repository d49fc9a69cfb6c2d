"""Whether a chart could have shown a doubling, by a point outside its limits.

A chart that could not says nothing by its silence. Where most cases meet a measure, what doubles
is the share of those that do not. Rounding of the counts is left out here.
"""

import math
from collections.abc import Iterable

from service.spc import quantile
from service.spc.attributes import Family
from service.spc.bounds import Bounds

COULD_SHOW = 0.8  # the chance that a chart needs before its silence counts
POINTS = 12  # how many points it has for that
SLIP = 1e-9  # of a count, so that a limit on a whole number stays there


def chance_of_point(family: Family, size: float, center: float, bounds: Bounds) -> float:
    """The chance (0 to 1) that one point lies outside its limits when events are twice as many.

    ``center`` and ``bounds`` are rates, ``size`` is the denominator (1 for a count).
    """
    rate, limit = center, bounds.upper
    if family.ceiling is not None and center > family.ceiling / 2:
        rate = family.ceiling - center
        limit = None if bounds.lower is None else family.ceiling - bounds.lower
    if limit is None:
        return 0.0
    count = math.floor(limit * size + SLIP)
    if family.ceiling is None:
        return quantile.poisson_above(count, 2 * rate * size)
    return quantile.binomial_above(count, round(size), min(2 * rate, 1.0))


def chance_of_any(chances: Iterable[float]) -> float:
    """The chance that at least one of several points signals."""
    return 1 - math.prod(1 - chance for chance in chances)
