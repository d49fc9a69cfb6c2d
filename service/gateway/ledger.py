"""The ledger: everything that leaves the site stands here before it leaves.

One file, `ledger.ndjson`, of one line a row: canonical JSON (RFC 8785) of the row and an Ed25519
signature over the row. Each row holds the hash of the line before it, so that nothing can be
changed or taken out without all that follows changing too. A row is on disk before what it
announces is done. Only the gateway writes it.
"""

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import rfc8785
from joserfc.jwk import OKPKey
from pydantic import ValidationError

from service.errors import StoreError
from service.fhir import signature
from service.gateway.keys import public_x
from service.gateway.row import Event, Line, NewKey, Opened, Row
from service.measure.head import Head
from service.measure.summary import sha256

NAME = "ledger.ndjson"


class Ledger:
    """The rows of one site's ledger, and the only way to add one."""

    def __init__(self, folder: Path, site: str, key: OKPKey) -> None:
        """Open the ledger in ``folder``, or begin it. Raises StoreError when it is damaged."""
        self.path = folder / NAME
        self._key = key
        self._lines = read_lines(self.path, mend=True)
        if not self._lines:
            self.append(Opened(site=site, x=public_x(key)))
        if signing_key(self._lines) != public_x(key):
            raise StoreError(
                "the ledger's key is not the one that signs the ledger",
                where=str(folder),
                todo="Restore ledger and keys together from the backup",
            )

    @property
    def rows(self) -> Sequence[Row]:
        """All rows, the oldest first."""
        return [line.row for line in self._lines]

    @property
    def key(self) -> OKPKey:
        """The private key that signs the next row."""
        return self._key

    @property
    def head(self) -> Head:
        """The last row's number, and the hash of its line."""
        return Head(seq=len(self._lines), hash=sha256(line_bytes(self._lines[-1])))

    def append(self, what: Event, key_after: OKPKey | None = None) -> Row:
        """Add a row and have it on disk before returning. Raises StoreError.

        ``key_after`` signs from the next row on.
        """
        prev = self.head.hash if self._lines else None
        at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        row = Row(seq=len(self._lines) + 1, prev=prev, at=at, what=what)
        signed = signature.sign(canonical(row), self._key, self._key.thumbprint())
        line = Line(row=row, signed=signed)
        _write(self.path, line_bytes(line) + b"\n")
        self._lines.append(line)
        self._key = key_after or self._key
        return row


def read_lines(path: Path, *, mend: bool = False) -> list[Line]:
    """The lines of a ledger whose hashes form a chain; signatures are `verification`'s.

    A last line without its end was never on disk as a whole, and nothing was done on its word:
    with ``mend`` it is cut off. Raises StoreError for anything else that is not as it was written.
    """
    try:
        data = path.read_bytes() if path.exists() else b""
        whole, _, torn = data.rpartition(b"\n")
        if torn and mend:
            _cut(path, len(data) - len(torn))
    except OSError as error:
        raise _unusable(path) from error
    lines: list[Line] = []
    prev: str | None = None
    for number, text in enumerate(whole.splitlines(), 1):
        line = _line(path, number, text)
        if (line.row.seq, line.row.prev) != (number, prev):
            raise _broken(path, number, "does not follow from the row before it")
        lines.append(line)
        prev = sha256(text)
    return lines


def canonical(row: Row) -> bytes:
    """What a row's signature is over."""
    return rfc8785.dumps(row.model_dump(mode="json"))


def line_bytes(line: Line) -> bytes:
    """A line as it stands in the file; its hash is what the next row holds."""
    return rfc8785.dumps(line.model_dump(mode="json"))


def signing_key(lines: Sequence[Line]) -> str:
    """The public key (base64url) that signs the row after these."""
    keys = [line.row.what.x for line in lines if isinstance(line.row.what, Opened | NewKey)]
    return keys[-1]


def handovers(rows: Sequence[Row]) -> list[NewKey]:
    """Each change of the ledger's key, the oldest first."""
    return [row.what for row in rows if isinstance(row.what, NewKey)]


def _line(path: Path, number: int, text: bytes) -> Line:
    try:
        line = Line.model_validate_json(text)
    except ValidationError:
        raise _broken(path, number, "is not a row of a ledger") from None
    if line_bytes(line) != text:
        raise _broken(path, number, "is not written as a ledger writes it")
    if number == 1 and not isinstance(line.row.what, Opened):
        raise _broken(path, number, "is not the beginning of a ledger")
    return line


def _broken(path: Path, number: int, what: str) -> StoreError:
    todo = "Nothing is sent. Keep the file as it is, and restore the ledger from the backup"
    return StoreError(f"row {number} {what}", where=str(path), todo=todo)


def _write(path: Path, data: bytes) -> None:
    """One write at the end, on disk when it returns; the file's name is too, when it is new."""
    try:
        new = not path.exists()
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            if os.write(descriptor, data) != len(data):
                raise OSError("a part was written")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if new:
            fsync_folder(path.parent)
    except OSError as error:
        raise _unusable(path) from error


def fsync_folder(folder: Path) -> None:
    """Have the names in a folder on disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _cut(path: Path, length: int) -> None:
    with path.open("r+b") as file:
        file.truncate(length)
        os.fsync(file.fileno())


def _unusable(path: Path) -> StoreError:
    todo = "Nothing is sent. Check the folder's owner and its free space"
    return StoreError("the ledger cannot be used", where=str(path), todo=todo)
