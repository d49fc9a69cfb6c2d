"""NDJSON files grouped by patient, on disk, so that memory does not grow with the population.

Lines are dealt into bucket files by a hash of their patient; then one bucket after the other is
read and its patients are put together. Records that name no patient (Location, Medication,
Organization...) wait in a small database, see `service.fhir.ownerless`.
"""

from __future__ import annotations

import gzip
import shutil
import tempfile
import zlib
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

import msgspec

from service.cql.record import PatientRecord
from service.fhir.owner import PATIENT, head_of, owners_of
from service.fhir.ownerless import Ownerless, Record

BUCKET_BYTES = 32_000_000  # about as much is in memory at once
MOST_BUCKETS = 200  # open files
GZIP_FACTOR = 10  # how much larger NDJSON is than its gzip
LINES_TOLD = 10_000  # between two signs of progress

_decode = msgspec.json.Decoder(float_hook=Decimal).decode


Places = Callable[[], Mapping[int, str]]


class _Line(NamedTuple):
    """One record of a bucket: its type, the file and line it comes from, its JSON."""

    kind: bytes
    file: int
    number: int
    json: bytes


class Grouping:
    """Collects files of about ``size`` bytes, then gives their patients; `close` leaves no file.

    ``faults`` name by file and line what could not be read or is of a Patient who is not there,
    ``notices`` what is of nobody who is known.
    """

    def __init__(self, size: int) -> None:
        self.faults: list[str] = []
        self.notices: list[str] = []
        self._count = min(MOST_BUCKETS, 1 + size * GZIP_FACTOR // BUCKET_BYTES)
        self._files: list[str] = []
        self._open = ExitStack()
        folder = Path(tempfile.mkdtemp(prefix="weir-"))  # readable by this user alone
        self._open.callback(shutil.rmtree, folder, ignore_errors=True)
        self._buckets: list[IO[bytes]] = [
            self._open.enter_context((folder / str(number)).open("w+b"))
            for number in range(self._count)
        ]
        self._ownerless = Ownerless(folder / "ownerless")
        self._open.callback(self._ownerless.close)

    def close(self) -> None:
        self._open.close()

    def add(self, file: Path, kind: str, name: str, advance: Callable[[int], None]) -> None:
        """Deal out the lines of one file of resources of type ``kind``."""
        self._files.append(name)
        number = 0
        try:
            with _open(file) as lines:
                for number, line in enumerate(lines, 1):
                    if line := line.removeprefix(BOM_UTF8).strip():
                        self._deal(line, kind, number)
                    if number % LINES_TOLD == 0:
                        advance(LINES_TOLD)
        except (OSError, EOFError, zlib.error) as error:
            self.faults.append(f"{name}, after line {number}: {type(error).__name__}")
        advance(number % LINES_TOLD)

    def patients(self) -> Iterator[tuple[str, PatientRecord, Places]]:
        """Each patient with the file and line of its Patient resource, and of all that have one."""
        self._ownerless.complete()
        for bucket in self._buckets:
            bucket.seek(0)
            found: dict[bytes, list[_Line]] = {}
            for line in bucket:
                patient, kind, file, number, json = line.rstrip(b"\n").split(b"\t", 4)
                found.setdefault(patient, []).append(_Line(kind, int(file), int(number), json))
            for patient in sorted(found):
                yield from self._assemble(patient.decode(), found.pop(patient))
        self.notices.extend(self._ownerless.left())

    def _deal(self, line: bytes, kind: str, number: int) -> None:
        try:
            head = msgspec.json.decode(line, type=head_of(kind))
        except (ValueError, RecursionError):
            return self._fault(number, "not a JSON object of its resource type's shape")
        if head.resourceType != kind:
            return self._fault(number, f"not a {kind}")
        owners = [head.id] if kind == "Patient" else owners_of(head, kind)
        if kind == "Patient" and not PATIENT.fullmatch(f"Patient/{head.id}"):
            return self._fault(number, "a Patient without a valid id")
        for owner in owners:
            place = b"%d\t%d" % (len(self._files) - 1, number)
            row = b"\t".join((owner.encode(), kind.encode(), place, line))
            self._buckets[zlib.crc32(owner.encode()) % self._count].write(row + b"\n")
        if not owners:
            record = Record(f"{kind}/{head.id}".encode(), line)
            self._ownerless.add(record, self._files[-1], number)
        return None

    def _fault(self, number: int, what: str) -> None:
        self.faults.append(f"{self._files[-1]}, line {number}: {what}")

    def _assemble(
        self, patient: str, lines: list[_Line]
    ) -> Iterator[tuple[str, PatientRecord, Places]]:
        own = [line for line in lines if line.kind == b"Patient"]
        if len({line.json for line in own}) != 1:
            first = lines[0]
            where = f"{self._files[first.file]}, line {first.number}"
            what = "two different Patients of one id" if own else "of a patient who is not there"
            self.faults.append(f"{where}: {what}")
            return
        where = f"{self._files[own[0].file]}, line {own[0].number}"
        resources: dict[str, list[dict[str, Any]]] = {}
        records: list[Record] = []
        lines = [own[0], *(line for line in lines if line.kind != b"Patient")]
        try:
            for line in lines:
                records.append(_put(line.kind.decode(), line.json, resources))
            for record in self._ownerless.belonging_to(records):
                _put(record.type.decode(), record.json, resources)
        except ValueError:
            self.faults.append(f"{where}: a record of this patient is not valid UTF-8")
            return
        yield where, PatientRecord(patient, resources), partial(self._places, lines, resources)

    def _places(
        self, lines: list[_Line], resources: dict[str, list[dict[str, Any]]]
    ) -> dict[int, str]:
        """The file and line of each resource, by the id of its JSON."""
        of_type = {kind: iter(found) for kind, found in resources.items()}
        return {
            id(next(of_type[line.kind.decode()])): f"{self._files[line.file]}, line {line.number}"
            for line in lines
        }


def _put(kind: str, json: bytes, resources: dict[str, list[dict[str, Any]]]) -> Record:
    """Decode a record into a patient's resources."""
    resource = _decode(json)
    resources.setdefault(kind, []).append(resource)
    return Record(f"{kind}/{resource.get('id')}".encode(), json)


def _open(file: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(file)) if file.suffix == ".gz" else file.open("rb")
