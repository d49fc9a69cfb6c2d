"""Quantiles of the binomial, Poisson, chi-square and normal distributions, by summation.

The binomial and Poisson quantile of a probability is the smallest k with P(X <= k) >= it.
"""

import math
from collections.abc import Iterator
from statistics import NormalDist

# Terms further below the mean than this add less than 1e-30 to a sum.
FAR = 12
Z = NormalDist().inv_cdf


def binomial(probability: float, trials: int, chance: float) -> int:
    """The quantile of ``probability`` (0 to below 1) for ``trials`` of a ``chance`` (0 to 1)."""
    return _reached(probability, _binomial_terms(trials, chance))


def binomial_above(successes: int, trials: int, chance: float) -> float:
    """P(X > successes)."""
    return math.fsum(term for k, term in _binomial_terms(trials, chance) if k > successes)


def poisson(probability: float, mean: float) -> int:
    """The quantile of ``probability`` (0 to below 1) for a ``mean`` of at least 0."""
    return _reached(probability, _poisson_terms(mean))


def poisson_above(events: int, mean: float) -> float:
    """P(X > events)."""
    below = math.fsum(term for k, term in _poisson_terms(mean) if k <= events)
    return max(0.0, 1 - below)


def _reached(probability: float, terms: Iterator[tuple[int, float]]) -> int:
    """The first k at which the terms add up to ``probability``."""
    below = 0.0
    for k, term in terms:
        below += term
        if below >= probability:
            return k
    raise ValueError("a quantile is of a probability below 1")


def _binomial_terms(trials: int, chance: float) -> Iterator[tuple[int, float]]:
    """k and P(X = k), from where it begins to count to where it ends."""
    if chance in (0.0, 1.0):
        yield (trials if chance else 0), 1.0
        return
    spread = math.sqrt(trials * chance * (1 - chance))
    k = max(0, int(trials * chance - FAR * spread - FAR))
    term = math.exp(
        math.lgamma(trials + 1)
        - math.lgamma(k + 1)
        - math.lgamma(trials - k + 1)
        + k * math.log(chance)
        + (trials - k) * math.log1p(-chance)
    )
    last = min(trials, trials * chance + 3 * FAR * (spread + 1))
    while k <= last:
        yield k, term
        term *= (trials - k) / (k + 1) * (chance / (1 - chance))
        k += 1


def _poisson_terms(mean: float) -> Iterator[tuple[int, float]]:
    """k and P(X = k), from where it begins to count to where it ends."""
    if mean == 0:
        yield 0, 1.0
        return
    k = max(0, int(mean - FAR * math.sqrt(mean) - FAR))
    last = mean + 3 * FAR * (math.sqrt(mean) + 1)
    term = math.exp(k * math.log(mean) - mean - math.lgamma(k + 1))
    while k <= last:
        yield k, term
        k += 1
        term *= mean / k


def chi_square(probability: float, freedom: float) -> float:
    """The quantile of ``probability`` (0 to below 1) for ``freedom`` degrees (above 0).

    By halving, since the distribution function rises: exact to the last digits of a float.
    """
    low, high = 0.0, max(1.0, freedom)
    while chi_square_below(high, freedom) < probability:
        low, high = high, 2 * high
    while (middle := (low + high) / 2) not in (low, high):
        if chi_square_below(middle, freedom) < probability:
            low = middle
        else:
            high = middle
    return high


def chi_square_below(value: float, freedom: float) -> float:
    """P(X <= value): the regularized lower incomplete gamma function (DLMF 8.7.1, 8.9.2)."""
    shape, x = freedom / 2, value / 2
    if x <= 0:
        return 0.0
    front = math.exp(shape * math.log(x) - x - math.lgamma(shape))
    if x < shape + 1:
        return front * _series(shape, x)
    return 1 - front * _fraction(shape, x)


def _series(shape: float, x: float) -> float:
    """The sum of x^k / (shape (shape + 1) ... (shape + k))."""
    term = total = 1 / shape
    k = shape
    while term > total * 1e-17:
        k += 1
        term *= x / k
        total += term
    return total


def _fraction(shape: float, x: float) -> float:
    """The continued fraction of the upper function, by Lentz's method."""
    b = x + 1 - shape
    c, d = 1e300, 1 / b
    result = d
    for k in range(1, 10_000):
        a = -k * (k - shape)
        b += 2
        d = 1 / (a * d + b)
        c = b + a / c
        result *= c * d
        if abs(c * d - 1) < 1e-16:
            break
    return result
