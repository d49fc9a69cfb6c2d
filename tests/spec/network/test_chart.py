"""What a chart draws and says: every number is a point, nothing else is."""

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import replace

import pytest

from service.network import chart
from service.network.config import Group, Measure
from service.network.lens import LENSES
from service.network.reading import Basis, Reading
from service.network.scale import Scale, scale_of
from service.network.series import Goal, Mark, Series
from service.network.window import span
from service.network.words import headline, percent, so_far, summary
from service.spc.point import State

GAPS = {"s": State.SUPPRESSED, "m": State.MISSING, "x": State.NOT_COMPUTABLE}
MEASURE = Measure(url="urn:measure", title="A measure", target=0.8)
NOISE = "24 36 18 42 30 48 12 36 24 42 18 36"


def series(text: str, changes: tuple[Mark, ...] = ()) -> Series:
    """Months from words: a numerator of 60, in () provisional, after ^ of a new version; gaps."""
    words = text.split()
    months = span("2024-01", "2029-12", "month")
    readings, version = [], 1
    for word, month in zip(words, months, strict=False):
        version += word.startswith("^")
        readings.append(_reading(word, month, f"{version}.0.0"))
    return Series("north", "North", Group(id="g", title="Group"), tuple(readings), changes)


def _reading(word: str, month: str, version: str) -> Reading:
    basis = Basis(version, "package", "policy")
    if word in GAPS:
        return Reading(month, GAPS[word], basis=basis)
    numerator = int(re.sub(r"\D", "", word))
    return Reading(month, State.NUMBER, numerator, 60, word.startswith("("), basis=basis)


def marks(drawn: Series, kind: str, size: chart.Size = chart.WIDE) -> list[ElementTree.Element]:
    """The SVG elements of one kind of Vega's marks."""
    root = ElementTree.fromstring(chart.svg(drawn, MEASURE, Scale(), size))
    groups = (node for node in root.iter() if f"mark-{kind} role-mark" in node.get("class", ""))
    return [path for group in groups for path in group if path.get("d") or path.text]


def texts(drawn: Series, size: chart.Size = chart.WIDE) -> list[str]:
    return [node.text or "" for node in marks(drawn, "text", size)]


@pytest.mark.parametrize("size", chart.SIZES.values(), ids=chart.SIZES)
class TestPoints:
    def test_a_point_for_every_number_and_for_nothing_else(self, size: chart.Size) -> None:
        drawn = series("12 s 0 m 60 x (18)")
        assert len(marks(drawn, "symbol", size)) == 4
        assert [text for text in texts(drawn, size) if text in "■–×"] == ["■", "–", "×"]

    def test_the_line_ends_at_a_gap_and_at_a_new_version(self, size: chart.Size) -> None:
        assert _pieces(series("12 18 24 30"), size) == [4]
        assert _pieces(series("12 18 s 24 30 36"), size) == [2, 3]
        assert _pieces(series("12 18 ^24 30 36"), size) == [2, 3]

    def test_nothing_but_gaps_can_be_drawn(self, size: chart.Size) -> None:
        assert marks(series("s m x"), "symbol", size) == []


def _pieces(drawn: Series, size: chart.Size) -> list[int]:
    """The number of points in each piece of the line."""
    paths = [path.get("d", "") for path in marks(drawn, "line", size)]
    return [1 + path.count("L") for path in paths]


