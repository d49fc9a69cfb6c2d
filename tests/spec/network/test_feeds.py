"""What programs and people take away: changes, Atom, pictures, reports, tables, the calendar."""

import csv
import re
from datetime import date
from io import StringIO
from xml.etree import ElementTree

import pytest
from sqlmodel import Session

from service.measure.summary import Absent
from service.network import calendar
from service.network.atom import NAMESPACE
from service.network.board import board_of
from service.network.config import NetworkConfig
from service.network.window import span
from tests.spec.network.reports import Sender, summary_of
from tests.spec.network.test_measure import FAILED, PROVISIONAL, send

ATOM = f"{{{NAMESPACE}}}"


@pytest.fixture
def database(tmp_path: object) -> str:
    return f"sqlite:///{tmp_path}/network.db"


def test_changes_come_once_each_in_order(sender: Sender) -> None:
    for month in span("2025-01", "2025-05", "month"):
        send(sender, summary_of(period=month))
    cursor, seen = 0, []
    while True:
        told = sender.client.get(f"/changes.json?after={cursor}&count=2").json()
        if not told["changes"]:
            break
        cursor = told["cursor"]
        seen += [each["period"] for each in told["changes"]]
    assert seen == span("2025-01", "2025-05", "month")


def test_atom_tells_signals_and_restatements(sender: Sender) -> None:
    for at, month in enumerate(span("2024-01", "2025-12", "month")):
        met = (12, 15)[at % 2] if at < 12 else (36, 39)[at % 2]
        send(sender, summary_of(period=month, numerator=met))
    send(sender, summary_of(period="2024-03", numerator=18))
    answer = sender.client.get("/news.atom")
    assert answer.headers["content-type"].startswith("application/atom+xml")
    feed = ElementTree.fromstring(answer.content)
    kinds = [each.find(f"{ATOM}category").get("term") for each in feed.iter(f"{ATOM}entry")]  # type: ignore[union-attr]
    assert kinds.count("restatement") == 1 and "signal" in kinds
    identifiers = [each.findtext(f"{ATOM}id") for each in feed.iter(f"{ATOM}entry")]
    assert len(identifiers) == len(set(identifiers))
    assert "restated March 2024: the counts changed" in answer.text


@pytest.mark.parametrize(
    ("path", "begins"),
    [
        ("/measures/Drinking/charts/network.png", b"\x89PNG"),
        ("/measures/Drinking/charts/north.svg", b"<svg"),
        ("/measures/Drinking/charts/north.pdf", b"%PDF"),
        ("/reports/north.pdf", b"%PDF"),
        ("/reports/network.pdf", b"%PDF"),
    ],
)
def test_pictures_and_reports(sender: Sender, path: str, begins: bytes) -> None:
    send(sender, summary_of(), summary_of(period="2025-02", numerator=Absent.SUPPRESSED))
    answer = sender.client.get(path)
    assert answer.status_code == 200
    assert answer.content.startswith(begins)


def test_a_table_to_paste_has_final_numbers_only(sender: Sender) -> None:
    send(
        sender,
        summary_of(period="2025-01"),
        summary_of(period="2025-02", numerator=Absent.SUPPRESSED),
        summary_of(period="2025-03", completeness=PROVISIONAL),
    )
    text = sender.client.get("/measures/Drinking/series/north.csv").text
    assert list(csv.DictReader(StringIO(text))) == [
        {"Date": "2025-01-01", "Numerator": "21", "Denominator": "60", "Percent": "35.0"}
    ]


