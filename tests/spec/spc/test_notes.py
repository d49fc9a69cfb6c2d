"""What a chart says of itself: sentences, the limits of what it can show, and its power."""

import pytest

from service.spc.attributes import BINOMIAL, POISSON
from service.spc.bounds import Bounds
from service.spc.contract import chart_contract
from service.spc.limits import Limits, Method
from service.spc.power import chance_of_any, chance_of_point
from service.spc.summary import sentences
from tests.spec.spc.drawing import draw


def notes(kind: str, text: str, **options: object) -> str:
    return " ".join(draw(kind, text, **options).phases[0].notes)


class TestPower:
    def test_the_chance_of_one_point_when_events_double(self) -> None:
        assert chance_of_point(BINOMIAL, 3, 0.25, Bounds(0, 0.9)) == pytest.approx(1 / 8)
        assert chance_of_point(BINOMIAL, 3, 0.25, Bounds(0, 0.5)) == pytest.approx(4 / 8)
        assert chance_of_point(BINOMIAL, 3, 0.25, Bounds(0, 1.0)) == 0
        assert chance_of_point(POISSON, 1, 0.5, Bounds(0, 0.4)) == pytest.approx(1 - 0.36787944)

    def test_of_a_measure_that_most_meet_the_failures_double(self) -> None:
        mirrored = chance_of_point(BINOMIAL, 3, 0.75, Bounds(0.1, 1))
        assert mirrored == pytest.approx(1 / 8)

    def test_of_several_points(self) -> None:
        assert chance_of_any([0.5, 0.5]) == 0.75

    def test_a_chart_that_could_not_have_shown_a_doubling_says_so(self) -> None:
        small = notes("p", "1/12 0/12 1/12 0/12 2/12 0/12 1/12 0/12 1/12 0/12 1/12 1/12")
        assert "could not have shown a doubling" in small
        large = notes("p", "20/400 22/400 18/400 21/400 19/400 20/400 20/400 21/400 19/400 20/400")
        assert "doubling" not in large

    def test_of_a_high_share_it_speaks_of_failures(self) -> None:
        assert "had the share of failures doubled" in notes("p", "11/12 12/12 10/12 12/12 11/12")


class TestNotes:
    def test_trial_limits(self) -> None:
        assert "rest on 11 points" in notes("i", "1 2 " * 5 + "1")
        assert "Trial" not in notes("i", "1 2 " * 6)
        assert "Trial" not in notes("run", "1 2 3")

    def test_small_numbers(self) -> None:
        few = "0/10 1/10 0/10 1/10 0/10 0/10 1/10 0/10 0/10 1/10 0/10 0/10"
        assert "Fewer than 5 cases are expected in 12 of 12 points" in notes("p", few)
        assert "Fewer than 5" not in notes("p", few, method=Method(Limits.EXACT))
        assert "12 of 12 subgroups are smaller than 30" in notes("p", few)
        assert "8 of 12 points are zero" in notes("p", few)

    def test_a_point_outside_the_limits_of_a_small_subgroup(self) -> None:
        text = "1/10 1/10 1/10 1/10 1/10 1/10 1/10 1/10 1/10 1/10 1/10 1/10 6/10"
        assert "fewer than 40: 1 of the points outside the limits" in notes("p", text, baseline=12)

    def test_overdispersion(self) -> None:
        text = "410/1000 590/1000 " * 6
        assert "consider a p-prime chart" in notes("p", text)
        assert "p-prime" not in notes("p-prime", text)


class TestSentences:
    def told(self, kind: str, text: str, **options: object) -> str:
        chart = draw(kind, text, **options)
        return " ".join(" ".join(sentences(chart, phase)) for phase in chart.phases)

    def test_lines_and_no_sign(self) -> None:
        told = self.told("c", "14 18 16 16 15 17 16 16 13 19 15 17 14 18")
        assert "t0 to t13: center 16, limits 4 to 28, from 14 points." in told
        assert "No sign of special cause: the longest run is 1 (up to 6 expected)" in told

    def test_signals(self) -> None:
        told = self.told("i", "12 13 11 " * 4 + "[40] 30 31", baseline=12)
        assert "kept since." in told
        assert "Special cause: above the upper limit in t12 (excluded), t13 and t14." in told

    def test_a_long_run_and_few_crossings(self) -> None:
        told = self.told("run", "3 4 3 5 3 4 3 5 4 3 8 9 8 9 8 9 8 8 9 9")
        assert "unusually long run, 10 points below the center line" in told
        assert "crosses the center once (at least 6 expected)" in told

    def test_what_is_not_judged(self) -> None:
        assert "Runs are not judged: too few useful points (4)." in self.told("run", "1 2 3 4")
        assert "no center line" in self.told("p", "s m (1/4)")


def test_the_output_contract() -> None:
    drawn = chart_contract(draw("p", "20/100 m (30/100) [25/100] 10/100 40/100"))
    assert set(drawn) == {"chart", "rules", "limits", "points", "phases"}
    gap, provisional, excluded = drawn["points"][1:4]
    assert (gap["y"], gap["lcl"], gap["state"]) == (None, None, "missing")
    assert (provisional["provisional"], provisional["signals"]) == (True, [])
    assert excluded["excluded"] == "known cause"
    (phase,) = drawn["phases"]
    assert (phase["phase"], phase["first_row"], phase["last_row"]) == (1, 1, 6)
    assert phase["rules"] == {"name": "anhoej", "version": "2015"}
    assert phase["cl"] == pytest.approx(70 / 300)
    assert (phase["n_useful"], phase["longest_run"], phase["crossings"]) == (3, 2, 1)
    assert phase["signals"] == [
        {"rule": "outside limits", "rows": [5], "side": "below"},
        {"rule": "outside limits", "rows": [6], "side": "above"},
    ]
    assert "center 0.2333" in phase["summary"]
