"""What a few patients changed is not told: the number that was released stands."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pytest

from service.disclosure import Policy
from service.measure.completeness import COMPLETE, Completeness, Reason, Verdict
from service.measure.summary import Absent, parse
from service.site.database import open_database
from service.site.history import History, Remembered
from service.site.protect import Outcome
from service.site.resubmission import Held
from tests.releases import POLICY, outcome

OPEN = Completeness(Verdict.PROVISIONAL, frozenset({Reason.WINDOW_OPEN}))
UNRECONCILED = Completeness(Verdict.PROVISIONAL, frozenset({Reason.UNRECONCILED}))
UNMAPPED = Completeness(Verdict.PROVISIONAL, frozenset({Reason.UNMAPPED_CODE}))
BOTH = Completeness(Verdict.PROVISIONAL, UNMAPPED.reasons | UNRECONCILED.reasons)
BROKEN = Completeness(Verdict.NOT_COMPUTABLE, frozenset({Reason.TYPE_REFUSED}))


def said(*outcomes: Outcome) -> list[Remembered]:
    return [each.release.memory for each in outcomes if each.release]


def same_bytes(one: Outcome, other: Outcome) -> bool:
    assert one.release and other.release
    return (one.release.key, one.release.body) == (other.release.key, other.release.body)


def counts(one: Outcome) -> dict[str, object]:
    assert one.release
    (group,) = parse(one.release.body).summary.groups
    return dict(group.populations)


@pytest.mark.parametrize("readmitted", range(21, 31))
def test_up_to_ten_patients_change_nothing_that_is_sent(readmitted: int) -> None:
    first = outcome(counts=(90, 15, 20))
    again = outcome(counts=(90, 15, readmitted), history=said(first))
    assert same_bytes(first, again)
    assert again.held is Held.FEW_CHANGED


def test_eleven_do() -> None:
    first = outcome(counts=(90, 15, 20))
    again = outcome(counts=(90, 15, 31), history=said(first))
    assert again.held is None and not same_bytes(first, again)


def test_patients_are_counted_that_come_and_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many left as came: the count is what it was, and six were swapped for six others."""
    first = outcome(counts=(90, 15, 20))
    swapped = outcome(counts=(90, 21, 20), history=said(first))
    assert swapped.held is None, "those excluded in place of others change both populations"


def test_small_changes_add_up_against_what_was_released() -> None:
    first = outcome(counts=(90, 15, 20))
    second = outcome(counts=(90, 15, 26), history=said(first))
    third = outcome(counts=(90, 15, 32), history=said(first, second))
    assert second.held is Held.FEW_CHANGED
    assert third.held is None


def test_the_calendar_alone_makes_a_provisional_number_final() -> None:
    """The counts that were released are kept, whatever a few patients did since."""
    first = outcome(counts=(90, 15, 20), completeness=OPEN)
    untouched = outcome(counts=(90, 15, 20), history=said(first))
    touched = outcome(counts=(90, 15, 25), history=said(first))
    assert counts(touched) == counts(first)
    assert touched.release and parse(touched.release.body).summary.completeness == COMPLETE
    assert same_bytes(untouched, touched)


def test_nothing_but_the_calendar_does_while_a_few_changed() -> None:
    first = outcome(counts=(90, 15, 20), completeness=UNMAPPED)
    mapped = outcome(counts=(90, 15, 25), history=said(first))
    assert same_bytes(first, mapped)
    assert mapped.held is Held.FEW_CHANGED


def test_a_fault_that_is_found_later_is_told_whatever_a_few_patients_did() -> None:
    """The number stands, but not as complete; and again so when the fault is mended."""
    first = outcome(counts=(90, 15, 20))
    doubted = outcome(counts=(90, 15, 18), completeness=UNMAPPED, history=said(first))
    mended = outcome(counts=(90, 15, 25), history=said(first, doubted))
    assert counts(doubted) == counts(mended) == counts(first)
    assert doubted.release and parse(doubted.release.body).summary.completeness == UNMAPPED
    assert mended.release and parse(mended.release.body).summary.completeness == COMPLETE


def test_nor_is_a_number_called_complete_that_may_be_corrected_no_more() -> None:
    told = [outcome(counts=(90, 15, 20)), outcome(counts=(90, 15, 20))]
    told.append(outcome(counts=(90, 15, 40), history=said(*told)))
    last = outcome(counts=(90, 15, 60), completeness=UNMAPPED, history=said(*told))
    assert last.held is Held.TOO_OFTEN
    assert counts(last) == counts(told[-1])
    assert last.release and parse(last.release.body).summary.completeness == UNMAPPED