class TestCalendar:
    def states(self, sender: Sender, config: NetworkConfig, day: date) -> dict[str, list[str]]:
        with Session(sender.client.app.state.network.engine) as session:  # type: ignore[attr-defined]
            board = board_of(session, config, config.measures[0])
        found: dict[str, list[str]] = {}
        for feed in calendar.feeds(board, day):
            found.setdefault(feed.site, []).append(feed.state)
        return found

    def test_says_of_every_feed_how_far_it_is(self, sender: Sender, config: NetworkConfig) -> None:
        error = {"numerator": Absent.NOT_COMPUTABLE, "denominator": Absent.NOT_COMPUTABLE}
        send(sender, summary_of(period="2025-01"), summary_of(period="2025-01", numerator=24))
        send(sender, summary_of(period="2025-02", completeness=PROVISIONAL))
        send(sender, summary_of(period="2025-03", completeness=FAILED, **error))
        send(sender, summary_of(period="2025-04"))
        send(sender, summary_of(period="2025-04", completeness=FAILED, **error))
        send(sender, summary_of(period="2025-05"))
        told = self.states(sender, config, date(2025, 9, 20))
        assert told["north"] == [
            *("resubmitted", "provisional", "not computable", "withdrawn", "submitted"),
            *("missing", "late", "not yet due"),
        ]
        assert told["south"] == [*["missing"] * 6, "late", "not yet due"]

    def test_a_suppressed_month_has_come_and_is_not_asked_for(
        self, sender: Sender, config: NetworkConfig
    ) -> None:
        hidden = summary_of(period="2025-01", numerator=Absent.SUPPRESSED)
        send(sender, hidden, summary_of("south", "2025-01"))
        assert self.states(sender, config, date(2025, 2, 1))["north"] == ["submitted (suppressed)"]
        page = sender.client.get("/calendar").text
        assert ">■</span> submitted (suppressed)" in page, "with a sign of its own in the key"
        assert '>■</span><span class="unseen">1 submitted (suppressed)' in page
        assert "January 2025" not in sender.client.get("/calendar/north.txt").text

    def test_whom_to_remind_as_a_text(self, sender: Sender) -> None:
        send(sender, summary_of("north", "2025-01"), summary_of("south", "2025-02"))
        letter = sender.client.get("/calendar/south.txt").text
        assert letter.startswith("Subject: Two Rivers Collaborative: ")
        assert "January 2025: missing" in letter and "February 2025" not in letter
        page = sender.client.get("/calendar").text
        assert "Whom to remind" in page and "/calendar/south.txt" in page


def test_as_of_an_earlier_day_nothing_was_known(sender: Sender) -> None:
    send(sender, summary_of())
    assert sender.client.get("/measures/Drinking.json?as_of=2020-01-01").json()["groups"] == []
    assert sender.client.get("/measures/Drinking?as_of=2020-01-01").status_code == 200
    assert sender.client.get("/measures/Drinking.json?as_of=2020-13-01").status_code == 400


def test_home_tells_what_changed(sender: Sender) -> None:
    send(sender, summary_of("north", "2025-01"), summary_of("south", "2025-01"))
    page = sender.client.get("/").text
    assert "2 reports from 2 centers arrived." in page


def test_an_aim_a_cycle_and_a_note_are_shown_and_versioned(sender: Sender) -> None:
    send(sender, summary_of())
    path = "/measures/Drinking/write"
    aim = {"kind": "aim", "statement": "All patients drink", "goal": "80", "by": "2026-12"}
    cycle = {"kind": "pdsa", "start": "2025-01", "plan": "Try a trolley", "change": "Trolley"}
    for each in (aim, {**cycle, "site": "north"}):
        assert sender.fill(path, each).status_code == 303
    page = sender.client.get("/measures/Drinking").text
    assert "All patients drink" in page and "At least 80% by December 2026" in page
    assert "PDSA" in page and "Trolley" in page and "No patient information" in page
    assert "PDSA: Trolley" in str(sender.client.get("/measures/Drinking.json").json())
    assert sender.fill(path, {**aim, "goal": "800"}).status_code == 422
    key = re.search(r'value="(aim-[0-9a-f]+)"', sender.client.get(path).text)
    assert key
    back = {"kind": "aim", "key": key.group(1), "taken_back": "yes"}
    assert sender.fill(path, back).status_code == 303
    assert "All patients drink" not in sender.client.get("/measures/Drinking").text
    history = sender.client.get(f"/measures/Drinking/history/{key.group(1)}").text
    assert "All patients drink" in history and "taken back" in history
