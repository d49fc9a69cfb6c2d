"""Making Data Count's icons: what the latest point is, and whether the target will be met."""

import pytest

from service.spc.icons import Assurance, Variation, assurance, variation
from service.spc.rules import MAKING_DATA_COUNT
from service.spc.runs import Side
from tests.spec.spc.drawing import draw

STEADY = "10 12 " * 8  # mean 11, limits 5.7 and 16.3


class TestVariation:
    @pytest.mark.parametrize(
        ("last", "better", "expected"),
        [
            ("11.5", "above", Variation.COMMON),
            ("20", "above", Variation.IMPROVEMENT_HIGH),
            ("20", "below", Variation.CONCERN_HIGH),
            ("2", "above", Variation.CONCERN_LOW),
            ("2", "below", Variation.IMPROVEMENT_LOW),
            ("20", None, Variation.NEUTRAL_HIGH),
            ("2", None, Variation.NEUTRAL_LOW),
        ],
    )
    def test_the_latest_point(self, last: str, better: Side | None, expected: Variation) -> None:
        chart = draw("i", STEADY + last, baseline=16, rules=MAKING_DATA_COUNT)
        assert variation(chart, better) is expected

    def test_an_earlier_signal_is_over(self) -> None:
        chart = draw("i", "20 " + STEADY, rules=MAKING_DATA_COUNT)
        assert chart.points[0].signals and variation(chart, "above") is Variation.COMMON

    @pytest.mark.parametrize("after", ["(30)", "s", "[30]"])
    def test_what_does_not_count_is_not_the_latest(self, after: str) -> None:
        chart = draw("i", f"{STEADY} {after}", baseline=16, rules=MAKING_DATA_COUNT)
        assert variation(chart, "above") is Variation.COMMON

    def test_the_first_rule_in_precedence_gives_the_direction(self) -> None:
        falling = "11 11.2 " * 8 + "14 13.5 13 12.5 12 11.6 11.3"  # above the mean, and falling
        chart = draw("i", falling, baseline=16, rules=MAKING_DATA_COUNT)
        assert chart.points[-1].signals[:2] == ("trend", "shift")
        assert variation(chart, "above") is Variation.CONCERN_LOW

    def test_without_a_number_there_is_none(self) -> None:
        assert variation(draw("i", "s m"), "above") is None


class TestAssurance:
    @pytest.mark.parametrize(
        ("target", "better", "expected"),
        [
            (5.0, "above", Assurance.PASS),
            (11.0, "above", Assurance.INCONSISTENT),
            (17.0, "above", Assurance.FAIL),
            (5.0, "below", Assurance.FAIL),
            (17.0, "below", Assurance.PASS),
        ],
    )
    def test_the_target_against_the_limits(
        self, target: float, better: Side, expected: Assurance
    ) -> None:
        assert assurance(draw("i", STEADY), target, better) is expected

    def test_none_without_target_direction_or_limits(self) -> None:
        chart = draw("i", STEADY)
        assert assurance(chart, None, "above") is None
        assert assurance(chart, 12.0, None) is None
        assert assurance(draw("run", STEADY), 12.0, "above") is None
