"""What a pull has done so far: one that was broken off goes on where it stopped.

The log stands beside the files of the pull and is written line by line. A file counts as far as the
log says so: what was written after its last line is cut off, and a file that is shorter than the
log says is fetched again.
"""

import os
import shutil
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO

import msgspec

from service.fhir.bulk import Manifest
from service.site.acquisition import AcquiredFile
from service.site.verdict import Finding

FILE = "log.ndjson"
LONGEST = 24 * 3600.0  # seconds after which a pull is not gone on with: it is of another day


class Started(msgspec.Struct, tag="started", tag_field="what"):
    """What is pulled, as a hash of all that decides it; when, in seconds since 1970."""

    of: str
    at: float


class Exporting(msgspec.Struct, tag="exporting", tag_field="what"):
    """The EHR prepares an export, and tells at ``status_url`` how far it is."""

    status_url: str


class Prepared(msgspec.Struct, tag="prepared", tag_field="what"):
    """The export is ready: its manifest, as JSON."""

    manifest: str


class Closed(msgspec.Struct, tag="closed", tag_field="what"):
    """The EHR was told that its export is no longer needed; what it said was wrong with it."""

    findings: list[Finding]


class Cohort(msgspec.Struct, tag="cohort", tag_field="what"):
    """Who is searched for, all when None; how many more were named and are not there; and the
    EHR's clock before the first search."""

    ids: list[str] | None
    missing: int
    as_of: str


class Fetched(msgspec.Struct, tag="fetched", tag_field="what"):
    """A part of the pull that is whole: its key, and the file that has ``size`` bytes with it."""

    key: str
    file: str
    type: str
    lines: int
    size: int
    findings: list[Finding] = []


Entry = Started | Exporting | Prepared | Closed | Cohort | Fetched
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Entry).decode


class PullLog:
    """The log of the pull in a folder. It may be used from several threads at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: Started | None = None
        self.status_url: str | None = None
        self.manifest: Manifest | None = None
        self.closed: Closed | None = None
        self.cohort: Cohort | None = None
        self.done: dict[str, Fetched] = {}
        self._lock = threading.Lock()

    def note(self, entry: Entry) -> None:
        """Remember an entry, on the disk, too."""
        with self._lock:
            self._apply(entry)
            self._write(entry)

    def add(
        self,
        key: str,
        type_name: str,
        lines: Iterable[bytes],
        found: list[Finding],
        file: str | None = None,
    ) -> None:
        """Put the lines of a part of the pull at the end of a file, its type's by default; once."""
        with self._lock:
            if key in self.done:
                return
            path = self.folder / f"{file or type_name}.ndjson"
            count = 0
            with _private(path) as out:
                for line in lines:
                    out.write(line + b"\n")
                    count += 1
                _settle(out)
                size = out.tell()
            entry = Fetched(key, path.name, type_name, count, size, found)
            self._apply(entry)
            self._write(entry)

    def files(self) -> list[AcquiredFile]:
        """The files of the pull, in the order of their names."""
        found: dict[str, AcquiredFile] = {}
        for each in self.done.values():
            before = found[each.file].lines if each.file in found else 0
            path = self.folder / each.file
            found[each.file] = AcquiredFile(path, each.type, before + each.lines)
        return [found[name] for name in sorted(found)]

    def findings(self) -> list[Finding]:
        """What was wrong with the parts."""
        return [finding for each in self.done.values() for finding in each.findings]

    def _apply(self, entry: Entry) -> None:
        match entry:
            case Started():
                self.started = entry
            case Exporting(status_url):
                self.status_url = status_url
            case Prepared(manifest):
                self.manifest = Manifest.model_validate_json(manifest)
            case Closed():
                self.closed = entry
            case Cohort():
                self.cohort = entry
            case Fetched():
                self.done[entry.key] = entry

    def _write(self, entry: Entry) -> None:
        with _private(self.folder / FILE) as file:
            file.write(_encode(entry) + b"\n")
            _settle(file)

    def read(self) -> None:
        """Take up the log that is there, as far as it is whole and the files are as it says."""
        for line in (self.folder / FILE).read_bytes().split(b"\n"):
            try:
                entry = _decode(line)
            except ValueError:  # the last line, of a process that was killed
                break
            self._apply(entry)
        sizes = {each.file: each.size for each in self.done.values()}
        damaged = {name for name, size in sizes.items() if not _cut(self.folder / name, size)}
        self.done = {key: each for key, each in self.done.items() if each.file not in damaged}
        for path in self.folder.iterdir():
            if path.name in damaged or path.name not in {FILE, *sizes}:
                path.unlink()
        self._rewrite()

    def _rewrite(self) -> None:
        manifest = self.manifest.model_dump_json(by_alias=True) if self.manifest else None
        entries: Sequence[Entry | None] = (
            self.started,
            Exporting(self.status_url) if self.status_url else None,
            Prepared(manifest) if manifest else None,
            self.closed,
            self.cohort,
            *self.done.values(),
        )
        part = self.folder / f"{FILE}.part"
        with _private(part) as file:
            file.writelines(_encode(entry) + b"\n" for entry in entries if entry is not None)
            _settle(file)
        os.replace(part, self.folder / FILE)


def open_log(folder: Path, of: str) -> PullLog:
    """The log of a pull in ``folder``: of the one that is there, when it is of the same things and
    not old, else of a new one. Raises OSError when the folder cannot be written."""
    log = PullLog(folder)
    try:
        log.read()
    except (OSError, ValueError):
        return new_log(folder, of)
    begun = log.started
    if begun is None or begun.of != of or not 0 <= time.time() - begun.at < LONGEST:
        return new_log(folder, of)
    return log


def new_log(folder: Path, of: str) -> PullLog:
    """The log of a new pull in ``folder``, in which there is nothing else."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    log = PullLog(folder)
    log.note(Started(of, time.time()))
    return log


def _cut(path: Path, size: int) -> bool:
    """Cut off what follows; whether so many bytes are there."""
    if not path.exists() or path.stat().st_size < size:
        return False
    os.truncate(path, size)
    return True


def _private(path: Path) -> IO[bytes]:
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    return os.fdopen(os.open(path, flags, 0o600), "ab")


def _settle(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())
