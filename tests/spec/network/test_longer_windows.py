"""A quarter that a site releases because its months show no rate is told as a quarter."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlmodel import Session

from service.disclosure import Group, Member, Table, parse_policy
from service.errors import ConfigError
from service.measure.completeness import COMPLETE
from service.measure.period import Period
from service.measure.summary import Absent, parse
from service.network import calendar
from service.network.app import create_app
from service.network.board import Board, board_of
from service.network.calendar import Feed
from service.network.config import load
from service.network.state import Network
from service.site.protect import Release, Result, protect
from tests.releases import DREAMING, origin, package
from tests.spec.network.reports import LOCAL, Sender, network_config

MONTHS = ["2024-01", "2024-02", "2024-03"]
POLICY = parse_policy(
    f"""
    network = "test"
    version = "1"
    legal_basis = "made-up patients"
    [[release]]
    measure = "{DREAMING}"
    window = "month"
    ladder = ["quarter"]
    from = "2024-01"
    to = "2024-12"
    """.encode()
)


def table(period: str, patients: range) -> Table:
    """One stay for each patient; every second one got the care."""
    stays = [Member(f"patient-{i}", f"Encounter/stay-{i}") for i in patients]
    whole, met = frozenset(stays), frozenset(stays[::2])
    populations = {"initial-population": whole, "denominator": whole, "numerator": met}
    days = Period.parse(period)
    group = Group("composite", populations)
    return Table(DREAMING, package("dreaming").version, (days.start, days.end), (group,))


@cache
def released() -> tuple[Release, ...]:
    """Three months of 18 patients with 9 met, and the quarter of 54 that stands in for them."""
    tables = [table(month, range(i * 18, i * 18 + 18)) for i, month in enumerate(MONTHS)]
    tables.append(table("2024-Q1", range(54)))
    results = [Result(package("dreaming"), each, COMPLETE) for each in tables]
    made = [each.release for each in protect(results, origin(policy=POLICY))]
    return tuple(each for each in made if each)


def served(database: str, ladder: list[str]) -> Iterator[Sender]:
    config = network_config(database)
    site = config.sites[0].model_dump() | {"measures": [DREAMING]}
    measure = {"url": DREAMING, "title": "DrEaMing", "headline": "composite", "ladder": ladder}
    changed = network_config(database, site=[site], measure=[measure])
    with TestClient(create_app(changed), base_url=LOCAL) as client:
        yield Sender(client)


@pytest.fixture
def climbing(database: str) -> Iterator[Sender]:
    yield from served(database, ["quarter"])


@pytest.fixture
def level(database: str) -> Iterator[Sender]:
    yield from served(database, [])


def board(sender: Sender) -> Board:
    network: Network = sender.client.app.state.network  # type: ignore[attr-defined]
    with Session(network.engine) as session:
        return board_of(session, network.config, network.config.measures[0])


def feeds(sender: Sender, day: date) -> dict[str, Feed]:
    return {feed.period: feed for feed in calendar.feeds(board(sender), day)}


def send_all(sender: Sender) -> None:
    for each in released():
        assert sender.send(each.body).status_code == 201


def test_the_months_show_no_rate_and_the_quarter_does() -> None:
    *months, quarter = released()
    assert [each.period for each in months] == [str(Period.parse(month)) for month in MONTHS]
    for each in months:
        assert parse(each.body).summary.groups[0].populations["numerator"] is Absent.SUPPRESSED
    assert quarter.period == str(Period.parse("2024-Q1"))
    assert isinstance(parse(quarter.body).summary.groups[0].populations["numerator"], int)


def test_the_network_takes_the_quarter_if_its_own_configuration_says_so(
    climbing: Sender,
) -> None:
    send_all(climbing)


def test_and_refuses_it_otherwise(level: Sender) -> None:
    *months, quarter = released()
    for each in months:
        assert level.send(each.body).status_code == 201
    answer = level.send(quarter.body)
    assert answer.status_code == 422
    assert "the period is not one calendar month" in answer.text
    assert not board(level).wider


def test_a_window_that_is_no_rung_is_refused(climbing: Sender) -> None:
    year = replace(parse(released()[-1].body).summary, period=Period.parse("2024"))
    answer = climbing.report(year)
    assert answer.status_code == 422
    assert "the period is not one calendar month or quarter" in answer.text


def test_it_is_no_point_of_any_line_and_in_no_sum(climbing: Sender) -> None:
    send_all(climbing)
    made = board(climbing)
    assert made.periods == tuple(MONTHS)
    for series in made.groups[0].series:
        assert [reading.rate for reading in series.readings] == [None] * 3
    (longer,) = made.wider
    assert (longer.site.id, longer.period) == ("north", "2024-Q1")
    assert longer.readings[0][1].rate is not None


def test_the_page_tells_it_as_a_quarter(climbing: Sender) -> None:
    send_all(climbing)
    page = climbing.client.get("/measures/dreaming").text
    _, _, rest = page.partition("Reported in longer windows</h2>")
    section = rest.partition("</section>")[0]
    assert "quarter 1 of 2024" in section and "North Hospital" in section
    assert "suppressed, reported as quarter 1 of 2024" in page
    told = climbing.client.get("/measures/dreaming.json").json()
    (longer,) = told["longer_windows"]
    assert longer["period"] == "2024-Q1" and longer["groups"][0]["rate"] is not None
    points = told["groups"][0]["series"][1]["points"]
    assert [point["reported_in"] for point in points] == ["2024-Q1"] * 3
    assert [point["rate"] for point in points] == [None] * 3


def test_the_calendar_says_so_and_reminds_nobody(climbing: Sender) -> None:
    send_all(climbing)
    told = feeds(climbing, date(2024, 4, 20))
    assert [told[month].state for month in MONTHS] == ["reported as a quarter"] * 3
    assert told["2024-01"].text == "suppressed, reported as quarter 1 of 2024"
    assert not calendar.chase(told.values())
    assert "reported as a quarter" in climbing.client.get("/calendar").text


def test_a_month_that_never_came_is_told_in_its_quarter(climbing: Sender) -> None:
    for each in released()[1:]:
        climbing.send(each.body)
    told = feeds(climbing, date(2024, 12, 1))
    assert told["2024-01"].state == "reported as a quarter"
    assert told["2024-01"].text == "missing, reported as quarter 1 of 2024"
    assert told["2024-04"].state == "missing"


def test_a_ladder_goes_up(tmp_path: Path) -> None:
    for ladder in (["month"], ["year", "quarter"], ["quarter", "quarter"]):
        path = tmp_path / "network.toml"
        path.write_text(
            f'title = "T"\n[[measure]]\nurl = "urn:m"\ntitle = "M"\nladder = {ladder}\n'
        )
        with pytest.raises(ConfigError, match="ladder"):
            load(path)
