"""Outcomes that are kept from run to run, so that only what changed is evaluated again.

An outcome holds while what is stored of the patient (their fingerprint) and all that decides it is
the same: package, period, time zone, what CQL's Now says, mapping, the strata that are told, and
this program. The file has a line for each patient, in order of id; it stays at the site, readable
by its owner only.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import chain, islice
from pathlib import Path
from typing import IO, Generic, TypeVar

import msgspec
from msgspec import Raw

import service
from service.cql.record import PatientRecord
from service.errors import StoreError
from service.frozen import frozen
from service.measure.package import MeasurePackage
from service.progress import progress
from service.site.evaluation import Count, Exact
from service.site.mapped_store import MappedStore
from service.site.survey import Seen, Survey
from service.site.tally import Moves, Tally, Units, starts, together

FILE = "outcomes.ndjson"
FORMAT = 2
LINES = 1000  # decoded at once
SURVEYS = 10000  # different ones, before they are added up
# The rooms whose code decides an outcome.
ROOMS = ("cql", "fhir", "measure", "site")


class _Head(msgspec.Struct, frozen=True):
    """What the outcomes of a file are of, in their order, and what the survey in it is of; how many
    places each count has."""

    format: int
    counts: list[str]
    widths: list[int]
    survey: str


class _Line(msgspec.Struct, frozen=True, array_like=True):
    """What is kept of one patient: where their units belong in all counts, and a `Seen`."""

    patient: str
    fingerprint: int
    units: Units
    seen: Raw


NO_HEAD = _Head(0, [], [], "")


class _Mark(msgspec.Struct, frozen=True, array_like=True):
    """The beginning of a line: whose it is and as they were when."""

    patient: str
    fingerprint: int


@frozen()
def count_again(
    mapped: MappedStore,
    packages: Iterable[MeasurePackage],
    counts: Sequence[Count],
    mapping_hash: str,
    data_dir: Path,
) -> list[Exact]:
    """The exact results of everybody, of whom only those are read that must be.

    Surveys everybody, too: ``packages`` are those that the store is mapped for, in their order.
    Raises StoreError when the store is damaged or the outcomes cannot be written.
    """
    head = _Head(
        FORMAT,
        [_key(count, mapping_hash) for count in counts],
        [count.width for count in counts],
        _hash(mapping_hash, program_hash(), *(package.hash for package in packages)),
    )
    marks = mapped.fingerprints()
    with _opened(data_dir / FILE) as file:
        stale = _stale(marks, _Kept(file, _mark_decoder), head)
    try:
        with _opened(data_dir / FILE) as file:
            last = _Kept(file, _line_decoder)
            _count(mapped, counts, head, marks, stale, last, data_dir / FILE)
    except OSError as error:
        raise StoreError(
            f"The outcomes cannot be kept ({error.strerror})",
            where=str(data_dir / FILE),
            todo="Check the owner of data_dir and its free space",
        ) from error
    return [count.exact() for count in counts]


L = TypeVar("L", _Mark, _Line)


class _Kept(Generic[L]):
    """The lines of a file in order; none when it is not there or cannot be understood."""

    def __init__(self, file: IO[bytes] | None, decoder: msgspec.json.Decoder[L]) -> None:
        self._file = file
        self._decoder: msgspec.json.Decoder[L] = decoder
        self.head = _read_head(file)
        self._lines: Iterator[tuple[L, bytes]] = self._read()
        self._line: tuple[L, bytes] | None = next(self._lines, None)

    def find(self, patient: str, fingerprint: int) -> tuple[L, bytes] | None:
        """The line of a patient who is as they were; patients are asked for in order."""
        while self._line is not None and self._line[0].patient < patient:
            self._line = next(self._lines, None)
        if self._line is None:
            return None
        line = self._line[0]
        return self._line if (line.patient, line.fingerprint) == (patient, fingerprint) else None

    def _read(self) -> Iterator[tuple[L, bytes]]:
        while self._file and (texts := list(islice(self._file, LINES))):
            try:
                yield from zip(self._decoder.decode_lines(b"".join(texts)), texts, strict=True)
            except (msgspec.DecodeError, ValueError):  # damaged: it is written anew
                return


def _read_head(file: IO[bytes] | None) -> _Head:
    try:
        head = _head.decode(file.readline()) if file else NO_HEAD
    except msgspec.DecodeError:
        return NO_HEAD
    return head if head.format == FORMAT else NO_HEAD


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes] | None]:
    try:
        file = path.open("rb")
    except OSError:
        yield None
        return
    with file:
        yield file


def _stale(marks: Iterable[tuple[str, int]], last: _Kept[_Mark], head: _Head) -> set[str]:
    """The patients whose records must be read."""
    known = set(head.counts) <= set(last.head.counts) and head.survey == last.head.survey
    return {patient for patient, mark in marks if not (last.find(patient, mark) and known)}


def _count(
    mapped: MappedStore,
    counts: Sequence[Count],
    head: _Head,
    marks: Iterable[tuple[str, int]],
    stale: set[str],
    last: _Kept[_Line],
    path: Path,
) -> None:
    """Count everybody, and keep their outcomes in the place of the last ones."""
    again = _Again(mapped, counts, head, last.head)
    tally, surveyed = Tally(counts), _Surveyed(mapped.survey)
    same = head == last.head
    part = path.with_name(f"{path.name}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    records = mapped.some(stale)
    with os.fdopen(descriptor, "wb") as file, progress("Evaluating patients", len(stale)) as told:
        file.write(msgspec.json.encode(head) + b"\n")
        for patient, mark in marks:
            line, text = last.find(patient, mark) or (None, b"")
            if patient in stale:
                line = again.read(next(records), mark, line)
                told(1)
            elif not same:
                assert line is not None  # or it would be stale
                line = msgspec.structs.replace(line, units=together(again.kept(line.units)))
            assert line is not None
            surveyed.add(line.seen)
            tally.add(patient, line.units)
            file.write(text if same and patient not in stale else _encode(line) + b"\n")
    surveyed.settle()
    tally.settle()
    os.replace(part, path)


class _Again:
    """Makes lines of one head, of what holds of the lines of another one and of what is read."""

    def __init__(
        self, mapped: MappedStore, counts: Sequence[Count], head: _Head, last: _Head
    ) -> None:
        self._mapped = mapped
        self._surveyed = head.survey == last.survey
        before = dict(zip(last.counts, starts(last.widths), strict=True))
        now = list(zip(head.counts, starts(head.widths), counts, strict=True))
        self._counts = [(start, count) for _, start, count in now]
        self._new = [(start, count) for key, start, count in now if key not in before]
        self.kept = Moves(
            [(before[key], start, count.width) for key, start, count in now if key in before]
        )

    def read(self, record: PatientRecord, mark: int, line: _Line | None) -> _Line:
        """What is to be kept of a patient: what holds of what was kept, and the rest evaluated."""
        if line is not None and self._surveyed:
            seen = line.seen
        else:
            seen = Raw(_encode(self._mapped.survey.of(record)))
        held = self.kept(line.units) if line else ()
        needed = self._new if line else self._counts
        units = together(chain(held, _units(needed, self._mapped.mapped(record))))
        return _Line(record.id, mark, units, seen)


def _units(counts: Iterable[tuple[int, Count]], record: PatientRecord) -> Iterator[tuple[int, str]]:
    """A patient's units, with the bit of each place, of counts that begin at some place."""
    for start, count in counts:
        for place, unit in count.units(count.outcome(record)):
            yield 1 << start + place, unit


