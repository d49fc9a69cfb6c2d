"""An EHR that sends less than it did is not believed before a person says that it is right."""

from collections.abc import Iterable
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from service.measure.completeness import COMPLETE, Reason, Verdict
from service.measure.package import load_package
from service.measure.period import Period
from service.site.building import build_store
from service.site.expectation import Expected, renewed, shortfalls
from service.site.forgetting import forget_all
from service.site.judging import Judge, looking_back, months_of
from service.site.mapping import NO_MAPPING
from service.site.needs import needs_of
from service.site.placing import accept_store
from service.site.store import Store, open_store
from service.site.survey import Survey
from service.site.verdict import Fault, Finding
from tests.spec.site.test_store import (
    PLAN,
    built,
    faults,
    observation,
    patient,
    place,
    pulled,
    stay,
)

DREAMING = load_package(Path(__file__).parents[3] / "measures" / "dreaming")


def cohort(size: int) -> list[dict[str, object]]:
    return [patient(f"p{n:03}") for n in range(size)]


def seen(size: int, of: int) -> list[dict[str, object]]:
    return [observation(f"o{n:03}", f"p{n % of:03}") for n in range(size)]


def pull(folder: Path, patients: int, observations: int) -> Store:
    return built(folder, cohort(patients), seen(observations, patients))


def test_a_group_that_shrank_suddenly_is_not_complete(tmp_path: Path) -> None:
    assert pull(tmp_path, 40, 40).completeness() == COMPLETE
    shrunk = pull(tmp_path, 12, 40)
    assert faults(shrunk)[Fault.SHRUNK, "patients"] == 28
    assert shrunk.completeness().reasons == {Reason.MISSING_DATA}


def test_a_type_that_vanished_and_a_file_that_was_cut_are_not_complete(tmp_path: Path) -> None:
    pull(tmp_path, 40, 40)
    assert faults(pull(tmp_path, 40, 25)) == {(Fault.SHRUNK, "Observation"): 15}
    assert faults(built(tmp_path, cohort(40))) == {(Fault.SHRUNK, "Observation"): 40}


def test_what_was_lost_stays_lost_until_it_is_there_again(tmp_path: Path) -> None:
    pull(tmp_path, 40, 40)
    for _ in range(3):
        assert pull(tmp_path, 12, 40).completeness() != COMPLETE
    assert pull(tmp_path, 39, 40).completeness() == COMPLETE


def test_a_person_can_say_that_less_is_right(tmp_path: Path) -> None:
    pull(tmp_path, 40, 40)
    pull(tmp_path, 12, 40)
    accept_store(tmp_path)
    assert open_store(tmp_path).completeness() == COMPLETE
    assert pull(tmp_path, 12, 40).completeness() == COMPLETE


def test_what_did_not_come_whole_is_not_taken_for_all_there_is(tmp_path: Path) -> None:
    """The group became smaller, and that is right; of the same night's Observations many are
    missing, and the EHR says so."""
    pull(tmp_path, 40, 200)
    lost = Finding(Fault.COUNT_MISMATCH, "Observation.ndjson", 160, "Observation")
    pulled_now = pulled(tmp_path / "pull", cohort(20), seen(40, 20), findings=(lost,))
    build_store(pulled_now, PLAN, tmp_path)
    [left] = accept_store(tmp_path)
    assert (left.fault, left.where) == (Fault.SHRUNK, "Observation")
    assert faults(open_store(tmp_path)).keys() == {
        (Fault.COUNT_MISMATCH, "Observation.ndjson"),
        (Fault.SHRUNK, "Observation"),
    }
    assert faults(pull(tmp_path, 20, 44)).keys() == {(Fault.SHRUNK, "Observation")}


@pytest.mark.parametrize("now", [100, 95, 90, 300])
def test_corrections_are_no_loss(now: int) -> None:
    last = Expected(100, {"Observation": 100})
    there = Expected(now, {"Observation": now})
    assert list(shortfalls(last, there, {"Observation"})) == []
    assert renewed(last, there, {"Observation"}) == there


