"""Charts of rare events: g, t and the Bernoulli CUSUM, on single cases that stay where they are."""

import math
from datetime import date

import pytest

from service.errors import ChartError
from service.spc.between import cases_between, days_between
from service.spc.cusum import bernoulli_cusum
from service.spc.small_numbers import believable_size, free_cases, usable_size
from tests.spec.spc.drawing import draw, limits


class TestG:
    def test_limits_from_the_mean_and_a_line_at_the_median(self) -> None:
        chart = draw("g", "3 0 10 1 6")
        (phase,) = chart.phases
        assert (phase.center, phase.figures["mean"]) == (3, 4)
        assert limits(chart)[0] == (0, pytest.approx(4 + 3 * math.sqrt(20)))

    def test_two_events_in_a_row_are_a_gap_of_no_cases(self) -> None:
        assert draw("g", "0 4 3").points[0].value == 0


class TestT:
    def test_an_i_chart_of_the_roots_drawn_back(self) -> None:
        chart = draw("t", "1 2 4 8 16 32")
        roots = draw("i", " ".join(str(2 ** (power / 3.6)) for power in range(6)))
        for at in ("lower", "center", "upper"):
            root = getattr(roots.points[0], at)
            assert getattr(chart.points[0], at) == pytest.approx(root**3.6)
        assert [point.value for point in chart.points] == [1, 2, 4, 8, 16, 32]


class TestBetween:
    def test_cases_between_events_and_those_since_the_last(self) -> None:
        outcomes = [outcome == "x" for outcome in "..x...xx.x...."]
        assert cases_between(outcomes) == ([3, 0, 1], 4)

    def test_what_comes_before_the_first_event_is_no_gap(self) -> None:
        assert cases_between([False, False, True]) == ([], 0)
        assert cases_between([False] * 59) == ([], 59)

    def test_days_between_events(self) -> None:
        days = [date(2026, 3, 1), date(2026, 1, 31), date(2026, 3, 1)]
        assert days_between(days) == [29, 0]


class TestSmallNumbers:
    """The interstage mortality of 5.1 % of the published network."""

    def test_cases_that_a_month_needs(self) -> None:
        assert usable_size(0.051) == pytest.approx(19.6, abs=0.1)
        assert believable_size(0.051) == pytest.approx(78.4, abs=0.1)

    def test_survivors_in_a_row_that_are_unusual(self) -> None:
        assert free_cases(0.051) == 59
        assert (1 - 0.051) ** 59 < 0.05


class TestCusum:
    def test_an_event_adds_and_other_cases_take_the_likelihood_ratio(self) -> None:
        p0 = 0.1
        p1 = 2 * p0 / (1 + p0)  # twice the odds
        first, second = bernoulli_cusum([True, False], p0)
        assert first.upper == pytest.approx(math.log(p1 / p0))
        assert second.upper == pytest.approx(math.log(p1 / p0) + math.log((1 - p1) / (1 - p0)))

    def test_neither_sum_crosses_zero(self) -> None:
        points = bernoulli_cusum([False, False, True, True], 0.3)
        assert points[1].upper == 0 and points[1].lower is not None and points[1].lower < 0
        assert points[3].lower == 0 and points[3].upper is not None and points[3].upper > 0

    def test_at_its_limit_it_signals_and_begins_again(self) -> None:
        points = bernoulli_cusum([True] * 12, 0.1)
        assert [at for at, point in enumerate(points) if point.signal] == [5, 11]
        assert points[6].upper == points[0].upper
        steps = -3.5 / math.log1p(0.1 * (0.5 - 1))  # ln((1 - p1) / (1 - p0)) a case
        better = bernoulli_cusum([False] * 100, 0.1)
        assert [at for at, point in enumerate(better) if point.signal] == [math.ceil(steps) - 1]

    def test_a_case_of_unknown_outcome_is_a_gap(self) -> None:
        known = bernoulli_cusum([True, True], 0.1)
        first, gap, second = bernoulli_cusum([True, None, True], 0.1)
        assert (first, second) == (known[0], known[1])
        assert (gap.upper, gap.lower, gap.signal) == (None, None, None)

    @pytest.mark.parametrize("target", [0.0, 1.0, 1.5])
    def test_it_needs_a_rate_to_expect(self, target: float) -> None:
        with pytest.raises(ChartError, match="between 0 and 1"):
            bernoulli_cusum([True], target)
