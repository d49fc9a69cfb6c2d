"""An EHR's copy that is fed no more answers as ever: only its newest days are empty."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from msgspec import structs

from service.measure.package import load_package
from service.measure.period import Period
from service.site.building import build_store
from service.site.judging import Judge
from service.site.mapping import NO_MAPPING
from service.site.needs import needs_of
from service.site.placing import accept_store
from service.site.staleness import silence
from service.site.store import Store, open_store
from service.site.survey import Survey
from service.site.verdict import Fault, Finding
from tests.releases import MEASURES
from tests.spec.site.test_layering import changed
from tests.spec.site.test_store import PLAN, built, observation, patient, pulled

DREAMING = load_package(MEASURES / "dreaming")
TODAY = date(2026, 6, 1)  # when `built` and `changed` pull


def days(
    last: date, *, at_once: int = 2, free: frozenset[int] = frozenset(), back: int = 60
) -> dict[str, int]:
    """So many records a day until the last, but for some days of the week (Monday is 0)."""
    counted = (last - timedelta(days=n) for n in range(back))
    return {str(day): at_once for day in counted if day.weekday() not in free}


WEEKEND = frozenset({5, 6})


@pytest.mark.parametrize(
    ("free", "silent", "noticed"),
    [
        (frozenset(), 0, False),
        (frozenset(), 2, False),
        (frozenset(), 3, True),
        (WEEKEND, 3, False),
        (WEEKEND, 4, False),
        (WEEKEND, 6, True),
        (frozenset({0, 2, 4, 5, 6}), 6, False),
        (frozenset({0, 2, 4, 5, 6}), 7, True),
        (frozenset({0, 1, 2, 4, 5, 6}), 50, False),
    ],
)
def test_silence_is_longer_than_any_before(
    free: frozenset[int], silent: int, noticed: bool
) -> None:
    """An emergency department has somebody every day, a theatre nobody at the weekend."""
    last = date(2026, 5, 21)  # a Thursday
    found = silence(days(last, free=free, at_once=10), last + timedelta(days=silent + 1))
    assert found == ((last, silent) if noticed else None)


def test_where_there_is_little_chance_leaves_days_out() -> None:
    monthly = {f"2026-0{n}-02": 9 for n in range(1, 6)}
    assert silence(monthly, TODAY) is None
    assert silence({}, TODAY) is None


def test_what_is_planned_is_no_news() -> None:
    told = days(date(2026, 5, 21)) | {"2026-06-09": 4}
    assert silence(told, TODAY) == (date(2026, 5, 21), 10)


# A store


def daily(last: date, first: date = date(2026, 3, 1)) -> list[dict[str, Any]]:
    return [
        observation(f"{day}-{n}", "a") | {"effectiveDateTime": f"{day}T12:00:00Z"}
        for day in (first + timedelta(days=n) for n in range((last - first).days + 1))
        for n in range(2)
    ]


def stale(store: Store | None, period: str) -> list[Finding]:
    assert store is not None
    judge = Judge(store.facts, Survey(NO_MAPPING, [needs_of(DREAMING)]), ZoneInfo("UTC"))
    found: Iterable[Finding] = judge.on(DREAMING, Period.parse(period)).findings
    return [each for each in found if each.fault is Fault.STALE]


def test_a_month_in_which_the_copy_stopped_is_not_complete_and_those_before_are(
    tmp_path: Path,
) -> None:
    store = built(tmp_path, [patient("a")], daily(date(2026, 5, 12)))
    assert stale(store, "2026-05") == [Finding(Fault.STALE, "Observation", 19, "Observation")]
    assert stale(store, "2026-04") == []
    assert stale(built(tmp_path, [patient("a")], daily(date(2026, 5, 31))), "2026-05") == []


def test_it_is_not_forgotten_with_time(tmp_path: Path) -> None:
    store = built(tmp_path, [patient("a")], daily(date(2025, 8, 12), first=date(2025, 6, 1)))
    assert stale(store, "2025-08") and stale(store, "2026-05") and not stale(store, "2025-07")


def test_a_person_can_say_that_there_is_nothing_more(tmp_path: Path) -> None:
    """Of a list of patients who were operated on in spring nothing new will come."""
    built(tmp_path, [patient("a")], daily(date(2026, 5, 12)))
    accept_store(tmp_path)
    assert stale(built(tmp_path, [patient("a")], daily(date(2026, 5, 12))), "2026-05") == []
    newer = built(tmp_path, [patient("a")], daily(date(2026, 5, 13)))
    assert stale(newer, "2026-05"), "when something came and then nothing, it is to be said anew"


def test_who_accepts_before_it_fell_silent_has_not_accepted_that(tmp_path: Path) -> None:
    """A group shrank, somebody said that it is right, and then the copy was fed no more."""
    lively = built(tmp_path, [patient("a")], daily(date(2026, 5, 31)))
    assert stale(lively, "2026-05") == []
    accept_store(tmp_path)
    facts = open_store(tmp_path).facts
    later = replace(lively, facts=structs.replace(facts, transaction_time="2026-08-15T00:00Z"))
    assert stale(later, "2026-06")


def test_when_the_newest_record_is_withdrawn_what_was_accepted_is_still(tmp_path: Path) -> None:
    built(tmp_path, [patient("a")], daily(date(2026, 5, 12)))
    accept_store(tmp_path)
    assert stale(built(tmp_path, [patient("a")], daily(date(2026, 5, 11))), "2026-05") == []


def test_silence_of_what_did_not_come_whole_is_not_accepted(tmp_path: Path) -> None:
    lost = Finding(Fault.COUNT_MISMATCH, "Observation.ndjson", 1, "Observation")
    files = [patient("a")], daily(date(2026, 5, 12))
    build_store(pulled(tmp_path / "pull", *files, findings=(lost,)), PLAN, tmp_path)
    [left] = accept_store(tmp_path)
    assert (left.fault, left.where) == (Fault.STALE, "Observation")
    assert stale(open_store(tmp_path), "2026-05")


def test_what_is_only_planned_breaks_no_silence(tmp_path: Path) -> None:
    told = daily(date(2026, 5, 12))
    later = daily(date(2026, 5, 31), first=date(2026, 5, 13))
    planned = [each | {"status": "registered"} for each in later]
    assert stale(built(tmp_path, [patient("a")], told, planned), "2026-05")


@pytest.mark.parametrize("day", ["2026-02-30", "2026-04-31", "2027-02-29"])
def test_a_day_that_no_calendar_has_is_none(tmp_path: Path, day: str) -> None:
    odd = observation("odd", "a") | {"effectiveDateTime": day}
    store = built(tmp_path, [patient("a")], [*daily(date(2026, 5, 31)), odd])
    assert stale(store, "2026-05") == []
    assert silence({day: 99}, TODAY) is None


def test_changes_end_the_silence(tmp_path: Path) -> None:
    built(tmp_path, [patient("a")], daily(date(2026, 5, 12)))
    after = changed(tmp_path, daily(date(2026, 5, 30), first=date(2026, 5, 10)))
    assert stale(after, "2026-05") == []
    whole = built(tmp_path / "whole", [patient("a")], daily(date(2026, 5, 30)))
    assert after is not None
    assert (after.facts.days, after.facts.months) == (whole.facts.days, whole.facts.months)