def test_the_counts_of_one_version_are_never_told_as_those_of_another() -> None:
    first = outcome(counts=(90, 15, 20), completeness=OPEN)
    (told,) = said(first)
    of_another = dataclasses.replace(told.published, version="0.9.0")
    history = [dataclasses.replace(told, published=of_another)]
    assert same_bytes(first, outcome(counts=(90, 15, 25), history=history))


@pytest.mark.parametrize("changes", [{"rounding": 20}, {"threshold": 60}])
@pytest.mark.parametrize("first_told", [COMPLETE, OPEN])
def test_counts_of_one_policy_are_never_told_under_another(
    changes: dict[str, int], first_told: Completeness
) -> None:
    first = outcome(counts=(90, 15, 20), completeness=first_told)
    policy = POLICY.tightened(**changes)
    later = COMPLETE if first_told is OPEN else UNMAPPED
    stands = outcome(counts=(90, 15, 25), completeness=later, history=said(first), policy=policy)
    assert same_bytes(first, stands)


def test_counts_that_stand_are_told_on_what_they_rested_when_they_were_made() -> None:
    first = outcome(counts=(90, 15, 20))
    doubted = outcome(
        counts=(90, 15, 25),
        completeness=UNMAPPED,
        history=said(first),
        mapping="sha256:" + 64 * "a",
    )
    assert doubted.release and first.release
    then, now = (parse(each.release.body).summary for each in (first, doubted) if each.release)
    assert (now.provenance, now.completeness) == (then.provenance, UNMAPPED)


def test_where_nobody_changed_a_verdict_may() -> None:
    first = outcome(counts=(90, 15, 20), completeness=UNMAPPED)
    mapped = outcome(counts=(90, 15, 20), history=said(first))
    assert counts(mapped) == counts(first)
    assert mapped.release and parse(mapped.release.body).summary.completeness == COMPLETE


def test_a_pull_that_failed_does_not_take_back_a_number_that_was_right() -> None:
    first = outcome()
    failed = outcome(completeness=BROKEN, history=said(first))
    assert same_bytes(first, failed)
    assert failed.held is Held.NOT_COMPUTABLE


def test_after_a_failed_pull_the_first_number_is_told() -> None:
    failed = outcome(completeness=BROKEN)
    assert set(counts(failed).values()) == {Absent.NOT_COMPUTABLE}
    assert counts(outcome(history=said(failed)))["denominator"] == 90


def test_corrections_are_not_endless() -> None:
    told = [outcome(counts=(90, 15, 20))]
    for readmitted in (40, 60):
        told.append(outcome(counts=(90, 15, readmitted), history=said(*told)))
    assert [each.held for each in told] == [None, None, Held.TOO_OFTEN]
    assert same_bytes(told[1], told[2])


PATIENT = POLICY.tightened(min_interval=30)


@pytest.mark.parametrize(
    ("month", "day", "held"),
    [
        ("2026-11", 30, Held.TOO_SOON),
        ("2026-12", 29, Held.TOO_SOON),
        ("2026-12", 30, None),
        ("2027-06", 1, None),
    ],
)
def test_a_period_is_told_anew_after_the_interval_alone(
    month: str, day: int, held: Held | None
) -> None:
    """A release of November can be of its last day: 30 days later it is the 30th of December."""
    first = outcome(counts=(90, 15, 20), policy=PATIENT)
    again = outcome(counts=(90, 15, 40), policy=PATIENT, history=said(first), month=month, day=day)
    assert again.held is held
    assert same_bytes(first, again) is (held is not None)


def test_the_interval_delays_no_first_number_and_no_final_verdict() -> None:
    first = outcome(counts=(90, 15, 20), completeness=OPEN, policy=PATIENT)
    final = outcome(counts=(90, 15, 25), policy=PATIENT, history=said(first))
    assert first.held is None
    assert counts(final) == counts(first)
    assert final.release and parse(final.release.body).summary.completeness == COMPLETE
    failed = outcome(completeness=BROKEN, policy=PATIENT)
    assert counts(outcome(policy=PATIENT, history=said(failed)))["denominator"] == 90


@pytest.mark.parametrize("readmitted", [20, 25, 40])
def test_a_verdict_that_comes_and_goes_puts_off_no_correction(readmitted: int) -> None:
    """Nights are provisional and the weekly full pull is complete, whoever changed meanwhile."""
    told = [outcome(counts=(90, 15, 20), policy=PATIENT)]
    for day in (1, 7, 8, 14, 15, 21, 22, 28, 29):
        verdict = COMPLETE if day % 7 == 0 else UNRECONCILED
        told.append(in_december(day, readmitted, verdict, told))
    assert all(counts(each) == counts(told[0]) for each in told)
    assert not same_bytes(told[0], told[-1]), "the verdict was told with the month of December"
    corrected = in_december(30, 40, UNRECONCILED, told)
    assert corrected.held is None
    assert counts(corrected) != counts(told[0])


