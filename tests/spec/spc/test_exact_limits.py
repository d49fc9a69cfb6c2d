"""Exact limits where the normal approximation fails, and what rounding adds to all of them."""

import math
from typing import Any

import pytest

from service.errors import ChartError
from service.spc.chart import control_chart
from service.spc.kind import P, kind_named
from service.spc.limits import Limits, Method
from service.spc.rounding import variance
from service.spc.subgroup import Subgroup
from tests.spec.spc.drawing import draw, limits, signalling, subgroups

EXACT, AUTO = Method(Limits.EXACT), Method(Limits.AUTO)


def binomial_below(count: int, trials: int, chance: float) -> float:
    return sum(
        math.comb(trials, k) * chance**k * (1 - chance) ** (trials - k) for k in range(count + 1)
    )


def poisson_below(count: int, mean: float) -> float:
    return sum(math.exp(-mean) * mean**k / math.factorial(k) for k in range(count + 1))


class TestExact:
    def test_a_proportion_has_binomial_quantiles(self) -> None:
        chart = draw("p", "1/20 2/20 0/20 1/20", method=EXACT)
        lower, upper = limits(chart)[0]
        assert (lower, upper) == (0, 5 / 20)
        assert binomial_below(5, 20, 0.05) >= 0.99865 > binomial_below(4, 20, 0.05)

    def test_a_rate_and_a_count_have_poisson_quantiles(self) -> None:
        assert limits(draw("c", "2 3 1 2", method=EXACT))[0] == (0, 7)
        assert limits(draw("u", "4/2 6/2 2/2 4/2", method=EXACT))[0] == (0, 11 / 2)
        assert poisson_below(7, 2) >= 0.99865 > poisson_below(6, 2)
        assert poisson_below(11, 4) >= 0.99865 > poisson_below(10, 4)

    def test_a_lower_limit_above_zero_has_as_little_below_it(self) -> None:
        (lower, _), *_ = limits(draw("c", "20 21 19 20", method=EXACT))
        assert lower == 8
        assert poisson_below(8, 20) >= 0.00135 > poisson_below(7, 20)

    def test_three_sigma_calls_small_numbers_to_account_too_often(self) -> None:
        few = "0/5 1/5 0/5 0/5 0/5 0/5 0/5 0/5 0/5 0/5 2/5 0/5 0/5"
        assert signalling(draw("p", few, baseline=10)) == [10]
        assert signalling(draw("p", few, baseline=10, method=EXACT)) == []

    def test_auto_is_exact_only_where_few_cases_or_few_others_are_expected(self) -> None:
        text = "10/100 5/40 6/60"
        by_sigma, by_quantile, auto = (
            limits(draw("p", text, method=method)) for method in (Method(), EXACT, AUTO)
        )
        assert auto == [by_sigma[0], by_quantile[1], by_sigma[2]]
        five = "10/100 5/50"  # 5 expected in the second: still 3 sigma
        assert limits(draw("p", five, method=AUTO)) == limits(draw("p", five))
        met = "97/100 39/40"  # few are not met
        assert limits(draw("p", met, method=AUTO)) == limits(draw("p", met, method=EXACT))

    def test_other_charts_have_none(self) -> None:
        with pytest.raises(ChartError, match="i chart has no exact limits"):
            draw("i", "1 2 3", method=EXACT)
        with pytest.raises(ChartError, match="whole denominators"):
            draw("p", "1/10.5 2/10", method=EXACT)


def rounded(kind: str, text: str, multiple: int, **options: Any) -> list[tuple[Any, Any]]:
    noisy = [
        Subgroup(s.period, s.numerator, s.denominator, s.state, noise=variance(multiple))
        for s in subgroups(text)
    ]
    return limits(control_chart(kind_named(kind), noisy, **options))


class TestRounding:
    def test_its_variance_is_that_of_random_rounding(self) -> None:
        for multiple in (1, 2, 3, 5, 10):
            remainders = range(multiple)
            by_remainder = sum(r * (multiple - r) for r in remainders) / multiple
            assert variance(multiple) == pytest.approx(by_remainder)
        assert variance(3) == pytest.approx(4 / 3)
        assert variance(3, counts=38) == pytest.approx(38 * 4 / 3)

    def test_a_count_has_it_once(self) -> None:
        lower, upper = rounded("c", "15 18 15 18 15 18", 3)[0]
        reach = 3 * math.sqrt(16.5 + 4 / 3)
        assert (lower, upper) == pytest.approx((16.5 - reach, 16.5 + reach))

    def test_a_ratio_has_it_from_both_counts(self) -> None:
        lower, upper = rounded("p", "21/60 27/60", 3)[0]
        reach = 3 * math.sqrt(0.4 * 0.6 / 60 + 4 / 3 * (1 + 0.4**2) / 60**2)
        assert (lower, upper) == pytest.approx((0.4 - reach, 0.4 + reach))

    def test_exact_limits_take_it_in_quadrature(self) -> None:
        plain, wide = (
            limits(draw("c", "3 3 3 3", method=EXACT))[0],
            rounded("c", "3 3 3 3", 3, method=EXACT)[0],
        )
        assert plain[1] == 9
        assert wide[1] == pytest.approx(3 + math.hypot(6, 3 * math.sqrt(4 / 3)))

    def test_exact_counts_have_none(self) -> None:
        assert rounded("p", "21/60 27/60", 1) == limits(draw("p", "21/60 27/60"))

    def test_a_numerator_may_round_above_its_denominator(self) -> None:
        assert rounded("p", "42/39 39/39 36/39", 3)[0][1] == 1.0

    def test_charts_of_single_events_refuse_it(self) -> None:
        with pytest.raises(ChartError, match="exact events"):
            rounded("g", "3 6 9", 3)

    def test_it_is_stated(self) -> None:
        noisy = [Subgroup("t", 21, 60, noise=variance(3)), Subgroup("t", 27, 60, noise=variance(3))]
        (phase,) = control_chart(P, noisy).phases
        assert any("rounding adds" in note for note in phase.notes)
