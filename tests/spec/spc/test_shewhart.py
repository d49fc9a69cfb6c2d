"""Shewhart charts, by examples that a pencil can check."""

import pytest

from service.errors import ChartError
from service.spc.limits import Method
from service.spc.phase import Silence
from tests.spec.spc.drawing import draw, limits, signalling, subgroups


def approx(*pair: float) -> object:
    return pytest.approx(pair, abs=1e-12)


class TestCounts:
    def test_c_chart(self) -> None:
        chart = draw("c", "14 18 16 16 15 17 16 16 13 19 16 16")
        assert chart.phases[0].center == 16
        assert limits(chart) == [(4, 28)] * 12

    def test_p_chart(self) -> None:
        assert limits(draw("p", "10/100 30/100"))[0] == approx(0.08, 0.32)

    def test_limits_step_with_the_denominator(self) -> None:
        small, large = limits(draw("p", "50/100 200/400"))
        assert small == approx(0.35, 0.65)
        assert large == approx(0.425, 0.575)

    def test_the_center_pools_counts_and_is_no_mean_of_proportions(self) -> None:
        center = draw("p", "1/100 9/10").phases[0].center
        assert center == pytest.approx(10 / 110) and center != pytest.approx(0.455)

    def test_limits_stay_where_values_can_be(self) -> None:
        lower, upper = limits(draw("p", "1/100 3/100"))[0]
        assert (lower, upper) == approx(0.0, 0.062)
        assert limits(draw("p", "9/10 10/10"))[0][1] == 1.0

    def test_u_chart(self) -> None:
        assert limits(draw("u", "20/100 30/100"))[0] == approx(0.10, 0.40)

    def test_a_value_on_a_limit_is_not_outside(self) -> None:
        on_the_limit = "20/100 " * 12 + "32/100"
        assert signalling(draw("p", on_the_limit, baseline=12)) == []
        assert signalling(draw("p", on_the_limit + " 33/100", baseline=12)) == [13]

    def test_what_only_a_rounding_error_parts_from_a_limit_lies_on_it(self) -> None:
        chart = draw("u", "16/36 " * 12 + "28/36", baseline=12)  # 16 + 3 * 4 = 28
        last = chart.points[-1]
        assert last.value is not None and last.upper is not None
        assert last.value > last.upper and last.signals == ()

    def test_rates_per_thousand(self) -> None:
        plain, thousand = (
            draw("u", "20/100 30/100 s/50"),
            draw("u", "20/100 30/100 s/50", multiply=1000),
        )
        assert [p.value for p in thousand.points] == [200, 300, None]
        assert limits(thousand)[0] == pytest.approx([1000 * own for own in limits(plain)[0]])  # type: ignore[operator]


class TestPrime:
    text = "410/1000 590/1000 420/1000 600/1000 400/1000 580/1000"

    def test_sigma_z_says_how_much_more_neighbors_differ_than_chance(self) -> None:
        plain, prime = draw("p", self.text), draw("p-prime", self.text)
        sigma_z = prime.phases[0].figures["sigma_z"]
        assert plain.phases[0].figures["sigma_z"] == sigma_z > 9
        center = plain.phases[0].center
        assert center is not None
        reach, wide = (c.points[0].upper - center for c in (plain, prime))  # type: ignore[operator]
        assert wide == pytest.approx(reach * sigma_z)

    def test_sigma_z_below_one_narrows_the_limits(self) -> None:
        even = "500/1000 501/1000 500/1000 501/1000"
        assert draw("p'", even).points[0].upper < draw("p", even).points[0].upper  # type: ignore[operator]

    def test_u_prime(self) -> None:
        text = "41/10 59/10 42/10 60/10 40/10 58/10"
        plain, prime = draw("u", text), draw("u-prime", text)
        assert prime.phases[0].figures["sigma_z"] > 2
        assert prime.points[0].upper > plain.points[0].upper  # type: ignore[operator]

    def test_without_neighbors_there_are_no_limits(self) -> None:
        chart = draw("p'", "4/10 m 5/10 m 4/10")
        assert limits(chart) == [(None, None)] * 5
        assert "There are no limits" in chart.phases[0].notes[0]


class TestIndividuals:
    alternating = "10 12 " * 10

    def test_i_chart(self) -> None:
        chart = draw("i", self.alternating)
        assert chart.phases[0].center == 11
        assert limits(chart)[0] == approx(11 - 6 / 1.128, 11 + 6 / 1.128)  # 5.68 and 16.32

    def test_mr_chart(self) -> None:
        chart = draw("mr", self.alternating)
        assert chart.points[0].value is None
        assert chart.phases[0].center == 2
        assert limits(chart)[1] == approx(0, 6.534)

    def test_an_outlying_range_is_screened_only_if_wanted(self) -> None:
        text = "1 2 1 2 1 2 1 2 1 10 1 2 1 2 1 2 1 2"
        kept, screened = draw("i", text), draw("i", text, method=Method(screen=True))
        assert kept.phases[0].figures["mean_moving_range"] == 33 / 17
        assert screened.phases[0].figures["mean_moving_range"] == 1.0

    def test_no_range_leaps_over_a_gap(self) -> None:
        chart = draw("mr", "10 12 m 30 33")
        assert [point.value for point in chart.points] == [None, 2, None, None, 3]

    def test_a_range_passes_over_an_excluded_point(self) -> None:
        chart = draw("mr", "10 12 [40] 13 15")
        assert [point.value for point in chart.points] == [None, 2, 28, 1, 2]
        assert chart.phases[0].center == pytest.approx(5 / 3)

    def test_i_prime_is_the_i_chart_where_all_sizes_are_one(self) -> None:
        sums = " ".join(f"{word}/1" for word in self.alternating.split())
        plain, prime = limits(draw("i", self.alternating))[0], limits(draw("i-prime", sums))[0]
        assert prime == pytest.approx(plain, abs=0.01)  # sqrt(pi) / 2 and 1 / 1.128

    def test_i_prime_narrows_with_the_size(self) -> None:
        chart = draw("i'", "40/4 48/4 160/16 12/1 10/1")
        reach = [point.upper - point.center for point in chart.points]  # type: ignore[operator]
        assert [own / reach[3] for own in reach] == pytest.approx([0.5, 0.5, 0.25, 1, 1])


