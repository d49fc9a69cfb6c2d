"""What is known to be wrong with a pull, and what that means for the numbers.

Faults are told apart more finely here than on the wire: how many records and which files stays at
the site, `Completeness` and its reasons travel (see `service.measure.completeness`).
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import sqrt

from service.measure.completeness import COMPLETE, Completeness, Reason, Verdict

# A pull that lost more than this share of its records says nothing about the site.
TOLERATED_SHARE = 0.05


class Fault(StrEnum):
    """One kind of thing that can be wrong with a pull."""

    TYPE_REFUSED = "type-refused"
    EXPORT_ERROR = "export-error"
    COUNT_MISMATCH = "count-mismatch"
    UNFRAMED = "unframed"
    OUTCOME_AMONG_RECORDS = "outcome-among-records"
    UNREADABLE = "unreadable"
    UNKNOWN_TYPE = "unknown-type"
    UNKNOWN_PATIENT = "unknown-patient"
    UNKNOWN_SUCCESSOR = "unknown-successor"
    UNKNOWN_MEMBER = "unknown-member"
    NO_BIRTH_DATE = "no-birth-date"
    NOT_UNDERSTOOD = "not-understood"
    LEADS_NOWHERE = "leads-nowhere"
    MOSTLY_LOST = "mostly-lost"
    MISPLACED = "misplaced"
    UNDECIDED = "undecided"
    NO_PATIENTS = "no-patients"
    COHORT_INCOMPLETE = "cohort-incomplete"
    LEFT_OUT = "left-out"
    VANISHED = "vanished"
    NOTHING_CAME = "nothing-came"
    UNLISTED = "unlisted"
    ENDLESS = "endless"
    CUT_OFF = "cut-off"
    SLICED = "sliced"
    UNRESOLVED_REFERENCE = "unresolved-reference"
    UNMAPPED_CODE = "unmapped-code"
    UNDATED = "undated"
    STALE = "stale"
    EMPTY_MONTH = "empty-month"
    SHRUNK = "shrunk"
    OTHERS = "others"
    UNRECONCILED = "unreconciled"
    WINDOW_OPEN = "window-open"
    EVALUATION_ERROR = "evaluation-error"
    MOSTLY_UNDEFINED = "mostly-undefined"


REASONS: Mapping[Fault, Reason] = {
    Fault.TYPE_REFUSED: Reason.TYPE_REFUSED,
    Fault.EXPORT_ERROR: Reason.MANIFEST_ERROR,
    Fault.COUNT_MISMATCH: Reason.COUNT_MISMATCH,
    Fault.UNFRAMED: Reason.MISSING_DATA,
    Fault.OUTCOME_AMONG_RECORDS: Reason.PAGE_OUTCOME,
    Fault.UNREADABLE: Reason.UNREADABLE_RECORD,
    Fault.UNKNOWN_TYPE: Reason.UNREADABLE_RECORD,
    Fault.UNKNOWN_PATIENT: Reason.MISSING_DATA,
    Fault.UNKNOWN_SUCCESSOR: Reason.UNRESOLVED_REFERENCE,
    Fault.UNKNOWN_MEMBER: Reason.UNRESOLVED_REFERENCE,
    Fault.NO_BIRTH_DATE: Reason.UNREADABLE_RECORD,
    Fault.NOT_UNDERSTOOD: Reason.UNREADABLE_RECORD,
    Fault.LEADS_NOWHERE: Reason.UNRESOLVED_REFERENCE,
    Fault.MOSTLY_LOST: Reason.UNREADABLE_RECORD,
    Fault.MISPLACED: Reason.UNREADABLE_RECORD,
    Fault.UNDECIDED: Reason.UNREADABLE_RECORD,
    Fault.NO_PATIENTS: Reason.MISSING_DATA,
    Fault.COHORT_INCOMPLETE: Reason.MISSING_DATA,
    Fault.LEFT_OUT: Reason.MISSING_DATA,
    Fault.VANISHED: Reason.MISSING_DATA,
    Fault.NOTHING_CAME: Reason.MISSING_DATA,
    Fault.UNLISTED: Reason.MISSING_DATA,
    Fault.ENDLESS: Reason.COUNT_MISMATCH,
    Fault.CUT_OFF: Reason.MISSING_DATA,
    Fault.SLICED: Reason.MISSING_DATA,
    Fault.UNRESOLVED_REFERENCE: Reason.UNRESOLVED_REFERENCE,
    Fault.UNMAPPED_CODE: Reason.UNMAPPED_CODE,
    Fault.UNDATED: Reason.UNREADABLE_RECORD,
    Fault.STALE: Reason.MISSING_DATA,
    Fault.EMPTY_MONTH: Reason.MISSING_DATA,
    Fault.SHRUNK: Reason.MISSING_DATA,
    Fault.OTHERS: Reason.MISSING_DATA,
    Fault.UNRECONCILED: Reason.UNRECONCILED,
    Fault.WINDOW_OPEN: Reason.WINDOW_OPEN,
    Fault.EVALUATION_ERROR: Reason.EVALUATION_ERROR,
    Fault.MOSTLY_UNDEFINED: Reason.EVALUATION_ERROR,
}
SENTENCES: Mapping[Fault, str] = {
    Fault.TYPE_REFUSED: "the EHR does not let this client read {where}",
    Fault.EXPORT_ERROR: "the EHR reports {count} problems with its export in {where}",
    Fault.COUNT_MISMATCH: "{where}: {count} lines more or fewer than the EHR announced",
    Fault.UNFRAMED: "{where} ended with the connection, and nothing tells whether it is all",
    Fault.OUTCOME_AMONG_RECORDS: "{where}: {count} messages of trouble instead of records",
    Fault.UNREADABLE: "{where}: {count} lines are no FHIR resource",
    Fault.UNKNOWN_TYPE: "{where}: {count} resources are of a type that FHIR R4 does not have",
    Fault.UNKNOWN_PATIENT: "{where}: {count} resources are of a patient who did not arrive",
    Fault.UNKNOWN_SUCCESSOR: "{count} patients, or who was put together with them, are not there",
    Fault.UNKNOWN_MEMBER: "{count} patients name others of the group, which cannot be read itself",
    Fault.NO_BIRTH_DATE: "{where}: {count} patients have no birth date",
    Fault.NOT_UNDERSTOOD: "{where}: {count} records may mean something else than is read of them",
    Fault.LEADS_NOWHERE: "{where}: {count} records name what belongs to them, and not which it is",
    Fault.MOSTLY_LOST: "{where}: {count} records are of no use, more than half of them",
    Fault.MISPLACED: "{where}: {count} resources are of another type than the file's",
    Fault.UNDECIDED: "{where}: {count} ids stand for several records, and none is told to be later",
    Fault.NO_PATIENTS: "not one patient arrived",
    Fault.COHORT_INCOMPLETE: "{count} patients of the cohort did not come from {where}",
    Fault.LEFT_OUT: "{where}: {count} records that the EHR has were not in the pull",
    Fault.VANISHED: "{where}: {count} records are there no more, and could not be looked up",
    Fault.NOTHING_CAME: "no {where} came at all, and the EHR does not answer a search for it",
    Fault.UNLISTED: "no {where} came at all, and the EHR does not list it among what it serves",
    Fault.ENDLESS: "{where}: the pages of {count} searches lead in a circle, or nowhere",
    Fault.CUT_OFF: "{where}: {count} searches end with a page after which there may be more",
    Fault.SLICED: "{where} was searched in parts, which may not be all of it",
    Fault.UNRESOLVED_REFERENCE: "{count} referenced resources of type {where} could not be found",
    Fault.UNMAPPED_CODE: "{count} codes in {where} are known to no mapping",
    Fault.UNDATED: "{where}: {count} records of what is over do not say when it was",
    Fault.STALE: "{where}: none for {count} days; if that is right, `weir site accept`",
    Fault.EMPTY_MONTH: "no {where}, where the last month that had any had {count}",
    Fault.SHRUNK: "{where}: {count} fewer than there were; if that is right, `weir site accept`",
    Fault.OTHERS: "{where}: others in the place of {count} %; if that is right, `weir site accept`",
    Fault.UNRECONCILED: "{where} cannot show before the next full pull",
    Fault.WINDOW_OPEN: "records of {where} may still come",
    Fault.EVALUATION_ERROR: "{count} patients have no defined result",
    Fault.MOSTLY_UNDEFINED: "more patients have no defined result than are counted, in {where}",
}
FATAL = frozenset(
    {Fault.TYPE_REFUSED, Fault.NO_PATIENTS, Fault.MOSTLY_LOST, Fault.MOSTLY_UNDEFINED}
)
# Records that are not kept, or that no measure may understand: they count for nothing.
LOSES_RECORDS = frozenset(
    {Fault.UNREADABLE, Fault.UNKNOWN_TYPE, Fault.UNKNOWN_PATIENT, Fault.NOT_UNDERSTOOD}
)
# After which there may be fewer records than the EHR has.
BRINGS_LESS = frozenset(
    {
        Fault.TYPE_REFUSED,
        Fault.EXPORT_ERROR,
        Fault.COUNT_MISMATCH,
        Fault.UNFRAMED,
        Fault.OUTCOME_AMONG_RECORDS,
        Fault.LEFT_OUT,
        Fault.VANISHED,
        Fault.NOTHING_CAME,
        Fault.UNLISTED,
        Fault.ENDLESS,
        Fault.CUT_OFF,
    }
)
# Listed one by one in the quarantine.
QUARANTINED = LOSES_RECORDS | {
    Fault.NO_BIRTH_DATE,
    Fault.LEADS_NOWHERE,
    Fault.MISPLACED,
    Fault.OUTCOME_AMONG_RECORDS,
}


@dataclass(frozen=True, order=True)
class Finding:
    """A fault that was met ``count`` times; ``where`` is a file, a resource type or a path.

    ``type`` is the resource type that it concerns; "" when it may concern any.
    """

    fault: Fault
    where: str
    count: int = 1
    type: str = ""

    def __str__(self) -> str:
        return SENTENCES[self.fault].format(where=self.where, count=self.count)


def concerning(findings: Iterable[Finding], types: Collection[str]) -> list[Finding]:
    """Those that concern one of the resource types, or may."""
    return [finding for finding in findings if not finding.type or finding.type in types]


def mostly_lost(findings: Collection[Finding], arrived: Mapping[str, int]) -> Iterator[Finding]:
    """Types of which more than half, and more than one by chance, is of no use: as little is known
    of them as if they were refused, however few they are among all records.

    Records of patients who did not arrive may be none of the site's, and are not among these.
    Of a pull of everything: after changes, the same record may have been lost more than once.
    """
    lost: Counter[str] = Counter()
    for finding in findings:
        if finding.fault in LOSES_RECORDS - {Fault.UNKNOWN_PATIENT} and finding.type:
            lost[finding.type] += finding.count
    for name, count in sorted(lost.items()):
        if count > arrived.get(name, 0) / 2 and count > sqrt(arrived.get(name, 0)):
            yield Finding(Fault.MOSTLY_LOST, name, count, name)


def added_up(findings: Iterable[Finding]) -> list[Finding]:
    """One finding of a kind, place and type, in order."""
    counts: Counter[tuple[Fault, str, str]] = Counter()
    for each in findings:
        counts[each.fault, each.where, each.type] += each.count
    return sorted(Finding(fault, where, n, of) for (fault, where, of), n in counts.items())


def judge(
    findings: Collection[Finding], records: int, tolerated: float = TOLERATED_SHARE
) -> Completeness:
    """The verdict on ``records`` lines of a pull: complete only if nothing at all was found.

    Not computable when a type was refused or mostly lost, nobody arrived, most results are not
    defined, or more than the tolerated share of the records were lost; provisional otherwise.
    """
    if not findings:
        return COMPLETE
    lost = sum(finding.count for finding in findings if finding.fault in LOSES_RECORDS)
    fatal = any(finding.fault in FATAL for finding in findings)
    verdict = Verdict.NOT_COMPUTABLE if fatal or lost > tolerated * records else Verdict.PROVISIONAL
    return Completeness(verdict, frozenset(REASONS[finding.fault] for finding in findings))
