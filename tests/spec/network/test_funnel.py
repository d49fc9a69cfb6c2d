"""Centers side by side: what is compared, who is shown, and what is said of it."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from service.measure.completeness import Completeness, Reason, Verdict
from service.measure.summary import Absent
from service.network.board import GroupBoard
from service.network.config import Group, Measure
from service.network.funnel import Comparison, comparison, told
from service.network.funnel_chart import svg
from service.network.lens import LENSES, Lens
from service.network.pool import pool
from service.network.reading import Basis, Reading
from service.network.series import NETWORK, Series
from service.network.window import span
from service.spc.point import State
from tests.spec.network.reports import Sender, summary_of

MONTHS = span("2025-01", "2025-12", "month")
MEASURE = Measure(url="urn:measure", title="A measure")
BASIS = Basis("1.0.0", "package", "policy")
GROUP = Group(id="g", title="Group")


def site(name: str, met: int, cases: int = 60, **changes: object) -> Series:
    """A site with the same counts in each month."""
    readings = [Reading(m, State.NUMBER, met, cases, basis=BASIS, noise=8 / 6) for m in MONTHS]
    return Series(name.lower(), name, GROUP, tuple(replace(r, **changes) for r in readings), ())


def group(*sites: Series) -> GroupBoard:
    begun = frozenset(series.reporter for series in sites)
    pools = [
        pool(month, {s.reporter: s.readings[at] for s in sites}, begun, 0.9)
        for at, month in enumerate(MONTHS)
    ]
    network = Series(NETWORK, "All", GROUP, tuple(p.reading for p in pools), (), tuple(pools))
    return GroupBoard(GROUP, network, sites)


def compared(*sites: Series) -> Comparison:
    board = group(*sites)
    found = comparison(board, board, MEASURE)
    assert found is not None
    return found


ALIKE = [site(name, 30) for name in ("Ash", "Beech", "Cedar")]


def test_the_year_is_added_up_and_compared_with_all() -> None:
    found = compared(*ALIKE, site("Oak", 54))
    assert [(unit.name, unit.met, unit.cases) for unit in found.units] == [
        *((name, 360, 720) for name in ("Ash", "Beech", "Cedar")),
        ("Oak", 648, 720),
    ]
    assert found.drawn.target == (3 * 360 + 648) / (4 * 720)
    assert [unit.name for unit in found.outside] == ["Ash", "Beech", "Cedar", "Oak"]
    words = " ".join(told(found, MEASURE))
    assert "Oak, 90%, on the better side" in words and "Ash, 50%, on the worse side" in words


@pytest.mark.parametrize(
    "changes",
    [
        {"provisional": True},
        {"state": State.SUPPRESSED, "numerator": None},
        {"basis": Basis("2.0.0", "package", "policy")},
    ],
    ids=["provisional", "suppressed", "another version"],
)
def test_what_is_not_final_or_not_comparable_is_not_in_it(changes: dict[str, object]) -> None:
    found = compared(*ALIKE, site("Oak", 54, **changes))
    assert [unit.name for unit in found.units] == ["Ash", "Beech", "Cedar"]
    assert found.left_out == ("Oak",)
    assert any("Oak" in sentence for sentence in told(found, MEASURE))


def test_a_center_whose_own_chart_signals_is_named() -> None:
    readings = [replace(r, numerator=12 + 3 * (at % 2)) for at, r in enumerate(ALIKE[0].readings)]
    shifted = readings[:6] + [replace(r, numerator=(r.numerator or 0) + 30) for r in readings[6:]]
    longer = tuple(shifted)
    unstable = replace(ALIKE[0], readings=longer, reporter="oak", name="Oak")
    found = compared(*ALIKE, unstable.through(_perla()))
    assert [unit.name for unit in found.units if unit.unstable] == ["Oak"]


def _perla() -> Lens:
    return LENSES["run-perla"]


def test_with_fewer_than_three_nothing_is_compared() -> None:
    board = group(*ALIKE[:2])
    assert comparison(board, board, MEASURE) is None


def test_centers_whose_name_a_reader_may_not_see_are_compared_with_and_not_shown() -> None:
    whole = group(*ALIKE, site("Oak", 54))
    hidden = [replace(series, blinded=True, name="Peer 1") for series in whole.sites[1:]]
    found = comparison(whole, replace(whole, sites=(whole.sites[0], *hidden)), MEASURE)
    assert found is not None
    assert [unit.name for unit in found.units] == ["Ash"]
    drawn = svg(found, MEASURE)
    assert drawn.count("<circle") + drawn.count('<path d="M') == 1
    assert "Oak" not in drawn and "Peer" not in drawn


class TestFeeds:
    @pytest.fixture
    def reported(self, sender: Sender) -> Iterator[Sender]:
        for month in MONTHS[:3]:
            for name in ("north", "south"):
                assert sender.report(summary_of(name, month)).status_code == 201
        yield sender

    def test_too_few_centers_have_no_funnel(self, reported: Sender) -> None:
        answer = reported.client.get("/measures/Drinking/charts/funnel.svg")
        assert answer.status_code == 404 and "too few centers" in answer.text
        assert reported.client.get("/measures/Drinking.json").json()["funnel"] is None

    def test_every_chart_is_a_feed_and_a_page(self, reported: Sender) -> None:
        late = Completeness(Verdict.PROVISIONAL, frozenset({Reason.WINDOW_OPEN}))
        newest = summary_of(period=MONTHS[3], numerator=Absent.SUPPRESSED, completeness=late)
        assert reported.report(newest).status_code == 201
        for lens in ("run", "run-perla", "xmr", "p", "p-prime"):
            told = reported.client.get(f"/measures/Drinking.json?chart={lens}").json()
            assert told["chart"] == lens
            (first, *_) = told["groups"][0]["series"][0]["points"]
            assert (first["ucl"] is None) is lens.startswith("run")
            for path in ("", "/charts/network.svg", "/charts/north.svg"):
                path = f"/measures/Drinking{path}?chart={lens}"
                assert reported.client.get(path).status_code == 200, path
        assert reported.client.get("/measures/Drinking?chart=pie").status_code == 400

    def test_json_is_made_once_and_again_after_a_report(self, reported: Sender) -> None:
        first = reported.client.get("/measures/Drinking.json").text
        assert reported.client.get("/measures/Drinking.json").text == first
        assert reported.report(summary_of(period=MONTHS[5])).status_code == 201
        assert json.loads(reported.client.get("/measures/Drinking.json").text) != json.loads(first)
