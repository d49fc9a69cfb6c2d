"""Where each release stands, told from the ledger's rows alone."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from service.gateway.config import ApprovalConfig
from service.gateway.row import (
    Answered,
    Approved,
    Declined,
    Event,
    Expired,
    Outcome,
    Row,
    Sending,
    Taken,
)
from service.gateway.spool import Fate


@dataclass
class Consignment:
    """One release at the gateway: the row by which it was taken, and what happened since."""

    taken: Taken
    since: datetime
    approvers: list[str] = field(default_factory=list)
    attempts: int = 0
    last: Answered | None = None
    ended: Fate | None = None

    @property
    def subject(self) -> tuple[str, str]:
        """The measure (without its version) and period, of which releases go out in order."""
        return self.taken.measure.partition("|")[0], self.taken.period

    def fate(self, approval: ApprovalConfig) -> Fate:
        """Where it stands."""
        if self.ended is not None:
            return self.ended
        return Fate.HELD if len(self.approvers) < approval.persons else Fate.WAITING

    def expires(self, approval: ApprovalConfig) -> datetime:
        """When the proposal ends unless it is approved."""
        return self.since + timedelta(days=approval.expires_days)


class Consignments:
    """All releases ever taken, by the hash of their bytes, in the order of the ledger."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self.by_report: dict[str, Consignment] = {}
        self.by_release: dict[str, Consignment] = {}
        for row in rows:
            self.note(row)

    def note(self, row: Row) -> None:
        """Take a row of the ledger into account."""
        what = row.what
        if isinstance(what, Taken) and what.report in self.by_report:
            known = self.by_report[what.report]  # signed anew with another key
            known.taken, known.ended = what, None
        elif isinstance(what, Taken):
            made = Consignment(what, _moment(row.at))
            self.by_report[what.report] = self.by_release[what.release] = made
        elif isinstance(what, Approved | Declined | Expired | Sending | Answered):
            _change(self.by_report[what.report], what)

    def open(self) -> list[Consignment]:
        """Those about which something is still to be done, the oldest first."""
        return [each for each in self.by_report.values() if each.ended is None]

    def first_of_each(self) -> list[Consignment]:
        """The open ones whose turn it is: a newer number never goes before an older one."""
        turns: dict[tuple[str, str], Consignment] = {}
        for each in self.open():
            turns.setdefault(each.subject, each)
        return list(turns.values())


def _change(consignment: Consignment, what: Event) -> None:
    match what:
        case Approved():
            if what.approver not in consignment.approvers:
                consignment.approvers.append(what.approver)
            if consignment.ended is Fate.EXPIRED:
                consignment.ended = None  # late, and yet
        case Declined():
            consignment.ended = Fate.DECLINED
        case Expired():
            consignment.ended = Fate.EXPIRED
        case Sending():
            consignment.attempts += 1
            consignment.ended = None  # offered again after a refusal
        case Answered():
            consignment.last = what
            ends = {Outcome.RECEIPT: Fate.SENT, Outcome.REFUSED: Fate.REFUSED}
            consignment.ended = ends.get(what.outcome)


def _moment(at: str) -> datetime:
    return datetime.strptime(at, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
