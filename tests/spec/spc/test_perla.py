"""Perla, Provost and Murray's run-chart rules."""

import pytest

from service.spc.chart import Chart
from service.spc.perla import FEW_RUNS, MANY_RUNS, SHIFT, TREND, analyse, find_trends, runs_limits
from service.spc.rules import PERLA, rule_set
from tests.spec.spc.drawing import draw

# n: (fewest, most) runs, by the formula of Swed and Eisenhart; all printed tables agree on these.
RUNS = {
    10: (3, 9),
    14: (4, 12),
    16: (5, 13),
    24: (8, 18),
    30: (11, 21),
    40: (15, 27),
    50: (19, 33),
    60: (24, 38),
}
# And on these they do not.
DOUBTFUL = {
    11: (4, 9),
    12: (4, 10),
    17: (6, 13),
    20: (7, 15),
    23: (8, 17),
    29: (10, 21),
    100: (41, 61),
}


@pytest.mark.parametrize(("n", "expected"), (RUNS | DOUBTFUL).items())
def test_the_number_of_runs_to_expect(n: int, expected: tuple[int, int]) -> None:
    assert runs_limits(n) == expected


def rules_broken(text: str, **lengths: int) -> set[str]:
    values = [float(word) for word in text.split()]
    return {signal.rule for signal in analyse(values, 5.0, **lengths).signals}


class TestShift:
    def test_points_on_the_median_neither_count_nor_break(self) -> None:
        assert SHIFT in rules_broken("6 7 8 5 6 7 8")  # 3 above, 1 on the median, 3 above: 6
        assert SHIFT not in rules_broken("6 7 8 5 5 5 7 8")

    def test_its_length_is_a_parameter(self) -> None:
        assert SHIFT not in rules_broken("6 7 8 6 7 8", shift=8)
        assert SHIFT in rules_broken("6 7 8 6 7 8 6 7", shift=8)


class TestTrend:
    def test_an_equal_neighbor_is_left_out(self) -> None:
        ((positions, side),) = find_trends([1, 2, 3, 3, 4, 5])
        assert (len(positions), side) == (5, "above")
        assert TREND in rules_broken("1 2 3 3 4 6")

    def test_four_points_are_none(self) -> None:
        assert TREND not in rules_broken("1 2 3 3 6 2")

    def test_it_may_cross_the_median_and_may_fall(self) -> None:
        (trend,) = [s for s in analyse([4, 9, 7, 6, 4, 3, 6], 5).signals if s.rule == TREND]
        assert (trend.positions, trend.side) == ((1, 2, 3, 4, 5), "below")

    def test_the_point_where_it_turns_belongs_to_both(self) -> None:
        assert [len(at) for at, _ in find_trends([1, 2, 3, 4, 3, 2])] == [4, 3]

    def test_its_length_is_a_parameter(self) -> None:
        assert TREND not in rules_broken("1 2 3 4 6", trend=6)


def test_too_few_and_too_many_runs() -> None:
    assert FEW_RUNS in rules_broken("6 7 8 6 8 3 2 4 2 3")  # 2 runs, 3 are expected
    assert MANY_RUNS in rules_broken("6 4 6 4 6 4 6 4 6 4")  # 10 runs, 9 are expected
    assert not {FEW_RUNS, MANY_RUNS} & rules_broken("6 7 4 6 4 6 4 6 4 4")


class TestChart:
    steady = "4 6 3 7 5 8 2 6 4 7 3 6"

    def chart(self, text: str) -> Chart:
        return draw("run", text, rules=PERLA)

    def test_it_says_by_which_limits_it_judged(self) -> None:
        (phase,) = self.chart(self.steady).phases
        assert phase.analysis is not None
        found = phase.analysis
        assert (found.rules, found.longest_run_max) == ("perla", 5)
        assert (found.crossings_min, found.crossings_max) == (3, 9)

    def test_fewer_than_ten_useful_points_are_not_judged(self) -> None:
        assert self.chart("1 2 3 4 5 6").signals == ()

    def test_a_version_names_other_lengths(self) -> None:
        assert rule_set("perla", shift=8).version == "2011, shift 8"
