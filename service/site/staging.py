"""From the lines of a pull to tables of records, divided by patient.

Each process writes its own tables, tab-separated, one for each division of the patients; shared
resources, which are nobody's, have one of their own. A record is known by the range of a file in
which it was read and by its line there.
"""

import errno
import os
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import IO

import msgspec

from service.site.acquisition import AcquiredFile
from service.site.columns import Columns
from service.site.intake import Intake
from service.site.quarantine import Entry, quoted
from service.site.record_text import Reference
from service.site.row import Read, Row
from service.site.verdict import Fault

BLOCK = 2**17  # bytes that are decoded at once
WAITING = 2**20  # bytes of which the rows are written at once
LONGEST_LINE = 2**28
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
SHARED = -1  # the division of what is nobody's


@dataclass(frozen=True)
class Sizes:
    """How a build is cut up, in bytes of the pull: what one process reads in one go, about what a
    division has, and below what one process reads before others would have started."""

    range: int = 16 * 2**20
    division: int = 60 * 2**20
    alone: int = 32 * 2**20


USUAL = Sizes()


class Range(msgspec.Struct, frozen=True):
    """The lines of a file that begin at or after byte ``start`` and before byte ``end``."""

    number: int
    path: str
    type: str
    start: int
    end: int


class Staged(msgspec.Struct, frozen=True):
    """What was read of a range: how many lines in all, how many with something on them, and how
    many faults of each kind."""

    number: int
    ends: int
    lines: int
    faults: dict[Fault, int]


def ranges(files: Iterable[AcquiredFile], length: int = USUAL.range, first: int = 0) -> list[Range]:
    """The files in ranges of that many bytes, in their order; numbered from ``first``."""
    found: list[Range] = []
    for file in files:
        size = file.path.stat().st_size
        for start in range(0, max(size, 1), length):
            end = min(start + length, size)
            found.append(Range(first + len(found), str(file.path), file.type, start, end))
    return found


def blocks(part: Range) -> Iterator[bytes]:
    """The range in blocks of whole lines."""
    with open(part.path, "rb") as file:
        if part.start:
            file.seek(part.start - 1)
            file.readline()  # a line that begins before the range is the last range's
        elif file.read(len(BYTE_ORDER_MARK)) != BYTE_ORDER_MARK:
            file.seek(0)
        at = file.tell()  # asked once, for it costs as much as reading
        while at < part.end:
            block = file.read(min(BLOCK, part.end - at))
            if not block:
                raise OSError(errno.EIO, "A file of the pull has become shorter")
            if not block.endswith(b"\n"):
                block += file.readline(LONGEST_LINE)
            at += len(block)
            yield block


class Tables:
    """The tables that one process writes in a folder; ``bounds`` divide the patients by id."""

    def __init__(self, folder: Path, process: int, bounds: Sequence[str]) -> None:
        self._folder = folder
        self._process = process
        self._bounds = bounds
        self._records: list[list[str]] = [[] for _ in range(len(bounds) + 2)]
        self._references: list[list[str]] = [[] for _ in range(len(bounds) + 2)]
        self._files: dict[str, IO[bytes]] = {}

    def add(self, part: int, line: int, row: Row) -> None:
        """Keep a record, and what it refers to, for the next `write`."""
        owner = row.patient or ""
        division = bisect_right(self._bounds, owner) if owner else SHARED
        keys = f"{part}\t{line}\t{row.type}\t{row.id}\t{owner}\t{row.updated}\t{row.day}\t"
        self._records[division].append(f"{keys}{row.json.decode()}\n")
        self._refer(division, part, line, row.references)

    def add_columns(self, part: int, line: int, columns: Columns) -> None:
        """The same for records that stood on neighbouring lines from ``line`` on."""
        keys, count = columns.keys, len(columns.lines)
        same = (
            repeat(str(part), count),
            map(str, range(line, line + count)),
            repeat(keys.type, count),
        )
        rows = zip(*same, *keys[1:], columns.lines, strict=True)
        divisions = list(map(partial(bisect_right, self._bounds), keys.patients))
        for division, row in zip(divisions, map("\t".join, rows), strict=True):
            self._records[division].append(row)
        for number, references in enumerate(columns.references):
            self._refer(divisions[number], part, line + number, references)

    def _refer(self, division: int, part: int, line: int, references: Iterable[Reference]) -> None:
        waiting = self._references[division]
        for name, id in sorted(references):
            waiting.append(f"{part}\t{line}\t{name}\t{id}\n")

    def write(self) -> None:
        """Hand what was added to the files."""
        for kind, waiting in (("record", self._records), ("reference", self._references)):
            for division, lines in enumerate(waiting):
                if lines:
                    number = SHARED if division == len(waiting) - 1 else division
                    self._file(f"{kind}-{number}").write("".join(lines).encode())
                    lines.clear()

    def _file(self, name: str) -> IO[bytes]:
        if name not in self._files:
            self._files[name] = private(self._path(name))
        return self._files[name]

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.{self._process}.tsv"

    def flush(self) -> None:
        """All that was added is in the files, for other processes to read."""
        self.write()
        for file in self._files.values():
            file.flush()

    def discard(self) -> None:
        """Remove the files, open or not."""
        for name in self._files:
            self._path(name).unlink(missing_ok=True)

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()


def stage(part: Range, intake: Intake, tables: Tables, folder: Path) -> Staged:
    """Read a range into the tables; what cannot be used is listed in ``aside-<number>.ndjson``."""
    faults: Counter[Fault] = Counter()
    line = lines = waiting = 0
    for block in blocks(part):
        reads = intake.read_lines(block, part.type)
        if isinstance(reads, Columns):
            tables.add_columns(part.number, line, reads)
            count = len(reads.lines)
            lines += count
        else:
            aside = list(_add(reads, part, line, tables))
            if aside:
                _set_aside(aside, block, part, line, folder)
                faults.update(fault for _, fault, _ in aside)
            count = len(reads)
            lines += sum(read is not None for read in reads)
        line += count - (not block.endswith(b"\n"))
        waiting += len(block)
        if waiting > WAITING:
            tables.write()
            waiting = 0
    tables.flush()
    return Staged(part.number, line, lines, dict(faults))


def _add(
    reads: Iterable[Read | None], part: Range, line: int, tables: Tables
) -> Iterator[tuple[int, Fault, bool]]:
    """Keep what was read from ``line`` on; the lines with a fault, with it and whether they are
    kept."""
    for number, read in enumerate(reads):
        if isinstance(read, Row):
            for row in (read, *read.parts):
                tables.add(part.number, line + number, row)
            if read.doubt:
                yield number, read.doubt, True
            if read.type != part.type:
                yield number, Fault.MISPLACED, True
        elif isinstance(read, Fault):
            yield number, read, False


def _set_aside(
    aside: Iterable[tuple[int, Fault, bool]], block: bytes, part: Range, line: int, folder: Path
) -> None:
    texts = block.split(b"\n")
    entries = [
        Entry(part.path, line + at + 1, fault, None if kept else quoted(texts[at]))
        for at, fault, kept in aside
    ]
    _list(folder / f"aside-{part.number}.ndjson", entries)


def _list(path: Path, entries: list[Entry]) -> None:
    with private(path, append=True) as file:
        file.write(b"".join(msgspec.json.encode(entry) + b"\n" for entry in entries))


def private(path: Path, *, append: bool = False) -> IO[bytes]:
    """A file that its owner alone can read; a new one unless ``append``."""
    flags = os.O_APPEND if append else os.O_EXCL
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | flags, 0o600), "ab")
