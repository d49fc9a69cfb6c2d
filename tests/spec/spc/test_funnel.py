"""Funnels: units within limits for their size, and rates drawn toward the common one."""

import math
from functools import reduce
from operator import add

import pytest

from service.errors import ChartError
from service.spc.funnel import OUTSIDE, Funnel, funnel
from service.spc.kind import I, P, U
from service.spc.overdispersion import overdispersion, winsorised
from service.spc.shrinkage import Prior, Sums, prior
from tests.spec.spc.drawing import subgroups

ALIKE = "5/50 12/100 9/100 22/200 18/200 31/300 29/300 41/400"
DIFFERENT = "2/50 22/100 3/100 40/200 8/200 60/300 15/300 41/400"


def of(text: str, **options: object) -> Funnel:
    return funnel(P, subgroups(text), **options)  # type: ignore[arg-type]


class TestExact:
    def test_the_target_is_the_pooled_rate_unless_given(self) -> None:
        assert of("10/100 90/300").target == 0.25
        assert of("10/100 90/300", target=0.2).target == 0.2

    def test_limits_are_binomial_quantiles_and_close_in_with_size(self) -> None:
        small, large = of("5/50 50/500", target=0.1).points
        assert (small.outer.lower, small.outer.upper) == (0 / 50, 13 / 50)
        assert (small.inner.lower, small.inner.upper) == (1 / 50, 9 / 50)
        assert large.outer.upper is not None and large.outer.upper < 13 / 50

    def test_only_beyond_the_outer_limits_is_a_signal(self) -> None:
        within, edge, beyond = of("11/50 13/50 14/50", target=0.1).points
        assert within.signals == () and edge.signals == ()
        assert beyond.signals == (OUTSIDE,)

    def test_rates_have_poisson_limits_from_chi_square(self) -> None:
        (point,) = funnel(U, subgroups("3/1"), target=3.0).points
        below = sum(
            math.exp(-point.outer.lower) * point.outer.lower**k / math.factorial(k)
            for k in range(3)
        )  # type: ignore[operator]
        assert 1 - below == pytest.approx(0.001)  # 3 or more of so small a mean

    def test_a_target_of_nothing_lets_nothing_through(self) -> None:
        none, one = of("0/50 1/50", target=0.0).points
        assert none.signals == () and one.signals == (OUTSIDE,)

    def test_other_charts_are_no_funnels(self) -> None:
        with pytest.raises(ChartError, match="proportions"):
            funnel(I, subgroups("1 2"))
        with pytest.raises(ChartError, match="not a rate"):
            of("1/10", target=1.2)
        with pytest.raises(ChartError, match="nothing to compare|No unit"):
            of("s/10 m")

    def test_rates_per_thousand(self) -> None:
        plain, times = of(ALIKE), of(ALIKE, multiply=1000)
        assert times.target == 1000 * plain.target
        assert times.points[0].outer.upper == 1000 * plain.points[0].outer.upper  # type: ignore[operator]
        assert times.points[0].power == plain.points[0].power


class TestStates:
    def test_a_suppressed_unit_is_no_zero(self) -> None:
        whole, hidden = of(ALIKE), of(ALIKE + " s/100 m")
        assert hidden.target == whole.target
        assert [point.value for point in hidden.points[-2:]] == [None, None]
        assert hidden.points[-2].outer.upper is not None
        assert any("no zeros" in note for note in hidden.notes)

    def test_a_provisional_unit_neither_counts_nor_signals(self) -> None:
        more = of(ALIKE + " (90/100)")
        assert more.target == of(ALIKE).target
        assert more.points[-1].value == 0.9 and more.points[-1].signals == ()

    def test_an_excluded_unit_does_not_count_but_is_seen_outside(self) -> None:
        more = of(ALIKE + " [90/100]")
        assert more.target == of(ALIKE).target
        assert more.points[-1].signals == (OUTSIDE,)


