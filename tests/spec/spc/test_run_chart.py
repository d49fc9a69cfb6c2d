"""Run charts: what the median rests on, what signals, and what never does."""

import pytest

from service.spc.anhoej import FEW_CROSSINGS, LONG_RUN
from service.spc.chart import Chart
from service.spc.phase import Silence
from service.spc.point import State
from service.spc.runs import find_runs
from service.spc.subgroup import Subgroup
from tests.spec.spc.drawing import draw


def chart(text: str, **options: object) -> Chart:
    return draw("run", text, **options)


NOISE = "4 6 3 7 5 8 2 6 4 7 3 6"


def test_the_center_line_is_the_median_of_the_final_numbers() -> None:
    (phase,) = chart("1 2 9").phases
    assert (phase.center, phase.baseline, phase.frozen) == (2, 3, False)


@pytest.mark.parametrize("gap", ["s", "m", "x"])
def test_a_gap_is_not_a_zero(gap: str) -> None:
    with_gaps = chart(f"4 6 {gap} 3 7 {gap} {gap} 5 8 2 6 4 7 3 6")
    (phase,), (without,) = with_gaps.phases, chart(NOISE).phases
    assert phase.center == without.center
    assert phase.analysis == without.analysis


def test_a_provisional_number_moves_nothing_and_never_signals() -> None:
    shift = "3 4 3 5 3 4 9 9 8 9 8 9 9 8 9 8"
    assert chart(shift).signals
    provisional = "3 4 3 5 3 4 (9) (9) (8) (9) (8) (9) (9) (8) (9) (8)"
    assert not chart(provisional).signals
    assert chart(provisional).phases[0].center == 3.5


def test_points_on_the_median_are_not_useful() -> None:
    three_on_three = find_runs([6, 7, 8, 5, 6, 7, 8], 5)
    assert [(run.side, run.length) for run in three_on_three] == [("above", 6)]
    assert three_on_three[0].positions == (0, 1, 2, 4, 5, 6)


def test_points_name_the_long_run_that_they_are_in_and_no_rule_of_the_whole_series() -> None:
    found = chart("3 4 3 5 3 4 3 5 4 3 8 9 8 9 8 9 8 8 9 9").points
    assert {point.signals for point in found} == {(LONG_RUN,)}


def test_a_shift_signals_by_a_long_run_and_by_few_crossings() -> None:
    found = chart("3 4 3 5 3 4 3 5 4 3 8 9 8 9 8 9 8 8 9 9").signals
    assert [(s.rule, s.first, s.last, s.side) for s in found] == [
        (LONG_RUN, 0, 9, "below"),
        (LONG_RUN, 10, 19, "above"),
        (FEW_CROSSINGS, 0, 19, None),
    ]


def test_noise_does_not_signal() -> None:
    result = chart(NOISE)
    assert result.signals == ()
    assert result.phases[0].silence is None


def test_fewer_than_ten_useful_points_are_not_judged() -> None:
    (phase,) = chart("1 1 1 1 9 9 9 9").phases
    assert phase.silence is Silence.TOO_FEW
    assert phase.signals == ()
    assert phase.analysis and phase.analysis.crossings == 1


def test_a_median_that_most_points_lie_on_judges_nothing() -> None:
    (phase,) = chart("0 " * 14 + "1 2 1 3 1 2 1 3 1 2 1 3").phases
    assert phase.center == 0
    assert phase.silence is Silence.ON_CENTER
    assert phase.signals == ()


def test_with_half_of_the_points_on_the_median_runs_are_judged() -> None:
    (phase,) = chart("0 " * 6 + "5 " * 12 + "9 " * 6).phases
    assert (phase.center, phase.silence) == (5, None)


def test_nothing_final_is_nothing_to_judge() -> None:
    (phase,) = chart("s m x (4)").phases
    assert (phase.center, phase.analysis, phase.silence) == (None, None, Silence.NO_POINTS)
    assert chart("").phases == ()


class TestBaseline:
    before = "4 6 3 7 5 8 2 6 4 7"
    after = "9 9 8 9 8 9 9 8 9 8"

    def test_a_frozen_median_is_not_moved_by_what_follows(self) -> None:
        (phase,) = chart(f"{self.before} {self.after}", baseline=10).phases
        assert (phase.center, phase.baseline, phase.frozen) == (5.5, 10, True)
        (long_run,) = phase.signals
        assert (long_run.rule, long_run.side, long_run.first) == (LONG_RUN, "above", 9)

    def test_a_baseline_of_fewer_than_ten_numbers_is_not_frozen(self) -> None:
        (phase,) = chart(f"{self.before} {self.after}", baseline=9).phases
        assert (phase.baseline, phase.frozen) == (20, False)
        (gapped,) = chart(f"s {self.before} {self.after}", baseline=10).phases
        assert not gapped.frozen


class TestPhases:
    shift = "3 4 3 5 3 4 3 5 4 3 8 9 8 9 8 9 8 8 9 9"

    def test_a_break_starts_a_new_median(self) -> None:
        first, second = chart(self.shift, breaks=[10]).phases
        assert (first.first, first.last, first.center) == (0, 9, 3.5)
        assert (second.first, second.last, second.center) == (10, 19, 8.5)

    def test_runs_do_not_cross_a_break(self) -> None:
        assert chart(self.shift).signals
        assert chart(self.shift, breaks=[10]).signals == ()

    def test_a_baseline_belongs_to_the_phase_that_holds_its_end(self) -> None:
        first, second = chart(f"{self.shift} {NOISE}", breaks=[20], baseline=10).phases
        assert (first.frozen, second.frozen) == (True, False)

    def test_signals_are_placed_in_the_whole_chart(self) -> None:
        (_, second) = chart(f"5 5 s {self.shift}", breaks=[3]).phases
        assert [(s.first, s.last) for s in second.signals] == [(3, 12), (13, 22), (3, 22)]


def test_a_subgroup_has_a_numerator_exactly_when_it_is_a_number() -> None:
    with pytest.raises(ValueError):
        Subgroup("t", 0.0, state=State.SUPPRESSED)
    with pytest.raises(ValueError):
        Subgroup("t", None, state=State.NUMBER)
    with pytest.raises(ValueError):
        Subgroup("t", float("nan"))
