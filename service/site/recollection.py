"""Outcomes that are kept from run to run, so that only what changed is evaluated again.

An outcome holds while what is stored of the patient (their fingerprint) and all that decides it is
the same: package, period, time zone, mapping, the strata that are told, this program and, where the
logic asks what time it is, the EHR's clock. The file has a line for each patient, in order of id;
it stays at the site, readable by its owner only.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import islice
from pathlib import Path
from typing import IO, Generic, TypeVar

import msgspec

import service
from service.cql.record import PatientRecord
from service.errors import StoreError
from service.measure.package import MeasurePackage
from service.progress import progress
from service.site.evaluation import NOWHERE, Count, Exact, Outcome
from service.site.mapped_store import MappedStore
from service.site.survey import Seen

FILE = "outcomes.ndjson"
FORMAT = 1
LINES = 1000  # decoded at once
# Functions whose value depends on when they are asked: CQL's Now, Today, TimeOfDay, AgeIn.
CLOCK = frozenset({"now", "today", "time_of_day", "calculate_age"})
# The rooms whose code decides an outcome.
ROOMS = ("cql", "fhir", "measure", "site")


class _Head(msgspec.Struct, frozen=True):
    """What the outcomes of a file are of, in their order, and what the survey in it is of."""

    format: int
    counts: list[str]
    survey: str


class _Line(msgspec.Struct, frozen=True, array_like=True):
    """What is kept of one patient; an outcome for each count."""

    patient: str
    fingerprint: int
    outcomes: list[Outcome]
    seen: Seen


NO_HEAD = _Head(0, [], "")


class _Mark(msgspec.Struct, frozen=True, array_like=True):
    """The beginning of a line: whose it is and as they were when."""

    patient: str
    fingerprint: int


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
    slots = {key: number for number, key in enumerate(last.head.counts)}
    places = [slots.get(key) for key in head.counts]
    surveyed = head.survey == last.head.survey
    same = head == last.head
    part = path.with_name(f"{path.name}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    records = mapped.some(stale)
    with os.fdopen(descriptor, "wb") as file, progress("Evaluating patients", len(stale)) as told:
        file.write(msgspec.json.encode(head) + b"\n")
        for patient, mark in marks:
            line, text = last.find(patient, mark) or (None, b"")
            if patient in stale:
                known = line if surveyed else None
                line = _read_again(mapped, counts, places, next(records), mark, line, known)
                told(1)
            elif not same:
                assert line is not None  # or it would be stale
                outcomes = [line.outcomes[place] for place in places if place is not None]
                line = msgspec.structs.replace(line, outcomes=outcomes)
            assert line is not None
            mapped.survey.add(line.seen)
            for count, outcome in zip(counts, line.outcomes, strict=True):
                if outcome != NOWHERE:
                    count.take(patient, outcome)
            file.write(text if same and patient not in stale else _encode(line) + b"\n")
    os.replace(part, path)


def _read_again(
    mapped: MappedStore,
    counts: Sequence[Count],
    places: Sequence[int | None],
    record: PatientRecord,
    mark: int,
    kept: _Line | None,
    surveyed: _Line | None,
) -> _Line:
    """What is to be kept of a patient: what holds of what was kept, and the rest evaluated."""
    seen = surveyed.seen if surveyed else mapped.survey.of(record)
    mapped_record = mapped.mapped(record)
    outcomes = [
        count.outcome(mapped_record) if kept is None or place is None else kept.outcomes[place]
        for count, place in zip(counts, places, strict=True)
    ]
    return _Line(record.id, mark, outcomes, seen)


def _key(count: Count, mapping_hash: str) -> str:
    """A hash of all that decides an outcome, but for the patient."""
    evaluator = count.evaluator
    clock = str(evaluator.now) if asks_the_time(count) else ""
    told = (evaluator.package.hash, str(evaluator.period), evaluator.zone.key, mapping_hash, clock)
    strata = (name for parting in count.partings for name in parting.names)
    return _hash(*told, program_hash(), *strata)


def asks_the_time(count: Count) -> bool:
    """Whether the measure's logic asks what time it is."""
    return any(
        getattr(value, "__name__", "") in CLOCK
        for logic in count.evaluator.package.logics
        for value in logic.program.names.values()
    )


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
_mark_decoder = msgspec.json.Decoder(_Mark)
_line_decoder = msgspec.json.Decoder(_Line)
_encode = msgspec.json.Encoder().encode
