"""The home page of a large network: what is not made yet is said to be so, and made behind it."""

import time

import pytest

from service.network import digest
from service.network.window import span
from tests.spec.network.reports import RETURNS, Sender, summary_of

PENDING = "as they were before the newest reports"


def settled(sender: Sender, path: str = "/") -> str:
    """The page once nothing is left to be worked in."""
    for _ in range(600):
        page = sender.client.get(path).text
        if PENDING not in page:
            return page
        time.sleep(0.1)
    raise AssertionError("the background never finishes")


@pytest.fixture
def large(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> Sender:
    """A network with more in it than a request may work through."""
    monkeypatch.setattr(digest, "AT_ONCE", 0)
    for month in span("2025-01", "2025-03", "month"):
        assert sender.report(summary_of(period=month)).status_code == 201
    assert sender.report(summary_of(period="2025-Q1", measure=RETURNS)).status_code == 201
    return sender


def test_a_measure_that_was_never_made_is_said_to_be_coming(large: Sender) -> None:
    page = large.client.get("/").text
    assert PENDING in page and page.count("Being worked out") == 2
    done = settled(large)
    assert "Being worked out" not in done and "21 of 60" in done


def test_a_measure_that_changed_is_shown_as_it_was_and_then_anew(large: Sender) -> None:
    settled(large)
    for month in ("2025-04", "2025-05"):
        assert large.report(summary_of(period=month)).status_code == 201
    restated = summary_of(period="2025-Q1", measure=RETURNS, numerator=30)
    assert large.report(restated).status_code == 201
    page = large.client.get("/").text
    assert PENDING in page and "21 of 60" in page
    assert "30 of 60" in settled(large)


def test_the_calendar_waits_for_nobody_either(large: Sender) -> None:
    assert PENDING in large.client.get("/calendar").text
    assert PENDING not in settled(large, "/calendar")
    assert PENDING not in large.client.get("/calendar?measure=Returns").text
