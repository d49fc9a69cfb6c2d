"""Deliver what may be delivered, however long that takes.

Every attempt is in the ledger before it is made, and what came of it after. A release that the
network does not take for now waits; one that it refuses is marked so and shown. After a crash at
any moment the same bytes are sent again under the same key, and the network stores them once.
"""

import random
import time
from dataclasses import dataclass
from typing import Protocol

import httpx

from service.errors import AuthorizationError, EhrError, StoreError
from service.fhir.outcome import issues
from service.fhir.patience import Patience, retry_after
from service.gateway.consignment import Consignment
from service.gateway.destination import Delivery, Destination, Parcel, decoded
from service.gateway.row import Answered, Outcome

GIVE_UP_AFTER = 3  # releases in a row that nobody takes: the network is not well
BEHIND = 412  # what a network answers to a head that does not go on from those that it knows
LATER = frozenset({408, 425, 429, BEHIND})  # of the 4xx, those that mean "not now"


class LedgerBehindError(StoreError):
    """The network knows of more than the ledger does, so nothing is sent."""

    def __init__(self) -> None:
        super().__init__(
            "the network knows of more than this ledger does, so nothing is sent",
            where="ledger",
            todo="Restore the newest backup of engine and gateway; if there is none, ask the "
            "network's staff to accept a new beginning",
        )


class Sender(Protocol):
    """What `deliver_all` needs of the gateway: whose turn it is, and the two rows around a send."""

    def ready(self) -> list[Consignment]:
        """What may be sent now, in order, one of each measure and period."""

    def announce(self, consignment: Consignment) -> Parcel:
        """Write that it is being sent, and give what is to be sent."""

    def conclude(self, consignment: Consignment, answered: Answered) -> None:
        """Write what came of it."""


def deliver_all(sender: Sender, destination: Destination, patience: Patience) -> None:
    """Send all that may be sent, and try again for as long as patience lasts."""
    for attempt in range(1, patience.attempts + 1):
        asked = _round(sender, destination)
        if not sender.ready() or attempt == patience.attempts or asked > patience.longest:
            return
        # Not all sites at once when a network comes back.
        time.sleep(max(asked, patience.pause(attempt) * random.uniform(0.5, 1.0)))


@dataclass
class _Round:
    """Each subject in a round gets on as far as it can; three failures in a row end the round."""

    failures: int = 0
    asked: float = 0.0  # seconds that the server wants to be left alone


def _round(sender: Sender, destination: Destination) -> float:
    """Try each release whose turn it is: the seconds that a server asks for."""
    so_far = _Round()
    failed: set[tuple[str, str]] = set()
    while so_far.failures < GIVE_UP_AFTER:
        turns = [each for each in sender.ready() if each.subject not in failed]
        if not turns:
            break
        consignment = turns[0]
        answered, asked = _attempt(sender, destination, consignment)
        sender.conclude(consignment, answered)
        if answered.status == BEHIND:
            raise LedgerBehindError
        if answered.outcome in (Outcome.RECEIPT, Outcome.REFUSED):
            so_far.failures = 0
        else:
            failed.add(consignment.subject)
            so_far.failures += 1
            so_far.asked = max(so_far.asked, asked)
    return so_far.asked


def _attempt(
    sender: Sender, destination: Destination, consignment: Consignment
) -> tuple[Answered, float]:
    report = consignment.taken.report
    parcel = sender.announce(consignment)
    try:
        delivery = destination.deliver(parcel)
    except (httpx.RequestError, EhrError) as error:
        status = 401 if isinstance(error, AuthorizationError) else 0
        return Answered(report=report, outcome=Outcome.NO_ANSWER, status=status), 0.0
    return _told(report, delivery), _asked(delivery)


def _told(report: str, delivery: Delivery) -> Answered:
    status = delivery.answer.status_code
    if delivery.receipt:
        return Answered(
            report=report,
            outcome=Outcome.RECEIPT,
            status=status,
            receipt=delivery.receipt,
            signed=delivery.signed,
            checked=delivery.checked,
        )
    outcome = Outcome.LATER
    if delivery.answer.is_success:
        outcome = Outcome.NO_RECEIPT
    elif delivery.answer.is_client_error and status not in LATER:
        outcome = Outcome.REFUSED
    return Answered(report=report, outcome=outcome, status=status, issue=issue_of(delivery.answer))


def issue_of(answer: httpx.Response) -> str:
    """The first issue's code of an OperationOutcome, of FHIR's value set; empty for none."""
    told = decoded(answer)
    if answer.is_success or told.get("resourceType") != "OperationOutcome":
        return ""
    return min(issue.code for issue in issues(told))


def _asked(delivery: Delivery) -> float:
    return retry_after(delivery.answer.headers.get("Retry-After")) or 0.0


def greet(destination: Destination, statement: str) -> None:
    """Show the ledger's head before anything is sent.

    Raises LedgerBehindError when the network knows of more.

    No answer is no harm: what the network thinks of the head it says with the first report, too.
    """
    try:
        answer = destination.greet(statement)
    except httpx.RequestError:
        return
    if answer is not None and answer.status_code == BEHIND:
        raise LedgerBehindError
