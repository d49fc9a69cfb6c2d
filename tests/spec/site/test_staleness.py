"""An EHR's copy that is fed no more, or was not for a while, answers as ever: days are empty."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from service.measure.package import load_package
from service.measure.period import Period
from service.site.acquisition import Acquisition
from service.site.building import build_store
from service.site.judging import Judge
from service.site.mapping import NO_MAPPING
from service.site.needs import needs_of
from service.site.placing import accept_store
from service.site.staleness import MISSING, Hole, holes
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
    found = holes(days(last, free=free, at_once=10), last + timedelta(days=silent + 1))
    assert list(found) == ([Hole(last, silent)] if noticed else [])


def test_where_there_is_little_chance_leaves_days_out() -> None:
    monthly = {f"2026-0{n}-02": 9 for n in range(1, 6)}
    assert list(holes(monthly, TODAY)) == []
    assert list(holes({}, TODAY)) == []


def test_what_is_planned_is_no_news() -> None:
    told = days(date(2026, 5, 21)) | {"2026-06-09": 4}
    assert list(holes(told, TODAY)) == [Hole(date(2026, 5, 21), 10)]


# What came again


def without(told: dict[str, int], after: date, empty: int) -> dict[str, int]:
    """The records without those of so many days."""
    left_out = {str(after + timedelta(days=n + 1)) for n in range(empty)}
    return {day: count for day, count in told.items() if day not in left_out}


FED, FED_AGAIN = date(2026, 5, 12), date(2026, 5, 31)


def test_one_stray_record_does_not_hide_that_the_feed_stopped() -> None:
    told = days(FED) | {"2026-05-30": 1}
    assert list(holes(told, TODAY)) == [Hole(FED, 17)]
    later = date(2026, 6, 5)
    assert list(holes(told, later)) == [Hole(FED, 17), Hole(date(2026, 5, 30), 5)]


@pytest.mark.parametrize(
    ("free", "at_once", "empty", "noticed"),
    [
        (frozenset(), 2, 9, False),  # 18 records are missing
        (frozenset(), 2, 10, True),
        (frozenset(), 40, 2, False),
        (frozenset(), 40, 3, True),
        (WEEKEND, 40, 4, False),  # Good Friday to Easter Monday
        (WEEKEND, 40, 6, True),  # of which four are working days
        (WEEKEND, 2, 13, False),
        (WEEKEND, 2, 18, True),
        (frozenset({0, 2, 4, 5, 6}), 9, 10, True),
        (frozenset({0, 2, 4, 5, 6}), 2, 40, False),
    ],
)
def test_a_feed_that_was_mended_leaves_a_hole_when_enough_is_missing(
    free: frozenset[int], at_once: int, empty: int, noticed: bool
) -> None:
    after = date(2026, 4, 2)  # a Thursday
    whole = days(FED_AGAIN, free=free, at_once=at_once, back=120)
    found = [hole.after for hole in holes(without(whole, after, empty), TODAY)]
    assert found == ([after] if noticed else [])


def test_a_feed_that_stops_again_is_noticed_again() -> None:
    told = without(without(days(FED_AGAIN), date(2026, 5, 2), 10), date(2026, 5, 15), 10)
    assert list(holes(told, TODAY)) == [Hole(date(2026, 5, 2), 10), Hole(date(2026, 5, 15), 10)]
    assert list(holes(told, date(2026, 6, 6))) == [
        *holes(told, TODAY),
        Hole(FED_AGAIN, 5),
    ], "and when it falls silent after that, the holes do not make it usual"


def test_what_a_person_calls_right_is_told_no_more_and_is_usual_from_then_on() -> None:
    """A clinic that opened daily sees patients on Mondays and Tuesdays since April."""
    busy = days(date(2026, 3, 31), at_once=4)
    late = days(date(2026, 5, 26), at_once=4, free=frozenset({2, 3, 4, 5, 6}), back=51)
    found = [hole.after for hole in holes(busy | late, TODAY)]
    assert found[:2] == [date(2026, 3, 31), date(2026, 4, 7)]
    assert list(holes(busy | late, TODAY, accepted=str(found[0]))) == []


@given(
    st.lists(st.integers(0, 6).map(lambda n: max(0, n - 1)), max_size=150),
    st.dictionaries(st.integers(0, 150), st.integers(3, 40), max_size=4),
    st.integers(0, 150),
)
def test_accepting_tells_nothing_new(
    counts: list[int], empty: dict[int, int], accepted: int
) -> None:
    first = date(2026, 1, 1)
    told = {str(first + timedelta(days=n)): count for n, count in enumerate(counts) if count}
    for n, length in empty.items():
        told = without(told, first + timedelta(days=n), length)
    found, day = list(holes(told, TODAY)), str(first + timedelta(days=accepted))
    assert {*holes(told, TODAY, day)} <= {hole for hole in found if str(hole.after) > day}
    assert not found or list(holes(told, TODAY, str(found[-1].after))) == []


@given(st.integers(1, 40), st.integers(3, 60), st.integers(0, 150))
def test_a_hole_in_what_comes_daily_is_found_wherever_it_is(
    at_once: int, empty: int, before: int
) -> None:
    after = date(2026, 5, 20) - timedelta(days=empty + before)
    told = without(days(FED_AGAIN, at_once=at_once, back=300), after, empty)
    assert list(holes(told, TODAY)) == [Hole(after, empty)] * (at_once * empty >= MISSING)


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
    assert stale(store, "2026-05") == [
        Finding(Fault.STALE, "Observation after 2026-05-12", 19, "Observation")
    ]
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
    assert (left.fault, left.where) == (Fault.STALE, "Observation after 2026-05-12")
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
    assert list(holes({day: 99}, TODAY)) == []


def test_changes_end_the_silence(tmp_path: Path) -> None:
    built(tmp_path, [patient("a")], daily(date(2026, 5, 12)))
    after = changed(tmp_path, daily(date(2026, 5, 30), first=date(2026, 5, 10)))
    assert stale(after, "2026-05") == []
    whole = built(tmp_path / "whole", [patient("a")], daily(date(2026, 5, 30)))
    assert after is not None
    assert (after.facts.days, after.facts.months) == (whole.facts.days, whole.facts.months)


def mended(resumed: date = date(2026, 5, 23)) -> list[dict[str, Any]]:
    """What there is after a feed stopped on 12 May, and went on without what came meanwhile."""
    return [*daily(date(2026, 5, 12)), *daily(date(2026, 5, 31), first=resumed)]


def test_a_month_with_a_hole_is_not_complete_nor_is_what_looks_back_on_it(tmp_path: Path) -> None:
    store = built(tmp_path, [patient("a")], mended())
    [found] = stale(store, "2026-05")
    assert str(found).startswith("Observation after 2026-05-12: none for 10 days;")
    assert stale(store, "2026-04") == []
    later = replace(store, facts=structs.replace(store.facts, transaction_time="2027-07-15T00:00Z"))
    assert found in stale(later, "2027-05")
    assert found not in stale(later, "2027-06"), "which looks back on a year, until June"


def test_the_days_about_a_hole_may_lack_a_part(tmp_path: Path) -> None:
    again = daily(date(2026, 5, 31), first=date(2026, 5, 21))
    store = built(tmp_path, [patient("a")], daily(date(2026, 4, 30)), again)
    assert stale(store, "2026-04") and not stale(store, "2026-03")


def test_a_person_can_say_that_a_hole_is_right(tmp_path: Path) -> None:
    """Of a clinic that was closed for the holidays nothing is missing."""
    built(tmp_path, [patient("a")], mended())
    assert accept_store(tmp_path) == []
    assert stale(built(tmp_path, [patient("a")], mended()), "2026-05") == []
    accept_store(tmp_path)  # for another reason
    assert stale(open_store(tmp_path), "2026-05") == []


def test_who_accepts_a_hole_has_not_accepted_a_later_one(tmp_path: Path) -> None:
    before = daily(date(2026, 3, 5), first=date(2026, 2, 1))
    again = daily(date(2026, 5, 31), first=date(2026, 3, 21))
    built(tmp_path, [patient("a")], before, again)
    accept_store(tmp_path)
    assert stale(open_store(tmp_path), "2026-05") == []
    later = [
        each for each in again if not "2026-05-12" < each["effectiveDateTime"][:10] < "2026-05-23"
    ]
    [found] = stale(built(tmp_path, [patient("a")], before, later), "2026-05")
    assert found.where == "Observation after 2026-05-12"


def test_a_hole_in_what_did_not_come_whole_is_not_accepted(tmp_path: Path) -> None:
    lost = Finding(Fault.COUNT_MISMATCH, "Observation.ndjson", 1, "Observation")
    files = [patient("a")], mended()
    build_store(pulled(tmp_path / "pull", *files, findings=(lost,)), PLAN, tmp_path)
    [left] = accept_store(tmp_path)
    assert (left.where, left.count) == ("Observation after 2026-05-12", 10)
    assert stale(open_store(tmp_path), "2026-05") == [left]


def test_what_is_brought_later_fills_the_hole(tmp_path: Path) -> None:
    built(tmp_path, [patient("a")], mended())
    after = changed(tmp_path, daily(date(2026, 5, 22), first=date(2026, 5, 13)))
    assert stale(after, "2026-05") == []


def again(folder: Path, day: str, records: list[dict[str, Any]]) -> tuple[Acquisition, Store]:
    """A full pull on a later day, and its store."""
    pull = replace(
        pulled(folder / "pull", [patient("a")], records),
        transaction_time=f"{day}T00:00:00+00:00",
    )
    return pull, build_store(pull, PLAN, folder)


def test_one_that_shows_by_the_days_before_an_earlier_one_is_remembered_with_it(
    tmp_path: Path,
) -> None:
    """A feed that stopped, came back for a few days, and stopped again."""
    first = [
        *daily(date(2026, 1, 10), first=date(2025, 11, 1)),
        *daily(date(2026, 1, 25), first=date(2026, 1, 21)),
    ]
    said = []
    for day in (date(2026, 6, 1), date(2027, 1, 28), date(2027, 7, 15)):
        since = daily(day - timedelta(days=1), first=date(2026, 2, 5))
        _, store = again(tmp_path, str(day), [*first, *since])
        said.append([each.where for each in stale(store, "2026-01")])
    both = ["Observation after 2026-01-10", "Observation after 2026-01-25"]
    assert said == [both] * 3


def test_a_silence_lasts_for_as_long_as_nothing_comes(tmp_path: Path) -> None:
    """Longer than days are counted; and it is one."""
    records = daily(date(2026, 5, 12))
    for day in ("2026-06-01", "2027-06-01", "2027-06-11", "2028-05-20"):
        _, store = again(tmp_path, day, records)
        month = f"{date.fromisoformat(day) - timedelta(days=30):%Y-%m}"
        [found] = stale(store, month)
        assert found.count == (date.fromisoformat(day) - date(2026, 5, 12)).days - 1
    _, store = again(
        tmp_path, "2028-06-20", [*records, *daily(date(2028, 6, 19), date(2028, 5, 21))]
    )
    assert stale(store, "2028-04") and not stale(store, "2029-06")


def test_a_short_silence_that_ends_is_told_no_more(tmp_path: Path) -> None:
    """Four days without any may be chance, once it goes on."""
    records = daily(date(2026, 5, 27))
    assert stale(again(tmp_path, "2026-06-01", records)[1], "2026-05")
    records += daily(date(2026, 6, 9), first=date(2026, 6, 1))
    assert not stale(again(tmp_path, "2026-06-10", records)[1], "2026-05")


def test_a_hole_is_remembered_when_the_days_are_too_old_to_show_it(tmp_path: Path) -> None:
    built(tmp_path, [patient("a")], mended())
    lasting = [*daily(date(2026, 5, 12)), *daily(date(2027, 7, 14), first=date(2026, 5, 23))]
    for _ in range(2):
        pull, store = again(tmp_path, "2027-07-15", lasting)
        assert "2026-05-12" not in store.facts.days["Observation"]
        assert [each.where for each in stale(store, "2026-05")] == ["Observation after 2026-05-12"]
    accept_store(tmp_path)
    assert stale(open_store(tmp_path), "2026-05") == []
    assert stale(build_store(pull, PLAN, tmp_path), "2026-05") == []
