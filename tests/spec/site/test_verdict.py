"""What is found wrong with a pull decides what its numbers are called."""

import pytest

from service.measure.completeness import COMPLETE, Reason, Verdict
from service.site.verdict import REASONS, SENTENCES, Fault, Finding, judge


def test_only_a_pull_without_any_finding_is_complete() -> None:
    assert judge([], records=1000) == COMPLETE


@pytest.mark.parametrize("fault", Fault)
def test_whatever_is_found_makes_it_incomplete_and_says_why(fault: Fault) -> None:
    verdict = judge([Finding(fault, "somewhere")], records=1000)
    assert verdict.verdict is not Verdict.COMPLETE
    assert verdict.reasons == {REASONS[fault]}
    assert str(Finding(fault, "somewhere", 7))  # and there are words for it
    assert fault in SENTENCES


def test_a_refused_type_or_an_empty_export_allows_no_number() -> None:
    for fault in (Fault.TYPE_REFUSED, Fault.NO_PATIENTS):
        assert judge([Finding(fault, "x")], 1000).verdict is Verdict.NOT_COMPUTABLE


def test_a_few_lost_records_are_provisional_and_many_allow_no_number() -> None:
    def verdict(lost: int) -> Verdict:
        halves = [Finding(Fault.UNREADABLE, "a", lost), Finding(Fault.UNKNOWN_PATIENT, "b", lost)]
        return judge(halves, records=1000).verdict

    assert verdict(25) is Verdict.PROVISIONAL  # 5 % in all
    assert verdict(26) is Verdict.NOT_COMPUTABLE


def test_every_reason_is_kept() -> None:
    found = [Finding(Fault.COUNT_MISMATCH, "a", 2), Finding(Fault.UNRESOLVED_REFERENCE, "b", 3)]
    assert judge(found, 100).reasons == {Reason.COUNT_MISMATCH, Reason.UNRESOLVED_REFERENCE}
