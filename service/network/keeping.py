"""Keeping what was checked: one transaction, in which reports get their number and their reason.

Reports are numbered one transaction at a time, in the order in which they are kept; duplicates are
found there. Deliveries that wait for their turn share one transaction, and so one commit: a commit
is what costs most. Each of them is still kept whole or not at all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, text, tuple_
from sqlmodel import Session, col, select

from service.errors import RequestError
from service.measure.summary import Summary, SummaryGroup, parse
from service.network import restatement
from service.network.archive import COLUMNS, SIDES, number_of
from service.network.delivery import Row
from service.network.submission import Envelope, GroupCounts, Submission

Place = tuple[str, str, str]  # measure, site, period


@dataclass(frozen=True)
class Delivery:
    """Checked reports of one site that are kept all or none, and the Bundle they came in if any.

    ``made`` has a row for the table for each of ``rows``.
    """

    rows: tuple[Row, ...]
    made: tuple[Submission, ...]
    envelope: Envelope | None


@dataclass(frozen=True)
class Receipt:
    """What the site gets for a report; ``new`` is False when the network already had it."""

    receipt: str
    sha256: str
    received: str
    site: str
    release: str
    new: bool

    @property
    def content(self) -> dict[str, str]:
        """What the network signs: the same whenever the same report comes."""
        return {
            "receipt": self.receipt,
            "sha256": self.sha256,
            "received": self.received,
            "site": self.site,
            "release": self.release,
        }


def keep(
    session: Session, deliveries: Sequence[Delivery], now: str
) -> list[list[Receipt] | RequestError]:
    """Keep deliveries that arrive ``now``, and commit: receipts for each, or why it is refused."""
    session.execute(text("UPDATE turn SET taken = taken + 1"))
    known = _known(session, [new for delivery in deliveries for new in delivery.made])
    fresh: list[tuple[Row, Submission]] = []
    answers: list[list[Receipt] | RequestError] = []
    for delivery in deliveries:
        try:
            unseen = _unseen(delivery, known)
        except RequestError as error:
            answers.append(error)
            continue
        _enclose(session, delivery.envelope, unseen)
        known |= {_key(new): new for _, new in unseen}
        is_new = {_key(new) for _, new in unseen}
        found = [known[_key(new)] for new in delivery.made]
        for _, new in unseen:
            new.received = now
        answers.append([_receipt(kept, new=_key(kept) in is_new) for kept in found])
        fresh += unseen
    _add(session, fresh)
    session.commit()
    return answers


def _key(submission: Submission) -> tuple[str, str]:
    return submission.site, submission.release_key


def _place(submission: Submission) -> Place:
    return submission.measure, submission.site, submission.period


def _known(session: Session, made: Sequence[Submission]) -> dict[tuple[str, str], Submission]:
    """The reports that came before, by site and release key."""
    query = select(Submission).where(
        col(Submission.site).in_({new.site for new in made}),
        col(Submission.release_key).in_({new.release_key for new in made}),
    )
    return {_key(found): found for found in session.exec(query)}


def _unseen(
    delivery: Delivery, known: Mapping[tuple[str, str], Submission]
) -> list[tuple[Row, Submission]]:
    """What has not come before; raises RequestError (409) for another report under a known key."""
    found = []
    for row, new in zip(delivery.rows, delivery.made, strict=True):
        kept = known.get(_key(new))
        if kept is None:
            found.append((row, new))
        elif kept.sha256 != new.sha256:
            what = "this key came before with other content"
            where = "Idempotency-Key" if row.where == "MeasureReport" else row.where
            todo = "A changed report has a new key"
            raise RequestError(409, "conflict", what, where=where, todo=todo)
    return found


def _enclose(
    session: Session, envelope: Envelope | None, unseen: Sequence[tuple[Row, Submission]]
) -> None:
    """Keep the Bundle that new reports came in."""
    if envelope is None or not unseen:
        return
    session.add(envelope)
    session.flush()
    for _, new in unseen:
        new.envelope = envelope.id


def _add(session: Session, fresh: Sequence[tuple[Row, Submission]]) -> None:
    """Give the new reports their revision and reason, and add them with their counts."""
    if not fresh:
        return
    earlier = _before(session, [new for _, new in fresh])
    for row, new in fresh:
        revision, body = earlier.get(_place(new), (0, None))
        new.revision = revision + 1
        replaced = parse(body).summary if body is not None else None
        new.reason = restatement.reason(replaced, row.report.summary)
        earlier[_place(new)] = new.revision, new.body
    rows = [new.model_dump(exclude={"id"}) for _, new in fresh]
    # With RETURNING many rows are one statement; without, the driver sends them one by one.
    added = insert(Submission).returning(col(Submission.id), sort_by_parameter_order=True)
    ids = session.scalars(added, rows).all()
    counts = [
        each
        for (row, _), number in zip(fresh, ids, strict=True)
        for each in _counts(number, row.report.summary)
    ]
    if counts:
        session.scalars(insert(GroupCounts).returning(col(GroupCounts.submission)), counts).all()


def _before(session: Session, fresh: Sequence[Submission]) -> dict[Place, tuple[int, bytes | None]]:
    """The revision and the body of the reports that new ones replace."""
    place = tuple_(col(Submission.measure), col(Submission.site), col(Submission.period))
    names = (Submission.measure, Submission.site, Submission.period)
    query = select(*names, Submission.revision, Submission.body)  # type: ignore[call-overload]
    query = query.where(place.in_(sorted({_place(new) for new in fresh})))
    found: dict[Place, tuple[int, bytes | None]] = {}
    for *where, revision, body in session.execute(query.order_by(col(Submission.revision))):
        found[where[0], where[1], where[2]] = revision, body
    return found


def _counts(submission: int | None, summary: Summary) -> list[dict[str, Any]]:
    """The rows of a report's groups."""
    return [
        {
            "submission": submission,
            "position": position,
            "name": group.id,
            **dict.fromkeys(COLUMNS.values()),
            **{COLUMNS[code]: number_of(count) for code, count in group.populations.items()},
            **_sides(group),
        }
        for position, group in enumerate(summary.groups)
    ]


def _sides(group: SummaryGroup) -> dict[str, int | None]:
    """What the site counted above and below the line of the rate."""
    counts = ((side, getattr(group, side)) for side in SIDES)
    return {side: None if count is None else number_of(count) for side, count in counts}


def _receipt(submission: Submission, *, new: bool) -> Receipt:
    return Receipt(
        submission.receipt,
        submission.sha256,
        submission.received,
        submission.site,
        submission.release_key,
        new,
    )
