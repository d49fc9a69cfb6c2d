"""Who belongs to the network on a day: members join and leave, and what they reported stays."""

from dataclasses import replace

import pytest
from sqlmodel import Session

from service.network.audit import Audit
from service.network.board import Board, board_of
from service.network.config import Measure, NetworkConfig
from service.network.roster import Site, put_site
from service.network.roster_history import RosterHistory, roster_history
from tests.spec.network.reports import DRINKING, Sender, summary_of

MEASURE = Measure(url=DRINKING, title="Drinking")
LEAVES, AFTER = "2100-03-01T12:00:00Z", "2100-03-02T23:59:59Z"
BEFORE = "2100-02-28T23:59:59Z"


def site(name: str, *measures: str) -> Site:
    return Site(name.lower(), name, frozenset(measures or (DRINKING,)))


HISTORY = RosterHistory(
    (
        ("2024-01-01T09:00:00Z", site("South")),
        ("2024-01-01T09:00:01Z", site("North")),
        ("2025-02-10T09:00:00Z", site("East")),
        ("2025-05-20T09:00:00Z", replace(site("South"), measures=frozenset())),
    )
)


def on(instant: str) -> list[str]:
    return [each.name for each in HISTORY.on(instant).reporters(MEASURE)]


def test_the_roster_of_a_day_has_those_who_had_joined_and_not_left() -> None:
    assert on("2025-01-31T23:59:59Z") == ["North", "South"]
    assert on("2025-02-28T23:59:59Z") == ["East", "North", "South"]
    assert on("2025-05-31T23:59:59Z") == ["East", "North"]


def test_before_the_first_day_it_is_that_day_s() -> None:
    """A network enters its sites on one day, and they report of earlier ones."""
    assert on("2020-01-01T00:00:00Z") == on("2024-01-01T23:59:59Z") == ["North", "South"]


def test_a_period_has_the_members_of_its_last_day() -> None:
    found = HISTORY.members(MEASURE, ["2025-01", "2025-02", "2025-05", "2025-Q2"])
    assert [len(found[p]) for p in ("2025-01", "2025-02", "2025-05", "2025-Q2")] == [2, 3, 2, 2]
    assert [each.name for each in HISTORY.everyone(MEASURE)] == ["East", "North", "South"]


@pytest.fixture
def session(sender: Sender):  # type: ignore[no-untyped-def]
    """North and south have reported two months; on one day south leaves and east joins."""
    for name in ("north", "south"):
        for month in ("2025-01", "2025-02"):
            assert sender.report(summary_of(name, month)).status_code == 201
    with Session(sender.client.app.state.network.engine) as opened:  # type: ignore[attr-defined]
        for changed in (Site("south", "South Hospital", frozenset()), site("East")):
            put_site(opened, "a test", changed)
            for row in opened.new:
                if isinstance(row, Audit):
                    row.at = LEAVES
            opened.commit()
        yield opened


def board(session: Session, config: NetworkConfig, as_of: str | None = None) -> Board:
    return board_of(session, config, config.measures[0], as_of)


def lines(found: Board) -> list[str]:
    return [series.reporter for series in found.groups[0].sites]


def test_as_of_an_earlier_day_the_board_has_the_roster_of_that_day(
    session: Session, config: NetworkConfig
) -> None:
    assert lines(board(session, config, BEFORE)) == ["north", "south"]
    assert lines(board(session, config, AFTER)) == ["east", "north"]


def test_what_a_site_reported_before_it_left_stays_in_the_sums(
    session: Session, config: NetworkConfig
) -> None:
    then, now = (board(session, config, day).groups[0].network for day in (BEFORE, AFTER))
    assert [r.denominator for r in now.readings] == [r.denominator for r in then.readings]
    assert now.pools[0].contributors == ("north", "south")


def test_who_joined_after_a_period_was_not_expected_in_it(
    session: Session, config: NetworkConfig
) -> None:
    """East has reported nothing: it is among those expected from the day on which it joined."""
    assert board(session, config, AFTER).groups[0].network.pools[-1].left_out == {}
    members = roster_history(session).members(config.measures[0], ["2025-02", "2100-03"])
    assert members["2025-02"] == {"north", "south"}
    assert members["2100-03"] == {"north", "east"}


def test_the_home_page_counts_those_who_belong_to_it_now(sender: Sender, session: Session) -> None:
    assert "2 centers report 2 measures" in sender.client.get("/").text
