"""The audit log: who asked for what patient data here, when, and what came of it.

Every operation leaves two entries, `started` before any data are read and its outcome after; an
operation whose start cannot be written is not carried out. Entries go to an append-only table
and to `audit.ndjson`, one JSON object a line, which the host's log shipper may follow and rotate.

An entry holds no patient data. The one patient of a subject report is a keyed pseudonym
(HMAC-SHA-256 with a key that never leaves the site), so that a privacy officer who knows a
patient's id can ask who looked at them, and a thief of the log cannot guess ids.
"""

import hashlib
import hmac
import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from sqlalchemy import Connection, Engine, Table, event
from sqlmodel import Field, Session, col, select

from service.errors import RequestError, StoreError, WeirError
from service.gateway.secret import own_secret
from service.site.database import SiteTable
from service.site.tokens import Caller

KEY = "audit.key"


class AuditEntry(SiteTable, table=True):
    """One line of the audit log; `at` is UTC as ISO 8601 to the millisecond."""

    __tablename__ = "audit_entry"

    id: int | None = Field(default=None, primary_key=True)
    at: str
    operation: str
    action: str
    outcome: str
    token: str | None = None
    label: str | None = None
    measure: str | None = None
    report_type: str | None = None
    period: str | None = None
    subject: str | None = None


@event.listens_for(SiteTable.metadata.tables["audit_entry"], "after_create")
def _forbid_changes(table: Table, connection: Connection, **options: object) -> None:
    for change in ("UPDATE", "DELETE"):
        connection.exec_driver_sql(
            f"CREATE TRIGGER audit_entry_no_{change.lower()} BEFORE {change} ON audit_entry "
            "BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END"
        )


@dataclass(frozen=True)
class Access:
    """What is asked for. Give only values that the site knows, never a request's free text.

    `measure` is a loaded measure's id, `period` the reported period, `subject` a pseudonym.
    """

    action: str
    measure: str | None = None
    report_type: str | None = None
    period: str | None = None
    subject: str | None = None


class AuditLog:
    """Writes and reads the audit log of one site."""

    def __init__(self, engine: Engine, data_dir: Path, key: bytes) -> None:
        self._engine = engine
        self._path = data_dir / "audit.ndjson"
        self._key = key

    def pseudonym(self, patient: str) -> str:
        """The name under which the log knows a patient."""
        return hmac.new(self._key, patient.encode(), hashlib.sha256).hexdigest()

    @contextmanager
    def recorded(self, caller: Caller, access: Access) -> Iterator[None]:
        """Write the start of an operation before its body runs, and its outcome after.

        Raises StoreError, and the body does not run, when the start cannot be written.
        """
        write = self._writer(caller, access)
        write("started")
        try:
            yield
        except BaseException as error:
            write(_outcome(error))
            raise
        write("done")

    def refused(self, access: Access) -> None:
        """Write that someone without a valid token asked."""
        self._writer(None, access)("refused")

    def entries(self, subject: str | None = None) -> Sequence[AuditEntry]:
        """All entries, oldest first; only those of one pseudonym when it is given."""
        query = select(AuditEntry).order_by(col(AuditEntry.id))
        if subject is not None:
            query = query.where(AuditEntry.subject == subject)
        with Session(self._engine) as session:
            return session.exec(query).all()

    def _writer(self, caller: Caller | None, access: Access) -> Callable[[str], None]:
        operation = uuid.uuid4().hex

        def write(outcome: str) -> None:
            entry = AuditEntry(
                operation=operation,
                at=datetime.now(UTC).isoformat(timespec="milliseconds"),
                outcome=outcome,
                token=caller.token if caller else None,
                label=caller.label if caller else None,
                **asdict(access),
            )
            self._append(entry)

        return write

    def _append(self, entry: AuditEntry) -> None:
        """The file's line comes first: a line too many is better than one too few."""
        try:
            with Session(self._engine) as session:
                session.add(entry)
                session.flush()
                _append_line(self._path, entry.model_dump(exclude_none=True))
                session.commit()
        except Exception as error:
            raise StoreError(
                "the audit log cannot be written, so nothing is answered",
                where=str(self._path),
                todo="Check the folder's owner and its free space",
            ) from error


def open_audit_log(engine: Engine, data_dir: Path) -> AuditLog:
    """The audit log of a site, with the site's own key for pseudonyms. Raises StoreError."""
    return AuditLog(engine, data_dir, own_secret(data_dir, KEY))


def _append_line(path: Path, entry: dict[str, object]) -> None:
    """One write to a file opened for appending: lines of several processes do not mix."""
    line = msgspec.json.encode(entry) + b"\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, line)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _outcome(error: BaseException) -> str:
    """A code for what went wrong; never the error's text."""
    if isinstance(error, RequestError):
        return f"refused: {error.code}"
    return f"failed: {type(error).__name__}" if isinstance(error, WeirError) else "failed"
