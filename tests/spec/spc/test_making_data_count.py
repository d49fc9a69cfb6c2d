"""NHS England's Making Data Count rules, on XmR charts."""

import pytest

from service.errors import ChartError
from service.spc.bounds import Bounds
from service.spc.making_data_count import SHIFT, TREND, TWO_OF_THREE, analyse
from service.spc.rules import MAKING_DATA_COUNT, rule_set
from service.spc.runs import Signal
from tests.spec.spc.drawing import draw, signalling


def signals(text: str, rule: str, **lengths: int) -> list[Signal]:
    """Around a mean of 0 with limits at -3 and 3: the outer thirds begin at -2 and 2."""
    values = [float(word) for word in text.split()]
    found = analyse(values, 0.0, [Bounds(-3.0, 3.0)] * len(values), **lengths)
    return [signal for signal in found.signals if signal.rule == rule]


class TestShift:
    def test_seven_points_on_one_side(self) -> None:
        (shift,) = signals("1 1 1 1 1 1 1 -1", SHIFT)
        assert (shift.positions, shift.side) == (tuple(range(7)), "above")
        assert not signals("1 1 1 1 1 1 -1 1", SHIFT)

    def test_a_point_on_the_mean_breaks_it(self) -> None:
        assert not signals("1 1 1 0 1 1 1 1", SHIFT)

    @pytest.mark.parametrize("length", [6, 8])
    def test_its_length_is_a_parameter(self, length: int) -> None:
        row = "1 " * length
        assert signals(row + "-1", SHIFT, shift=length)
        assert not signals(row + "-1", SHIFT, shift=length + 1)


class TestTrend:
    def test_seven_points_each_above_the_last(self) -> None:
        (trend,) = signals("1 -1.2 -0.8 -0.4 0.1 0.4 0.8 1.2 0.5", TREND)
        assert (trend.positions, trend.side) == (tuple(range(1, 8)), "above")
        assert not signals("-1.2 -0.8 -0.4 0.1 0.4 0.8 0.5", TREND)

    def test_an_equal_neighbor_breaks_it(self) -> None:
        assert not signals("-1.2 -0.8 -0.4 0.1 0.1 0.4 0.8 1.2", TREND)


class TestTwoOfThree:
    def test_two_of_three_in_the_outer_third_all_on_one_side(self) -> None:
        (near,) = signals("0.5 2.5 0.5 2.1 -1", TWO_OF_THREE)
        assert (near.positions, near.side) == ((1, 3), "above")
        (low,) = signals("-0.5 -2.5 -2.1 1", TWO_OF_THREE)
        assert (low.positions, low.side) == ((1, 2), "below")

    def test_not_with_one_of_them_on_the_other_side(self) -> None:
        assert not signals("2.5 -0.5 2.5", TWO_OF_THREE)

    def test_a_point_outside_the_limits_is_not_near_them(self) -> None:
        assert not signals("0.5 3.5 2.5 -1", TWO_OF_THREE)

    def test_not_on_a_chart_without_limits(self) -> None:
        assert analyse([0.5, 2.5, 2.5], 0.0).signals == ()


def test_a_point_lists_its_rules_in_order_of_precedence() -> None:
    chart = draw("i", "2 1 2 1 2 1 2 1 2 1 2 1 20 21 22 23 24 25 60", rules=MAKING_DATA_COUNT)
    assert chart.points[-1].signals == ("outside limits", TREND, SHIFT)


def test_it_judges_from_the_first_point_on() -> None:
    chart = draw("i", "1 2 3 4 5 6 7", rules=MAKING_DATA_COUNT)
    assert signalling(chart, TREND) == list(range(7))
    assert "Trial limits: they rest on 7 points" in chart.phases[0].notes[0]


def test_unknown_rules_and_lengths_are_refused() -> None:
    with pytest.raises(ChartError, match="no rule set 'nelson'"):
        rule_set("nelson")
    with pytest.raises(ChartError, match="no lengths"):
        rule_set("anhoej", shift=8)
    with pytest.raises(ChartError, match="at least 2"):
        rule_set("mdc", trend=1)
