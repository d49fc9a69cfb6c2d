"""Measurement periods: closed days, whole months and quarters, and the moments they mean."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from service.errors import PeriodError
from service.measure.period import Period, timezone


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2026-01-01/2026-12-31", date(2026, 1, 1), date(2026, 12, 31)),
        ("2026-02-03/2026-02-03", date(2026, 2, 3), date(2026, 2, 3)),
        # What is less precise means all of it, as in $evaluate-measure.
        ("2026", date(2026, 1, 1), date(2026, 12, 31)),
        ("2028-02", date(2028, 2, 1), date(2028, 2, 29)),
        ("2026-Q3", date(2026, 7, 1), date(2026, 9, 30)),
        ("2025-07/2026-06", date(2025, 7, 1), date(2026, 6, 30)),
    ],
)
def test_a_period_is_read(text: str, start: date, end: date) -> None:
    assert Period.parse(text) == Period(start, end)


def test_a_month_and_a_quarter_go_by_their_names() -> None:
    assert Period.month("2026-04") == Period(date(2026, 4, 1), date(2026, 4, 30))
    assert Period.quarter("2026-Q4") == Period(date(2026, 10, 1), date(2026, 12, 31))


@pytest.mark.parametrize(
    "text",
    ["", "last year", "2026-13", "2026-02-30/2026-03-01", "2026-Q5", "2026-01-01/", "/2026-01-01"]
    + ["2026-01-01/2026-12-31/2027-01-01", "2026-1-1/2026-12-31", "01/02/2026", "2026-01-01T00:00"]
    + ["0000", "٢٠٢٦"],
)
def test_what_is_no_period_is_refused_with_what_to_do(text: str) -> None:
    with pytest.raises(PeriodError) as told:
        Period.parse(text)
    assert "2026-01-01/2026-12-31" in str(told.value)


def test_a_period_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(PeriodError, match="ends before it starts"):
        Period.parse("2026-03-01/2026-02-01")


@pytest.mark.parametrize("text", ["2026", "2026-Q1", "2026-03-01/2026-03-31"])
def test_a_month_is_a_month(text: str) -> None:
    with pytest.raises(PeriodError):
        Period.month(text)


def test_its_moments_have_the_offsets_of_the_time_zone() -> None:
    """March 2026 in London begins in winter time and ends in summer time."""
    first, last = Period.month("2026-03").moments(timezone("Europe/London"))
    assert first.astimezone(UTC) == datetime(2026, 3, 1, tzinfo=UTC)
    assert last.astimezone(UTC) == datetime(2026, 3, 31, 22, 59, 59, 999_000, tzinfo=UTC)


def test_the_last_hour_of_a_period_may_come_twice() -> None:
    """Clocks in Cairo are put back at the end of October: one month goes on into the other."""
    zone = timezone("Africa/Cairo")
    _, last = Period.month("2024-10").moments(zone)
    first, _ = Period.month("2024-11").moments(zone)
    assert first.astimezone(UTC) - last.astimezone(UTC) == timedelta(milliseconds=1)


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../etc/passwd", "Europe"])
def test_a_time_zone_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(PeriodError, match="No such time zone"):
        timezone(name)