def test_a_type_that_no_measure_needs_any_more_is_not_missed_and_not_forgotten() -> None:
    """A measure that is taken out for one night must not take along what is known of its data."""
    last = Expected(10, {"Observation": 100}, {"Observation": {"2026-01": 50}})
    without = renewed(last, Expected(10), {"Patient"})
    assert list(shortfalls(without, Expected(10), {"Patient"})) == []
    again = renewed(without, Expected(10, {"Observation": 60}), {"Patient", "Observation"})
    assert again.resources == {"Observation": 100}
    assert again.months == {"Observation": {"2026-01": 50}}


@pytest.mark.parametrize("loss", ["forgotten", "damaged", "of another version"])
def test_what_was_there_is_remembered_without_the_store(tmp_path: Path, loss: str) -> None:
    pull(tmp_path, 40, 40)
    stored = tmp_path / "store.json"
    if loss == "forgotten":
        forget_all(tmp_path)
    elif loss == "damaged":
        stored.write_text("{")
    else:
        stored.write_text(stored.read_text().replace('"format":', '"format":1'))
    assert faults(pull(tmp_path, 12, 40))[Fault.SHRUNK, "patients"] == 28


# The same patients


def crowd(folder: Path, first: int, size: int = 40) -> dict[tuple[Fault, str], int]:
    return faults(built(folder, cohort(first + size)[first:]))


@pytest.mark.parametrize("gone", [0, 1, 13, 20])
def test_patients_come_and_go(tmp_path: Path, gone: int) -> None:
    """A third of those who were operated on in three months, from one month to the next."""
    for night in range(3):
        assert crowd(tmp_path, gone * night) == {}


def test_a_group_of_other_patients_is_noticed_though_it_is_as_large(tmp_path: Path) -> None:
    """As after its number was given to another group."""
    crowd(tmp_path, 0)
    assert crowd(tmp_path, 30) == {(Fault.OTHERS, "the group"): 75}
    assert crowd(tmp_path, 31) == {(Fault.OTHERS, "the group"): 78}, "until somebody accepts it"
    accept_store(tmp_path)
    assert crowd(tmp_path, 32) == {}


def test_when_the_first_are_there_again_nothing_need_be_accepted(tmp_path: Path) -> None:
    crowd(tmp_path, 0)
    assert crowd(tmp_path, 100) == {(Fault.OTHERS, "the group"): 100}
    assert crowd(tmp_path, 1) == {}


@pytest.mark.parametrize("broken", [0, 3])
def test_a_broken_pull_between_does_not_let_anybody_in(tmp_path: Path, broken: int) -> None:
    crowd(tmp_path, 0)
    assert (Fault.SHRUNK, "patients") in crowd(tmp_path, 0, size=broken)
    assert crowd(tmp_path, 50) == {(Fault.OTHERS, "the group"): 100}
    assert crowd(tmp_path, 0) == {}


def test_who_was_put_together_with_another_has_not_left(tmp_path: Path) -> None:
    crowd(tmp_path, 0)
    links = [{"other": {"reference": "Patient/p039"}, "type": "replaced-by"}]
    merged = [each | {"link": links} for each in cohort(20)]
    store = built(tmp_path, merged, cohort(40)[20:])
    assert faults(store).keys() == {(Fault.SHRUNK, "patients"), (Fault.SHRUNK, "Patient")}


# A month of it


def dated(month: str, count: int, of: int = 40) -> list[dict[str, object]]:
    return [
        one | {"id": f"{month}-{one['id']}", "effectiveDateTime": f"{month}-05T12:00:00Z"}
        for one in seen(count, of)
    ]


def months(folder: Path, counts: Iterable[tuple[str, int]]) -> Store:
    return built(folder, cohort(40), [one for month, n in counts for one in dated(month, n)])


def findings(store: Store, period: str) -> list[Finding]:
    """What stands against a measure in a period that looks for Observations."""
    survey = Survey(NO_MAPPING, [needs_of(DREAMING)])
    judge = Judge(store.facts, survey, ZoneInfo("UTC"))
    judged = judge.on(DREAMING, Period.parse(period))
    verdict = judged.completeness.verdict
    assert (verdict is Verdict.COMPLETE) is not bool(judged.findings)
    return list(judged.findings)