def in_december(
    day: int, readmitted: int, completeness: Completeness, told: Sequence[Outcome]
) -> Outcome:
    return outcome(
        counts=(90, 15, readmitted),
        completeness=completeness,
        policy=PATIENT,
        history=said(*told),
        month="2026-12",
        day=day,
    )


def test_the_interval_begins_anew_with_a_correction() -> None:
    told, policy = corrected_in_january()
    for month, held in (("2027-02", Held.TOO_SOON), ("2027-04", None)):
        third = outcome(counts=(90, 15, 60), policy=policy, history=told, month=month)
        assert third.held is held


def test_it_does_too_where_a_correction_reads_the_same() -> None:
    """The same numbers of other patients are told for the first time."""
    (was, now), policy = corrected_in_january()
    reads_the_same = dataclasses.replace(now.published, cells=was.published.cells)
    told = [was, dataclasses.replace(now, published=reads_the_same)]
    third = outcome(counts=(90, 15, 60), policy=policy, history=told, month="2027-02")
    assert third.held is Held.TOO_SOON


def corrected_in_january() -> tuple[list[Remembered], Policy]:
    """Two releases of a period, and a policy that allows a third after an interval."""
    policy = dataclass_copy(PATIENT, max_versions=3)
    first = outcome(counts=(90, 15, 20), policy=policy)
    second = outcome(counts=(90, 15, 40), policy=policy, history=said(first), month="2027-01")
    return said(first, second), policy


@pytest.mark.parametrize("held", [Held.TOO_SOON, Held.TOO_OFTEN])
def test_a_number_that_is_known_to_differ_is_never_called_surer_than_it_was_told(
    held: Held,
) -> None:
    """More doubt is told beside what there was, and never less, until the patients are who they
    were."""
    policy = PATIENT if held is Held.TOO_SOON else POLICY
    told = [outcome(counts=(90, 15, 20), policy=policy)]
    if held is Held.TOO_OFTEN:
        told.append(outcome(counts=(90, 15, 40), policy=policy, history=said(*told)))
    stands, readmitted = told[-1], 40 if held is Held.TOO_SOON else 60
    for now, then in (
        (UNMAPPED, UNMAPPED),
        (COMPLETE, UNMAPPED),
        (UNRECONCILED, BOTH),
        (BOTH, BOTH),
        (UNMAPPED, BOTH),
        (COMPLETE, BOTH),
    ):
        again = outcome(
            counts=(90, 15, readmitted), completeness=now, policy=policy, history=said(*told)
        )
        assert again.held is held
        assert counts(again) == counts(stands)
        assert again.release and parse(again.release.body).summary.completeness == then
        last = told[-1].release
        assert last
        assert same_bytes(told[-1], again) is (parse(last.body).summary.completeness == then)
        told.append(again)
    mended = outcome(counts=(90, 15, readmitted - 15), policy=policy, history=said(*told))
    assert mended.held is Held.FEW_CHANGED
    assert mended.release and parse(mended.release.body).summary.completeness == COMPLETE


def test_a_clock_that_goes_back_shortens_no_interval() -> None:
    first = outcome(counts=(90, 15, 20), policy=PATIENT)
    again = outcome(counts=(90, 15, 40), policy=PATIENT, history=said(first), month="2026-01")
    assert again.held is Held.TOO_SOON


def test_another_network_has_a_history_of_its_own_and_the_site_remembers_both() -> None:
    """Its first release is new to it; what both were told is weighed together."""
    other = dataclass_copy(POLICY, network="other")
    first = outcome(counts=(90, 15, 20))
    second = outcome(counts=(90, 15, 21), history=said(first), policy=other)
    assert second.held is None
    assert second.release and second.release.memory.published.network == "other"


def dataclass_copy(policy: Policy, **changes: object) -> Policy:
    return policy.model_copy(update=changes)


def test_the_history_survives_and_holds_no_name(tmp_path: Path) -> None:
    first = said(outcome())
    History(open_database(tmp_path)).append(first[0])
    kept: Sequence[Remembered] = History(open_database(tmp_path)).all()
    assert [dataclasses.replace(each) for each in kept] == first
    files = b"".join(path.read_bytes() for path in tmp_path.glob("site.db*"))
    assert b"patient-" not in files and b"stay-" not in files
    again = outcome(counts=(90, 15, 22), history=kept)
    assert again.held is Held.FEW_CHANGED
