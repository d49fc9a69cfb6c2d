"""The local store: what the measures need of every patient, in Parquet files ordered by patient.

The files are never changed. New ones are built beside them and take their place when ``store.json``
is replaced, which names them and says what is known of the pull (see `building` and `placing`):
whoever reads finds the old store or the new one, whole. Columns: patient, fingerprint (of type, id
and json), type, id, day (or month, when it was), shared (it is nobody's own) and json. All files
are readable by their owner only.
"""

import heapq
import os
import weakref
from collections.abc import Callable, Collection, Container, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain, groupby
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from service.cql.record import PatientRecord
from service.errors import StoreError
from service.measure.completeness import Completeness
from service.site.expectation import Expected
from service.site.plan import AcquisitionPlan
from service.site.population import Replacement
from service.site.verdict import Finding, judge

FILE = "store.json"
FOLDER = "store"
OLDEST = "store.parquet"  # all of a store of the first format
FORMAT = 5  # of the store; another number is not read
ROWS = 2048  # read at a time
FEW = 2000  # patients, to be looked for one by one
TRIES = 10  # to open the files of one store while others take its place
# Nothing is spilled, cached, installed or fetched.
READING: Mapping[str, Any] = {
    "memory_limit": "512MB",
    "temp_directory": "",
    "enable_external_file_cache": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}
TODO = "Run `weir site run` to build it"


class Facts(msgspec.Struct, frozen=True):
    """What is known of the pull that the store was built from.

    ``lines`` counts what the EHR sent, ``arrived`` the same by the type of the files; ``resources``
    is what is stored, by type, ``months`` the same by type and month, and ``days`` by type and day,
    as far back as `staleness` looks; ``elements`` is the plan's.
    ``expected`` is what there should be, after what earlier pulls brought. ``aliases`` are patients
    whom others replace, by what ``links`` say of that. ``absent`` are patients who did not come and
    whose records did, and were set aside. ``reconciled`` is the transaction time of the last pull
    of everything; ``source`` changes with what is pulled from where.
    ``members`` is a sample of who should be there (see `turnover`).
    ``transaction_time`` is when the EHR looked (see `Acquisition`). ``size`` is how many bytes the
    last pull of everything had; 0 where that was not noted.
    """

    format: int
    transaction_time: str
    lines: int
    patients: int
    resources: dict[str, int]
    elements: dict[str, list[str]]
    findings: list[Finding]
    arrived: dict[str, int] = {}
    months: dict[str, dict[str, int]] = {}
    days: dict[str, dict[str, int]] = {}
    expected: Expected = Expected()
    aliases: dict[str, str] = {}
    links: list[Replacement] = []
    absent: list[str] = []
    reconciled: str = ""
    source: str = ""
    members: list[int] = []
    size: int = 0

    @property
    def brought(self) -> Expected:
        """How much there is."""
        return Expected(self.patients, self.resources, self.months)


class Index(msgspec.Struct, frozen=True):
    """What ``store.json`` holds: the store's number, its parts in order, and its facts.

    ``shared`` is the file of what is nobody's own. ``layer`` is a file that stands in the place of
    what the parts say of the patients ``replaced``.
    """

    number: int
    parts: list[str]
    shared: str
    facts: Facts
    layer: str | None = None
    replaced: list[str] = []

    @property
    def names(self) -> list[str]:
        """All of the store's files."""
        return [*self.parts, self.shared, *([self.layer] if self.layer else [])]


class OpenFile:
    """A file that is read as it was when it was opened, whatever takes its place since."""

    def __init__(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, descriptor)
        self.path = f"/dev/fd/{descriptor}"


