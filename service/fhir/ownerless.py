"""Records that name no patient, and the patients to whose records they belong.

Organizations, Locations and Medications are nobody's: a patient's record has those that it refers
to, and those that these refer to in turn. A Task or an Encounter is somebody's even if it does not
say whose: it also belongs to the patient one of whose records it refers to.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from service.fhir.compartment import patient_link

_REFERENCE = re.compile(
    rb'"reference"\s*:\s*"(?:[^"\\]*/)?([A-Z][A-Za-z]+/[A-Za-z0-9.\-]{1,64})(?:/_history/[^"]*)?"'
)
TABLES = """
    PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;
    CREATE TABLE record
        (id INTEGER PRIMARY KEY, key BLOB, file TEXT, line INTEGER, json BLOB, used);
    CREATE TABLE pointer (target BLOB, record INTEGER);
    BEGIN
"""
INDEXES = """
    CREATE INDEX IF NOT EXISTS by_key ON record (key);
    CREATE INDEX IF NOT EXISTS by_target ON pointer (target);
"""


class Record(NamedTuple):
    """A record as it was read, and its "Type/id"."""

    key: bytes
    json: bytes

    @property
    def type(self) -> bytes:
        return self.key.partition(b"/")[0]


class Ownerless:
    """Keeps records in a database file until a patient's record asks for them."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.executescript(TABLES)
        self._types: set[bytes] = set()  # of the records here
        self._targets: set[bytes] = set()  # types that they refer to

    def close(self) -> None:
        self._database.close()

    def add(self, record: Record, file: str, line: int) -> None:
        """Keep a record that stands on a line of a file."""
        self._types.add(record.type)
        row = self._database.execute(
            "INSERT INTO record (key, file, line, json) VALUES (?, ?, ?, ?)",
            (record.key, file, line, record.json),
        ).lastrowid
        if _is_somebodys(record.type):
            targets = set(_REFERENCE.findall(record.json))
            self._targets |= {target.partition(b"/")[0] for target in targets}
            self._database.executemany(
                "INSERT INTO pointer VALUES (?, ?)", [(target, row) for target in targets]
            )

    def complete(self) -> None:
        """All records have been added."""
        self._database.executescript(INDEXES)

    def belonging_to(self, records: Iterable[Record]) -> Iterator[Record]:
        """The kept records that belong to a patient's record, each once."""
        waiting = list(records) if self._types else []
        seen: set[int] = set()
        while waiting:
            for row, key, json in self._near(waiting.pop()):
                if row not in seen:
                    seen.add(row)
                    waiting.append(Record(key, json))
                    yield waiting[-1]
        self._database.executemany(
            "UPDATE record SET used = 1 WHERE id = ?", [(row,) for row in seen]
        )

    def _near(self, record: Record) -> Iterator[tuple[int, bytes, bytes]]:
        """The records that this one refers to, and those of somebody that refer to it."""
        columns = "SELECT record.id, key, json FROM record"
        for key in _REFERENCE.findall(record.json):
            if key.partition(b"/")[0] in self._types:
                yield from self._database.execute(f"{columns} WHERE key = ?", (key,))
        if record.type in self._targets and _is_somebodys(record.type):
            yield from self._database.execute(
                f"{columns} JOIN pointer ON pointer.record = record.id WHERE target = ?",
                (record.key,),
            )

    def left(self) -> Iterator[str]:
        """Where records are that are somebody's and that were found to be nobody's, by file."""
        rows = self._database.execute(
            "SELECT file, min(line), count(*), min(key) FROM record"
            " WHERE used IS NULL GROUP BY file ORDER BY file"
        )
        for file, line, count, key in rows:
            if _is_somebodys(key.partition(b"/")[0]):
                yield f"{file}: left out, {count} records of no known patient, first on line {line}"


def _is_somebodys(kind: bytes) -> bool:
    """Whether resources of that type should name a patient."""
    return kind == b"Patient" or patient_link(kind.decode()) is not None