class TestStates:
    text = "20/100 22/100 18/100 21/100 19/100 20/100 23/100 17/100 20/100 22/100 18/100 20/100"

    @pytest.mark.parametrize("gap", ["s/100", "m", "x/100"])
    def test_a_gap_is_never_a_zero(self, gap: str) -> None:
        whole, gapped = draw("p", self.text), draw("p", f"{gap} {self.text} {gap}")
        assert gapped.phases[0].center == whole.phases[0].center
        assert limits(gapped)[1:-1] == limits(whole)
        assert gapped.points[0].value is None and gapped.points[0].signals == ()

    def test_a_suppressed_month_of_known_size_has_limits(self) -> None:
        first, second = limits(draw("p", f"s/100 m {self.text}"))[:2]
        assert first[0] is not None and second == (None, None)

    def test_a_zero_is_a_number(self) -> None:
        assert signalling(draw("p", f"{self.text} 0/100", baseline=12)) == [12]

    def test_a_provisional_point_moves_nothing_and_never_signals(self) -> None:
        whole, more = draw("p", self.text), draw("p", f"{self.text} (90/100)")
        assert more.phases[0].center == whole.phases[0].center
        assert more.points[-1].value == 0.9
        assert more.points[-1].provisional and more.points[-1].signals == ()

    def test_an_excluded_point_sets_no_limits_but_is_seen_outside_them(self) -> None:
        whole, more = draw("p", self.text), draw("p", f"{self.text} [90/100]")
        assert more.phases[0].center == whole.phases[0].center
        assert more.points[-1].signals == ("outside limits",)
        assert more.points[-1].excluded == "known cause"
        before, after = whole.phases[0].analysis, more.phases[0].analysis
        assert before is not None and before == after


class TestBaselines:
    worse = "12 13 11 12 13 11 12 13 11 12 13 11 " + "19 20 21 19 20 21 19 20 21 19 20 21"

    def test_frozen_lines_show_what_lines_of_everything_hide(self) -> None:
        assert signalling(draw("i", self.worse, baseline=12)) == list(range(12, 24))
        phase = draw("i", self.worse, baseline=12).phases[0]
        assert (phase.center, phase.baseline, phase.frozen) == (12, 12, True)
        assert draw("i", self.worse).phases[0].center == 16

    def test_a_new_phase_has_lines_of_its_own_and_runs_end_there(self) -> None:
        chart = draw("i", self.worse, breaks=[12])
        assert [phase.center for phase in chart.phases] == [12, 20]
        assert [point.phase for point in chart.points] == [1] * 12 + [2] * 12
        assert chart.signals == ()

    def test_a_baseline_of_all_points_is_frozen_too(self) -> None:
        assert draw("i", self.worse, baseline=24).phases[0].frozen
        assert not draw("i", self.worse, baseline=25).phases[0].frozen

    def test_no_phase_begins_by_itself(self) -> None:
        assert len(draw("i", self.worse).phases) == 1

    def test_a_phase_without_a_final_number_has_no_lines(self) -> None:
        chart = draw("p", "(4/10) s/10 m")
        (phase,) = chart.phases
        assert (phase.center, phase.silence) == (None, Silence.NO_POINTS)
        assert [point.value for point in chart.points] == [0.4, None, None]
        assert limits(chart) == [(None, None)] * 3


@pytest.mark.parametrize(
    ("kind", "text", "fault"),
    [
        ("p", "1/10 4", "needs a denominator"),
        ("p", "1/10 11/10", "larger than the denominator"),
        ("p", "1/10 1/0", "denominator is zero"),
        ("u", "1/10 1/-5", "denominator is negative"),
        ("c", "4 -1", "numerator is negative"),
        ("c", "4 4/10", "takes no denominator"),
        ("t", "4 0", "times above zero"),
    ],
)
def test_what_a_chart_cannot_draw_is_refused_by_row(kind: str, text: str, fault: str) -> None:
    with pytest.raises(ChartError, match=fault) as refused:
        draw(kind, text)
    assert refused.value.where == "row 2"


def test_a_c_chart_keeps_its_limits_over_a_gap() -> None:
    assert len(set(limits(draw("c", "4 m 5")))) == 1


def test_a_subgroup_is_a_gap_only_without_a_numerator() -> None:
    (gap,) = subgroups("s/20")
    assert (gap.value, gap.denominator, gap.final) == (None, 20, False)