class TestLooks:
    def test_hollow_is_what_is_not_judged(self) -> None:
        fills = [path.get("fill") for path in marks(series("12 (18) 24"), "symbol")]
        assert fills == [chart.LINE, "#ffffff", chart.LINE]

    @pytest.mark.parametrize(
        ("direction", "colors"),
        [
            ("increase", [chart.WORSE] * 10 + [chart.BETTER] * 10),
            ("decrease", [chart.BETTER] * 10 + [chart.WORSE] * 10),
        ],
    )
    def test_a_long_run_has_a_shape_for_its_side_and_a_color_for_better_or_worse(
        self, direction: str, colors: Sequence[str]
    ) -> None:
        shifted = series("12 15 " * 5 + "36 39 " * 5)
        measure = MEASURE.model_copy(update={"direction": direction})
        root = ElementTree.fromstring(chart.svg(shifted, measure, Scale(), chart.WIDE))
        points = [
            path
            for group in root.iter()
            if "mark-symbol role-mark" in group.get("class", "")
            for path in group
        ]
        assert [path.get("fill") for path in points] == colors
        shapes = [path.get("d") for path in points]
        assert len(set(shapes[:10])) == len(set(shapes[10:])) == 1
        assert shapes[0] != shapes[10]

    def test_lines_are_named_beside_the_chart(self) -> None:
        assert {"Median 50%", "Target 80%"} <= set(texts(series("24 30 36")))

    def test_a_goal_takes_the_place_of_the_target(self) -> None:
        aimed = replace(series("24 30 36"), goals=(Goal(0.9, "2024-02"),))
        assert "Goal 90%" in texts(aimed) and "Target 80%" not in texts(aimed)

    def test_changes_and_phases_carry_the_numbers_that_the_words_explain(self) -> None:
        marked = series(f"{NOISE} ^30", (Mark(3, "Change A"), Mark(8, "Change B")))
        assert {"1", "2", "3"} <= set(texts(marked))
        told = {each.number: each.text for each in summary(marked, MEASURE) if each.number}
        assert told == {
            1: "Changed in April 2024: Change A.",
            2: "Changed in September 2024: Change B.",
            3: "New phase from January 2025: measure version 2.0.0.",
        }

    def test_a_chart_that_stands_alone_says_what_it_is_and_what_its_numbers_mean(self) -> None:
        marked = series(NOISE, (Mark(3, "Change A"),))
        told = chart.svg(marked, MEASURE, Scale(), chart.SLIDE)
        for text in ("A measure", "North, Group. Run chart", "1  April 2024: Change A"):
            assert text in told

    @pytest.mark.parametrize(
        ("rates", "scale"),
        [
            ([], Scale(0, 1)),
            ([0.02, 0.05], Scale(0, 0.1)),
            ([0.7, 0.85], Scale(0.6, 1)),
            ([0.35, 0.85], Scale(0, 1)),
            ([0.99, 1.0], Scale(0.9, 1)),
        ],
    )
    def test_the_scale_starts_above_zero_only_where_all_lies_far_above(
        self, rates: list[float], scale: Scale
    ) -> None:
        assert scale_of(rates) == scale


class TestLenses:
    """The same readings seen as other charts, judged by other rules."""

    def test_making_data_count_draws_limits_and_tells_each_rule(self) -> None:
        seen = series("30 31 29 30 " * 4 + "58").through(LENSES["xmr"])
        assert {"Upper limit", "Lower limit"} <= set(texts(seen))
        told = [each.text for each in summary(seen, MEASURE) if each.is_signal]
        assert "Special cause, May 2025: a point above the upper limit, the better side." in told

    def test_a_p_chart_has_limits_for_each_size_that_include_the_rounding(self) -> None:
        seen = series(NOISE).through(LENSES["p"])
        exact = seen.chart.points[0]
        rounded = [replace(reading, noise=8 / 6) for reading in seen.readings]
        wider = replace(seen, readings=tuple(rounded)).chart.points[0]
        assert exact.upper is not None and wider.upper is not None
        assert wider.upper > exact.upper

    def test_limits_that_would_tell_counts_are_not_drawn_for_a_blinded_line(self) -> None:
        blinded = replace(series(NOISE), blinded=True)
        assert blinded.through(LENSES["p"]) is blinded
        assert blinded.through(LENSES["xmr"]).lens is LENSES["xmr"]

    def test_perla_calls_six_in_a_row_a_shift(self) -> None:
        shifted = series("24 26 " * 3 + "36 39 " * 3)
        assert not [s for s in summary(shifted, MEASURE) if "in a row" in s.text]
        told = [s.text for s in summary(shifted.through(LENSES["run-perla"]), MEASURE)]
        assert any("6 points in a row above the median, the better side" in text for text in told)


class TestWords:
    def test_the_newest_number(self) -> None:
        assert headline(series("12 s")) == "20% in January 2024 (12 of 60)."
        assert headline(series("12 (18)")) == "20% in January 2024 (12 of 60)."
        assert headline(series("s (18)")) == "30% in February 2024 (18 of 60, provisional)."
        told = "February 2024 so far: 30% (18 of 60, provisional), not judged yet."
        assert so_far(series("12 (18)")) == told
        assert headline(series("s m")) == "No number yet."

    @pytest.mark.parametrize(
        ("rate", "told"),
        [
            *((None, ""), (0.0, "0%"), (0.004, "0.4%"), (0.08, "8%"), (0.145, "14%")),
            *((0.5, "50%"), (0.95, "95%"), (0.996, "99.6%"), (1.0, "100%")),
        ],
    )
    def test_percents_never_round_to_nothing_or_all(self, rate: float | None, told: str) -> None:
        assert percent(rate) == told

    def test_gaps_are_counted_by_kind(self) -> None:
        told = [sentence.text for sentence in summary(series("12 s s m x 18"), MEASURE)]
        assert "2 of 6 months have a number; 2 suppressed, 1 missing, 1 not computable." in told

    def test_noise_and_shortness_are_told_apart(self) -> None:
        noise = " ".join(sentence.text for sentence in summary(series(NOISE), MEASURE))
        assert "No sign of special cause" in noise
        short = " ".join(sentence.text for sentence in summary(series("12 18 24"), MEASURE))
        assert "Not judged: 2 points lie off the median, and a run chart needs 10." in short
        assert "special cause" not in short.lower()
