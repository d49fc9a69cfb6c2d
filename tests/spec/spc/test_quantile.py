"""Quantiles against sums of whole numbers, closed forms and each other."""

import math
from fractions import Fraction
from statistics import NormalDist

import pytest

from service.spc import quantile

TAILS = (0.00135, 0.025, 0.5, 0.975, 0.99865)


@pytest.mark.parametrize("trials", [1, 7, 40, 300])
@pytest.mark.parametrize("chance", [Fraction(1, 100), Fraction(1, 4), Fraction(19, 20)])
def test_binomial_quantiles_in_exact_fractions(trials: int, chance: Fraction) -> None:
    below = Fraction(0)
    expected: dict[float, int] = {}
    for k in range(trials + 1):
        below += math.comb(trials, k) * chance**k * (1 - chance) ** (trials - k)
        for tail in TAILS:
            if below >= Fraction(tail):
                expected.setdefault(tail, k)
        above = quantile.binomial_above(k, trials, float(chance))
        assert above == pytest.approx(float(1 - below), abs=1e-12)
    for tail in TAILS:
        assert quantile.binomial(tail, trials, float(chance)) == expected[tail]


@pytest.mark.parametrize("mean", [0.0, 0.3, 4.0, 55.5, 300.0])
def test_poisson_quantiles_by_adding_up(mean: float) -> None:
    for tail in TAILS:
        k = quantile.poisson(tail, mean)
        assert 1 - quantile.poisson_above(k, mean) >= tail - 1e-12
        assert k == 0 or 1 - quantile.poisson_above(k - 1, mean) < tail


def test_large_numbers_are_nearly_normal() -> None:
    for tail in TAILS:
        z = NormalDist().inv_cdf(tail)
        assert quantile.binomial(tail, 1_000_000, 0.5) == pytest.approx(500_000 + 500 * z, abs=2)
        assert quantile.poisson(tail, 1_000_000.0) == pytest.approx(1_000_000 + 1000 * z, abs=3)


def test_certainty() -> None:
    assert quantile.binomial(0.5, 10, 0.0) == 0
    assert quantile.binomial(0.5, 10, 1.0) == 10
    assert quantile.poisson(0.99, 0.0) == 0


def test_chi_square_of_two_degrees_is_exponential() -> None:
    for tail in (0.001, 0.3, 0.999):
        assert quantile.chi_square(tail, 2) == pytest.approx(-2 * math.log1p(-tail), rel=1e-12)


def test_chi_square_of_one_degree_is_a_squared_normal() -> None:
    for tail in (0.05, 0.5, 0.95):
        normal = NormalDist().inv_cdf((1 + tail) / 2)
        assert quantile.chi_square(tail, 1) == pytest.approx(normal**2, rel=1e-9)


@pytest.mark.parametrize("events", [1, 5, 40, 400])
@pytest.mark.parametrize("mean", [0.5, 10.0, 380.0])
def test_chi_square_sums_the_poisson_distribution(events: int, mean: float) -> None:
    """P(X >= k) for a Poisson mean m is P(chi-square of 2 k degrees <= 2 m)."""
    above = quantile.poisson_above(events - 1, mean)
    assert quantile.chi_square_below(2 * mean, 2 * events) == pytest.approx(above, abs=1e-12)


def test_its_quantile_turns_it_back() -> None:
    for freedom in (0.4, 3.0, 31.7, 2000.0):
        for tail in (0.001, 0.025, 0.5, 0.975, 0.999):
            value = quantile.chi_square(tail, freedom)
            assert quantile.chi_square_below(value, freedom) == pytest.approx(tail, rel=1e-9)
