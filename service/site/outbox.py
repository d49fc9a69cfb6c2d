"""The outbox: what is to be sent, what was sent, and what was refused, kept for ever.

A release is written here before anything is sent, and what came of it after; both survive a crash
and a power cut (see service.site.database). Whatever happens in between, the network knows a
release by its key and stores it once.
"""

from collections.abc import Sequence
from enum import StrEnum
from hashlib import sha256

from sqlalchemy import Engine
from sqlmodel import Field, Session, UniqueConstraint, col, func, select

from service.errors import StoreError
from service.site.database import SiteTable
from service.site.protect import Release


class Status(StrEnum):
    """Where a release stands."""

    QUEUED = "queued"
    SENT = "sent"  # the network has it and gave a receipt
    REFUSED = "refused"  # the network will not have it as it is
    WITHHELD = "withheld"  # a person decided against it, or nobody approved it in time


class Dispatch(SiteTable, table=True):
    """One release and what came of it.

    `number` counts the releases of one measure and period from 1. `body` is exactly what is sent;
    its SHA-256 in hex stands beside it. `note` is the network's receipt, or what was wrong at the
    last attempt in words of this program.
    """

    __table_args__ = (UniqueConstraint("measure", "period", "number"),)

    id: int | None = Field(default=None, primary_key=True)
    key: str = Field(unique=True)
    measure: str
    period: str
    number: int
    content: str
    body: bytes
    sha256: str
    status: Status = Status.QUEUED
    attempts: int = 0
    note: str = ""


class Outbox:
    """The releases of one site to its network."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def current(self, measure: str, period: str) -> str | None:
        """The key of the latest release of a measure (address without version) and period."""
        with Session(self._engine) as session:
            latest = _latest(session, measure, period)
            return latest.key if latest else None

    def enqueue(self, release: Release) -> bool:
        """Keep a release for sending; whether there is anything new to send.

        What says the same as the latest release of its measure and period is not sent again,
        unless that one was refused: then it is offered once more.
        """
        with Session(self._engine) as session, session.begin():
            latest = _latest(session, release.measure, release.period)
            if latest and latest.content == release.content:
                if latest.status is not Status.REFUSED:
                    return False
                latest.status = Status.QUEUED
                session.add(latest)
                return True
            if session.exec(select(Dispatch.id).where(Dispatch.key == release.key)).first():
                raise StoreError(
                    "an earlier release has the same key", where=release.key, todo="Run again"
                )
            session.add(
                Dispatch(
                    key=release.key,
                    measure=release.measure,
                    period=release.period,
                    number=latest.number + 1 if latest else 1,
                    content=release.content,
                    body=release.body,
                    sha256=sha256(release.body).hexdigest(),
                )
            )
            return True

    def queued(self) -> Sequence[Dispatch]:
        """What is to be sent, the oldest first."""
        return self._all(Status.QUEUED)

    def sent(self) -> Sequence[Dispatch]:
        """Everything that has left the site, byte for byte, the oldest first."""
        return self._all(Status.SENT)

    def refused(self) -> Sequence[Dispatch]:
        """What the network will not have and no later release replaces, the oldest first."""
        return [
            each
            for each in self._all(Status.REFUSED)
            if each.key == self.current(each.measure, each.period)
        ]

    def find(self, key: str) -> Dispatch | None:
        """The release with that key."""
        with Session(self._engine) as session:
            return session.exec(select(Dispatch).where(Dispatch.key == key)).first()

    def find_body(self, digest: str) -> Dispatch | None:
        """The release whose bytes have this SHA-256, in hex."""
        with Session(self._engine, expire_on_commit=False) as session:
            return session.exec(select(Dispatch).where(Dispatch.sha256 == digest)).first()

    def count(self) -> int:
        """How many releases were ever made."""
        with Session(self._engine) as session:
            return session.exec(select(func.count()).select_from(Dispatch)).one()

    def withheld(self) -> Sequence[Dispatch]:
        """What people at the site did not let go, the oldest first."""
        return self._all(Status.WITHHELD)

    def record(self, dispatch: Dispatch, status: Status, note: str) -> None:
        """Write down what came of an attempt to send."""
        with Session(self._engine) as session, session.begin():
            row = session.get_one(Dispatch, dispatch.id)
            if row.status is Status.SENT:
                return  # by another process, which has the receipt
            row.status, row.note, row.attempts = status, note, row.attempts + 1
            session.add(row)

    def _all(self, status: Status) -> Sequence[Dispatch]:
        with Session(self._engine, expire_on_commit=False) as session:
            query = select(Dispatch).where(Dispatch.status == status).order_by(col(Dispatch.id))
            return session.exec(query).all()


def _latest(session: Session, measure: str, period: str) -> Dispatch | None:
    return session.exec(
        select(Dispatch)
        .where(Dispatch.measure == measure, Dispatch.period == period)
        .order_by(col(Dispatch.number).desc())
    ).first()