def test_a_month_that_was_lost_counts_against_its_period_and_those_that_look_back_on_it(
    tmp_path: Path,
) -> None:
    many = [(f"2025-{n:02}", 400) for n in range(1, 13)]
    whole = [*many, ("2026-01", 40), ("2026-02", 40)]
    months(tmp_path, whole)
    lost = months(tmp_path, [*many, ("2026-01", 4), ("2026-02", 40)])
    told = Finding(Fault.SHRUNK, "Observation in 2026-01", 36, "Observation")
    assert findings(lost, "2026-01") == [told]
    assert findings(lost, "2026-02") == [told]
    assert findings(lost, "2025-12") == []
    assert findings(months(tmp_path, whole), "2026-01") == []


@pytest.mark.full
def test_a_month_that_dwindles_is_noticed_however_slowly(tmp_path: Path) -> None:
    """A few per cent less each night: never much less than the night before."""
    for count in (400, 388, 380):  # a twentieth is corrections
        store = months(tmp_path, [("2026-01", count), ("2026-02", 400)])
        assert findings(store, "2026-01") == []
    store = months(tmp_path, [("2026-01", 370), ("2026-02", 400)])
    assert findings(store, "2026-01") == [
        Finding(Fault.SHRUNK, "Observation in 2026-01", 30, "Observation")
    ]
    assert findings(store, "2026-02") == []  # who leaves a cohort takes the past along
    accept_store(tmp_path)
    assert findings(open_store(tmp_path), "2026-01") == []
    store = months(tmp_path, [("2026-01", 360), ("2026-02", 400)])
    assert findings(store, "2026-01") == []


def test_a_type_of_which_most_is_of_no_use_is_as_if_it_were_refused(tmp_path: Path) -> None:
    """However few they are among all records."""

    def verdict(broken: int) -> Verdict:
        stays = [stay(id, "p000", "bed") for id in "abc"]
        lost = [{"resourceType": "Encounter"}] * broken
        store = built(tmp_path, cohort(40), dated("2026-01", 400), [*stays, *lost], [place("bed")])
        judge = Judge(store.facts, Survey(NO_MAPPING, [needs_of(DREAMING)]), ZoneInfo("UTC"))
        return judge.on(DREAMING, Period.parse("2026-02")).completeness.verdict

    assert [verdict(broken) for broken in (3, 4)] == [Verdict.PROVISIONAL, Verdict.NOT_COMPUTABLE]


@pytest.mark.parametrize(
    ("failed", "counted", "verdict"),
    [(0, 0, Verdict.COMPLETE), (5, 5, Verdict.PROVISIONAL), (6, 5, Verdict.NOT_COMPUTABLE)],
)
def test_where_more_results_are_undefined_than_defined_none_is_told(
    tmp_path: Path, failed: int, counted: int, verdict: Verdict
) -> None:
    """Nobody counted would look like zero."""
    facts = months(tmp_path, [("2026-01", 400)]).facts
    judge = Judge(facts, Survey(NO_MAPPING, [needs_of(DREAMING)]), ZoneInfo("UTC"))
    judged = judge.on(DREAMING, Period.parse("2026-01"), failed, counted)
    assert judged.completeness.verdict is verdict


def test_a_measure_looks_back_a_year_at_least() -> None:
    period = Period.parse("2026-02")
    assert looking_back(DREAMING, period) == Period(date(2025, 2, 1), date(2026, 2, 28))


def test_a_month_is_over_by_the_sites_clock(tmp_path: Path) -> None:
    """In Sydney it is June ten hours earlier than by the EHR's clock, which is UTC's."""
    months(tmp_path, [("2026-05", 400)])
    facts = replace(months(tmp_path, [("2026-05", 4)]).facts, transaction_time="2026-05-31T21:00Z")
    for zone, last in (("UTC", "2026-04"), ("Australia/Sydney", "2026-05")):
        judge = Judge(facts, Survey(NO_MAPPING, [needs_of(DREAMING)]), ZoneInfo(zone))
        *_, found = months_of(Period.parse("2026-01/2026-12"), judge.as_of)
        assert found == last
    told = Finding(Fault.SHRUNK, "Observation in 2026-05", 396, "Observation")
    assert told in judge.on(DREAMING, Period.month("2026-05")).findings


def test_months_are_those_that_are_over(tmp_path: Path) -> None:
    as_of = Judge(months(tmp_path, []).facts, Survey(NO_MAPPING, []), ZoneInfo("UTC")).as_of
    assert list(months_of(Period.parse("2026-04/2026-12"), as_of)) == ["2026-04", "2026-05"]