class _Surveyed:
    """Adds up what was seen of patients; many have the same."""

    def __init__(self, survey: Survey) -> None:
        self._survey = survey
        self._times: Counter[bytes] = Counter()

    def add(self, seen: Raw) -> None:
        """Take up what was seen of one patient."""
        self._times[bytes(seen)] += 1
        if len(self._times) >= SURVEYS:
            self.settle()

    def settle(self) -> None:
        """Give the survey all that was added."""
        for text, times in self._times.items():
            self._survey.add(_seen.decode(text), times)
        self._times.clear()


def _key(count: Count, mapping_hash: str) -> str:
    """A hash of all that decides an outcome, but for the patient."""
    evaluator = count.evaluator
    times = (str(evaluator.period), evaluator.zone.key, str(evaluator.now))
    strata = (name for parting in count.partings for name in parting.names)
    return _hash(evaluator.package.hash, *times, mapping_hash, program_hash(), *strata)


@cache
def program_hash() -> str:
    """A hash of this program, as far as it decides outcomes."""
    digest = hashlib.sha256()
    root = Path(service.__file__).parent
    for room in ROOMS:
        for path in sorted((root / room).rglob("*")):
            if path.suffix in (".py", ".json"):
                digest.update(path.read_bytes())
    return digest.hexdigest()


def _hash(*told: str) -> str:
    return hashlib.sha256(msgspec.json.encode(told)).hexdigest()


_head = msgspec.json.Decoder(_Head)
_seen = msgspec.json.Decoder(Seen)
_mark_decoder = msgspec.json.Decoder(_Mark)
_line_decoder = msgspec.json.Decoder(_Line)
_encode = msgspec.json.Encoder().encode