@dataclass(frozen=True)
class Store:
    """A store that exists; `open_store` gives it.

    Everything is read from the ``files`` that were opened: the verdict on one pull never stands
    over the patients of another.
    """

    path: Path
    facts: Facts
    files: tuple[OpenFile, ...]
    shared: OpenFile
    layer: OpenFile | None = None
    replaced: frozenset[str] = frozenset()

    def patients(self, only: Container[str] | None = None) -> Iterator[PatientRecord]:
        """Every patient in order of id, or some, one at a time, with the resources theirs refer to.

        Raises StoreError when a file is damaged.
        """

        def layered(id: str) -> bool:
            return only is None or id in only

        def based(id: str) -> bool:
            return id not in self.replaced and layered(id)

        base = chain.from_iterable(self._of(file, based) for file in self.files)
        over = self._of(self.layer, layered) if self.layer else iter(())
        last = ""
        for record in heapq.merge(base, over, key=attrgetter("id")):
            if record.id <= last:
                raise _damaged(self.path)
            last = record.id
            yield record

    def some(self, ids: Collection[str]) -> Iterator[PatientRecord]:
        """Those of the patients who are there, in order of id; raises as `patients` does."""
        wanted = frozenset(ids)
        if len(wanted) > FEW:
            return self.patients(wanted)
        query = (
            "SELECT patient, type, json FROM read_parquet(?) "
            "WHERE patient IN (SELECT unnest(?::VARCHAR[])) ORDER BY patient, type, id"
        )
        layered, based = sorted(wanted & self.replaced), sorted(wanted - self.replaced)
        found = [self._records(query, [file.path, based]) for file in self.files if based]
        if self.layer and layered:
            found.append(self._records(query, [self.layer.path, layered]))
        return heapq.merge(*found, key=attrgetter("id"))

    def fingerprints(self) -> list[tuple[str, int]]:
        """Every patient in order of id, with a number that changes with what is stored of them."""
        query = (
            "SELECT patient, bit_xor(fingerprint) FROM read_parquet(?) "
            "GROUP BY patient ORDER BY patient"
        )
        rows = self._rows(query, [[file.path for file in self.files]])
        found = [(id, fingerprint) for id, fingerprint in rows if id not in self.replaced]
        if self.layer:
            found += self._rows(query, [self.layer.path])
            found.sort()
        return found

    def _of(self, file: OpenFile, wanted: Callable[[str], bool]) -> Iterator[PatientRecord]:
        query = "SELECT patient, type, json FROM read_parquet(?)"
        return self._records(query, [file.path], wanted)

    def patient(self, id: str) -> PatientRecord | None:
        """One patient; None if the store has no such patient."""
        files = [self.layer] if self.layer and id in self.replaced else self.files
        query = "SELECT patient, type, json FROM read_parquet(?) WHERE patient = ?"
        return next(self._records(query, [[file.path for file in files], id]), None)

    def completeness(self) -> Completeness:
        """The verdict on the pull behind this store."""
        return judge(self.facts.findings, self.facts.lines)

    def covers(self, plan: AcquisitionPlan) -> bool:
        """Whether the store was built for all that the plan needs."""
        kept = self.facts.elements
        return all(name in kept and of <= set(kept[name]) for name, of in plan.elements.items())

    def _records(
        self,
        query: str,
        parameters: list[Any],
        wanted: Callable[[str], bool] = lambda id: True,
    ) -> Iterator[PatientRecord]:
        for patient, rows in groupby(self._rows(query, parameters), key=itemgetter(0)):
            if not wanted(patient):
                continue
            resources: dict[str, list[Any]] = {}
            for _, type_name, json in rows:
                resources.setdefault(type_name, []).append(self._decoded(json))
            yield PatientRecord(patient, resources)

    def _decoded(self, json: str) -> Any:
        try:
            return _decode(json)
        except msgspec.DecodeError:
            # Not chained: the error tells where in the record it is.
            raise _damaged(self.path) from None

    def _rows(self, query: str, parameters: list[Any]) -> Iterator[tuple[Any, ...]]:
        try:
            with duckdb.connect(config=dict(READING)) as reader:
                reader.execute(query, parameters)
                while rows := reader.fetchmany(ROWS):
                    yield from rows
        except duckdb.Error:
            # Not chained: DuckDB repeats what it read.
            raise _damaged(self.path) from None


# Decimals keep the digits that the EHR wrote.
_decode = msgspec.json.Decoder(float_hook=Decimal).decode


def open_store(data_dir: Path) -> Store:
    """The store in a site's data folder. Raises StoreError when there is none that can be read."""
    path = data_dir / FILE
    for _ in range(TRIES):
        index = require_index(data_dir)
        try:
            files = {name: OpenFile(data_dir / FOLDER / name) for name in index.names}
        except FileNotFoundError:
            continue  # another store has just taken its place
        except OSError:
            break
        return Store(
            path,
            index.facts,
            tuple(files[name] for name in index.parts),
            files[index.shared],
            files[index.layer] if index.layer else None,
            frozenset(index.replaced),
        )
    raise _damaged(path)


def read_index(data_dir: Path) -> Index | None:
    """What stands in ``store.json``; None when it is not there.

    Raises StoreError when it is damaged or of another version of Weir.
    """
    path = data_dir / FILE
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError:
        raise _damaged(path) from None
    try:
        if msgspec.json.decode(text, type=_Numbered).facts.format != FORMAT:
            raise StoreError("The store is of another version of Weir", where=str(path), todo=TODO)
        return msgspec.json.decode(text, type=Index)
    except (msgspec.DecodeError, msgspec.ValidationError):
        raise _damaged(path) from None


def require_index(data_dir: Path) -> Index:
    """What stands in ``store.json``. Raises StoreError when there is none that can be read."""
    index = read_index(data_dir)
    if index is None:
        path = str(data_dir / FILE)
        raise StoreError("There is no store of patients yet", where=path, todo=TODO)
    return index


def last_index(data_dir: Path) -> Index | None:
    """What stands in ``store.json``, if it can be read by this version of Weir."""
    try:
        return read_index(data_dir)
    except StoreError:
        return None


class _Format(msgspec.Struct):
    format: int


class _Numbered(msgspec.Struct):
    facts: _Format


def _damaged(path: Path) -> StoreError:
    todo = f"{TODO}; if it stays so, remove {FILE} before"  # of a store that is built on
    return StoreError("The store of patients is damaged", where=str(path), todo=todo)
