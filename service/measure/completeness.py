"""How far a result can be trusted: a verdict with reasons from a fixed list.

Both travel with a report; the counts behind a reason stay at the site, since they are not
protected.
"""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """What may be said of a measure's result for one period."""

    COMPLETE = "complete"
    PROVISIONAL = "provisional"  # counted, but data are known to be missing or still to come
    NOT_COMPUTABLE = "not-computable"  # no count is given


class Reason(StrEnum):
    """Why a verdict is not `complete`."""

    TYPE_REFUSED = "type-refused"  # the EHR did not grant or export a type that is needed
    MANIFEST_ERROR = "manifest-error"  # the export's manifest lists errors
    COUNT_MISMATCH = "count-mismatch"  # fewer or more records arrived than were announced
    PAGE_OUTCOME = "page-outcome"  # an OperationOutcome stood among the records
    UNREADABLE_RECORD = "unreadable-record"  # a record is not what it should be
    UNRESOLVED_REFERENCE = "unresolved-reference"  # a referenced resource could not be fetched
    UNMAPPED_CODE = "unmapped-code"  # local codes that no mapping knows
    MISSING_DATA = "missing-data"  # nothing arrived where something was expected
    UNRECONCILED = "unreconciled"  # changes were pulled, and not all kinds of change show in that
    WINDOW_OPEN = "window-open"  # late records for the period may still arrive
    EVALUATION_ERROR = "evaluation-error"  # the logic has no defined result for a patient
    MEASURE_ERROR = "measure-error"  # the measure package cannot be used
    WITHDRAWN = "withdrawn"  # the site took back a number that it knows to be wrong


@dataclass(frozen=True)
class Completeness:
    """A verdict and its reasons; only `complete` has none."""

    verdict: Verdict
    reasons: frozenset[Reason] = frozenset()

    def __post_init__(self) -> None:
        if (self.verdict is Verdict.COMPLETE) is bool(self.reasons):
            raise ValueError("a verdict other than complete has reasons, and complete has none")


COMPLETE = Completeness(Verdict.COMPLETE)
