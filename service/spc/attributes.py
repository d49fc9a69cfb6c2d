"""Charts of counts: p, p', u, u' and c.

p, u and c: Shewhart; Montgomery DC. Introduction to Statistical Quality Control, ch. 7. p' and u':
Laney DB. Improved control charts for attributes. Qual Eng 2002;14:531-7. The limits step with each
subgroup's own denominator.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from service.errors import ChartError
from service.spc import quantile
from service.spc.bounds import Bounds
from service.spc.limits import EXPECTED, LOWER_TAIL, SIGMAS, UPPER_TAIL, Limits, Method
from service.spc.lines import Lines, around, bare, within
from service.spc.moving_range import D2, mean_range
from service.spc.span import Span
from service.spc.subgroup import Subgroup

SIGMA_Z = "sigma_z"


@dataclass(frozen=True)
class Family:
    """How counts of events scatter around a rate.

    ``variance`` is that of the count in one unit of the denominator; ``quantile`` takes a
    probability, the denominator and the rate, and gives a count. Without ``ratio`` there are no
    denominators: every opportunity is 1.
    """

    variance: Callable[[float], float]
    quantile: Callable[[float, float, float], int]
    ceiling: float | None = None
    ratio: bool = True

    def size(self, subgroup: Subgroup) -> float | None:
        """The denominator; None for a gap of unknown size."""
        return subgroup.denominator if self.ratio else 1.0


def _binomial_quantile(probability: float, trials: float, chance: float) -> int:
    if trials != int(trials):
        raise ChartError("Exact limits of a proportion need whole denominators")
    return quantile.binomial(probability, int(trials), chance)


def _poisson_quantile(probability: float, opportunity: float, rate: float) -> int:
    return quantile.poisson(probability, opportunity * rate)


def _binomial_variance(chance: float) -> float:
    return chance * (1 - chance)


def _poisson_variance(rate: float) -> float:
    return rate


BINOMIAL = Family(_binomial_variance, _binomial_quantile, ceiling=1.0)
POISSON = Family(_poisson_variance, _poisson_quantile)
COUNTS = Family(_poisson_variance, _poisson_quantile, ratio=False)


def p(span: Span, method: Method) -> Lines:
    """Proportions: p = sum y / sum n, sigma = sqrt(p (1 - p) / n) (Montgomery 7.2)."""
    return _attribute(span, method, BINOMIAL, prime=False)


def p_prime(span: Span, method: Method) -> Lines:
    """Proportions that scatter more than cases of one chance do: sigma times sigma_z (Laney).

    sigma_z is the mean moving range of the standardized values by 1.128. A sigma_z below 1 is
    used as it is and narrows the limits, as in Laney's paper.
    """
    return _attribute(span, method, BINOMIAL, prime=True)


def u(span: Span, method: Method) -> Lines:
    """Rates: u = sum y / sum n, sigma = sqrt(u / n) (Montgomery 7.3.2)."""
    return _attribute(span, method, POISSON, prime=False)


def u_prime(span: Span, method: Method) -> Lines:
    """Rates that scatter more than events of one rate do: sigma times sigma_z (Laney)."""
    return _attribute(span, method, POISSON, prime=True)


def c(span: Span, method: Method) -> Lines:
    """Counts in equal opportunities: the mean c, sigma = sqrt(c) (Montgomery 7.3.1)."""
    return _attribute(span, method, COUNTS, prime=False)


def _attribute(span: Span, method: Method, family: Family, *, prime: bool) -> Lines:
    center = span.pooled()
    values = span.values if family.ceiling is None else [_capped(value) for value in span.values]
    if center is None:
        return bare(values)
    sigmas = [sigma(subgroup, center, family) for subgroup in span.subgroups]
    spread = _sigma_z(span, values, center, sigmas, method)
    figures = {} if spread is None else {SIGMA_Z: spread}
    if prime:
        sigmas = [None if own is None or spread is None else own * spread for own in sigmas]
    bounds = around(center, sigmas, 0.0, family.ceiling)
    if method.limits is not Limits.THREE_SIGMA:
        bounds = tuple(
            _quantiles(subgroup, center, family, method) or own
            for subgroup, own in zip(span.subgroups, bounds, strict=True)
        )
    return Lines(center, tuple(values), bounds, figures)


def _capped(value: float | None) -> float | None:
    # Rounding can put a numerator above its denominator.
    return None if value is None else min(value, 1.0)


def sigma(subgroup: Subgroup, center: float, family: Family) -> float | None:
    """The standard deviation of a subgroup's value by chance and rounding; None without a size."""
    size = family.size(subgroup)
    if size is None:
        return None
    return math.sqrt(family.variance(center) / size + rounding_variance(subgroup, center))


def rounding_variance(subgroup: Subgroup, center: float) -> float:
    """What rounding both counts adds to the variance of their ratio (by the delta method)."""
    if subgroup.denominator is None:
        return subgroup.noise
    return subgroup.noise * (1 + center**2) / subgroup.denominator**2


def _sigma_z(
    span: Span,
    values: list[float | None],
    center: float,
    sigmas: list[float | None],
    method: Method,
) -> float | None:
    """How much more (or less) neighbors differ than chance makes them; None if that is unknown."""
    scores = [
        (value - center) / own if value is not None and own else None
        for value, own in zip(values, sigmas, strict=True)
    ]
    mean = mean_range(span, span.ranges(scores), method)
    return None if mean is None else mean / D2


def few_expected(size: float, center: float, family: Family) -> bool:
    """Whether fewer than 5 cases, or of a proportion 5 of the others, are expected."""
    share = center if family.ceiling is None else min(center, 1 - center)
    return size * share < EXPECTED


def _quantiles(subgroup: Subgroup, center: float, family: Family, method: Method) -> Bounds | None:
    """Exact limits by the denominator, where they are wanted; None elsewhere.

    The variance of rounding joins each half-width in quadrature.
    """
    size = family.size(subgroup)
    if size is None or (method.limits is Limits.AUTO and not few_expected(size, center, family)):
        return None
    lower, upper = (family.quantile(tail, size, center) / size for tail in (LOWER_TAIL, UPPER_TAIL))
    extra = SIGMAS**2 * rounding_variance(subgroup, center)
    if extra:
        lower = center - math.hypot(center - lower, math.sqrt(extra))
        upper = center + math.hypot(upper - center, math.sqrt(extra))
    return within(lower, upper, 0.0, family.ceiling)
