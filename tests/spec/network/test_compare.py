"""Two days compared: what each line told then, tells now, and why."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlmodel import Session

from service.measure.summary import Absent
from service.network.audience import Audience, seen
from service.network.board import Board, board_of
from service.network.config import NetworkConfig
from service.network.differences import JOINED, LEFT, Kind, Section, compared
from service.network.roster import Site, put_site
from tests.spec.network.reports import PROVENANCE, Sender, summary_of
from tests.spec.network.test_measure import FAILED, send

TITLE = "Two Rivers Collaborative"
Look = Callable[[], Board]
Told = tuple[Kind, str, str, str, tuple[str, ...]]


@pytest.fixture
def look(sender: Sender, config: NetworkConfig) -> Look:
    """The board as it is at this moment."""

    def taken() -> Board:
        with Session(sender.client.app.state.network.engine) as session:  # type: ignore[attr-defined]
            return board_of(session, config, config.measures[0])

    return taken


def told(section: Section) -> list[Told]:
    return [(d.kind, d.period, d.before, d.after, d.reasons) for d in section.differences]


def test_each_line_says_from_what_to_what_why_and_when(sender: Sender, look: Look) -> None:
    send(sender, summary_of(), summary_of("south"))
    before = look()
    send(sender, summary_of(numerator=30))
    network, north = compared(before, look())
    assert (network.name, north.name) == (TITLE, "North Hospital"), "south tells the same"
    assert told(network) == [
        (Kind.CHANGED, "2025-01", "35% (42 of 120)", "42% (51 of 120)", ()),
    ]
    assert told(north) == [
        (Kind.CHANGED, "2025-01", "35% (21 of 60)", "50% (30 of 60)", ("the counts changed",)),
    ]
    assert north.differences[0].received and network.differences[0].received is None


def test_every_report_that_came_between_is_told_though_the_number_is_the_same(
    sender: Sender, look: Look
) -> None:
    send(sender, summary_of())
    before = look()
    later = replace(PROVENANCE, engine="0.1.1")
    send(sender, summary_of(numerator=30), summary_of(provenance=later))
    (north,) = compared(before, look())
    assert north.name == "North Hospital", "the sum is the same on both days"
    (found,) = north.differences
    assert (found.before, found.after) == ("35% (21 of 60)", "35% (21 of 60)")
    assert found.reasons == ("the counts changed", "other software, the counts changed")


def test_what_came_and_what_was_taken_back_is_told_apart(sender: Sender, look: Look) -> None:
    send(sender, summary_of(period="2025-01"))
    before = look()
    hidden = Absent.NOT_COMPUTABLE
    error = {"numerator": hidden, "denominator": hidden}
    send(sender, summary_of(period="2025-01", completeness=FAILED, **error))
    send(sender, summary_of(period="2025-02"), summary_of("south", "2025-02"))
    network, north, south = compared(before, look())
    for section in (network, north):
        assert [kind for kind, _ in section.by_kind] == [Kind.ADDED, Kind.WITHDRAWN]
    assert [kind for kind, _ in south.by_kind] == [Kind.ADDED]
    (taken,) = dict(north.by_kind)[Kind.WITHDRAWN]
    assert taken.after.startswith("withdrawn") and taken.reasons[0].startswith("withdrawn")


def test_who_joined_and_who_left_between_the_days(
    sender: Sender, look: Look, config: NetworkConfig
) -> None:
    send(sender, summary_of(), summary_of("south"))
    before = look()
    with Session(sender.client.app.state.network.engine) as session:  # type: ignore[attr-defined]
        put_site(session, "a test", Site("south", "South Hospital", frozenset()))
        put_site(session, "a test", Site("east", "East", frozenset({config.measures[0].url})))
        session.commit()
    found = {section.name: section for section in compared(before, look())}
    assert found["South Hospital"].roster == LEFT and found["East"].roster == JOINED
    assert TITLE not in found, "its sum is the same"


def test_a_blinded_line_shows_neither_counts_nor_reasons(sender: Sender, look: Look) -> None:
    send(sender, summary_of(), summary_of("south"))
    before = look()
    send(sender, summary_of("south", numerator=30))
    viewer = Audience(frozenset({"north"}), {"south": "Peer 1"}, False)
    _, peer = compared(seen(before, viewer), seen(look(), viewer))
    assert peer.name == "Peer 1"
    assert told(peer) == [(Kind.CHANGED, "2025-01", "35%", "50%", ())]
    assert peer.differences[0].received is None


def test_the_page_takes_the_days_in_either_order(sender: Sender) -> None:
    send(sender, summary_of(numerator=30))
    path = "/measures/Drinking/compare?"
    page = sender.client.get(path + "before=2020-01-01").text
    assert "Added: 1" in page and "50% (30 of 60)" in page and "first report" in page
    assert "Added: 1" in sender.client.get(path + "before=2100-01-01&after=2020-01-01").text
    same = sender.client.get(path + "before=2020-01-01&after=2020-02-01").text
    assert "both days tell the same" in same
    assert sender.client.get(path + "before=2020-99-01").status_code == 400