class TestOverdispersion:
    def test_alike_units_leave_the_limits_exact(self) -> None:
        plain, wide = of(ALIKE), of(ALIKE, widen=True)
        assert plain.spread is not None and plain.spread.tau2 == 0
        assert not wide.widened and wide.points == plain.points

    def test_different_units_need_room(self) -> None:
        plain, wide = of(DIFFERENT), of(DIFFERENT, widen=True)
        assert plain.spread is not None and plain.spread.phi > 5
        assert any("over-dispersion" in note for note in plain.notes)
        assert wide.widened
        assert sum(bool(p.signals) for p in plain.points) > sum(
            bool(p.signals) for p in wide.points
        )

    def test_the_limits_are_arcsines_with_the_variance_between_units(self) -> None:
        wide = of(DIFFERENT, widen=True)
        assert wide.spread is not None
        reach = 3.090232 * math.sqrt(1 / (4 * 50) + wide.spread.tau2)
        upper = math.sin(math.asin(math.sqrt(wide.target)) + reach) ** 2
        assert wide.points[0].outer.upper == pytest.approx(upper, rel=1e-6)

    def test_its_formulae_by_hand(self) -> None:
        found = overdispersion([2.0, -2.0, 2.0, -2.0], [0.5, 0.5, 0.5, 0.5], winsorise=0.0)
        assert found.phi == 4
        # weights of 4: (16 - 3) / (16 - 64 / 16)
        assert found.tau2 == pytest.approx(13 / 12)

    def test_outlying_scores_are_drawn_in(self) -> None:
        scores = [float(score) for score in range(-5, 5)] + [100.0]
        drawn = winsorised(scores, 0.1)
        assert (min(drawn), max(drawn)) == (-4, 4)
        assert drawn[1:-1] == scores[1:-1]


class TestPower:
    def test_a_small_unit_could_not_have_shown_a_doubling(self) -> None:
        small, large = of("5/50 100/1000", target=0.1).points
        assert small.power is not None and small.power < 0.2
        assert large.power is not None and large.power > 0.99
        assert any("1 of 2 units are too small" in note for note in of("5/50 100/1000").notes)


class TestShrinkage:
    units = ((2, 50), (22, 100), (3, 100), (40, 200), (8, 200), (60, 300))

    def prior(self) -> Prior:
        return prior(reduce(add, (Sums.of(y, n) for y, n in self.units)))

    def test_five_sums_give_what_the_counts_give(self) -> None:
        found = self.prior()
        rate = sum(y for y, _ in self.units) / sum(n for _, n in self.units)
        scores = [(y / n - rate) / math.sqrt(rate * (1 - rate) / n) for y, n in self.units]
        sigmas = [math.sqrt(rate * (1 - rate) / n) for _, n in self.units]
        direct = overdispersion(scores, sigmas, winsorise=0.0)
        assert found.rate == rate
        assert found.phi == pytest.approx(direct.phi, rel=1e-12)
        assert found.tau2 == pytest.approx(direct.tau2, rel=1e-12)
        assert found.weight == pytest.approx(rate * (1 - rate) / direct.tau2 - 1)

    def test_a_small_unit_is_drawn_further_toward_the_common_rate(self) -> None:
        found = self.prior()
        small, large = found.estimate(0, 10), found.estimate(0, 1000)
        assert 0 < large < small < found.rate
        assert found.estimate(0, 0) == pytest.approx(found.rate)

    def test_units_that_differ_by_chance_only_are_all_alike(self) -> None:
        found = prior(Sums.of(10, 100) + Sums.of(11, 100) + Sums.of(9, 100))
        assert (found.tau2, found.weight) == (0, math.inf)
        assert found.estimate(0, 40) == found.rate == pytest.approx(0.1)

    def test_one_unit_or_no_event_knows_of_no_spread(self) -> None:
        assert prior(Sums.of(3, 10)).weight == math.inf
        assert prior(Sums.of(0, 10) + Sums.of(0, 20)).estimate(0, 5) == 0

    def test_what_is_no_unit_is_refused(self) -> None:
        with pytest.raises(ChartError):
            Sums.of(3, 2)
        with pytest.raises(ChartError):
            Sums.of(0, 0)
