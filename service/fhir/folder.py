"""Patients from a folder of files: Bundles, one patient each, and NDJSON as bulk exports write it.

Every ``*.json`` at any depth that is a Bundle is one patient: all its resources are that patient's,
whatever their references say, and duplicate ids are kept. ``<Type>.ndjson`` and ``.ndjson.gz``
(a part number may stand before the ending) are grouped by patient on disk, see
`service.fhir.grouping`. Everything else is left out with a notice.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, Self

import msgspec

from service.cql.record import PatientRecord
from service.errors import ConfigError, EvaluationError
from service.fhir.compartment import resource_types
from service.fhir.grouping import Grouping

_decode = msgspec.json.Decoder(float_hook=Decimal).decode

# Bundles of these alone are about measures, not about a patient.
KNOWLEDGE = frozenset(
    {"ActivityDefinition", "CodeSystem", "ConceptMap", "Library", "Measure", "PlanDefinition"}
    | {"StructureDefinition", "ValueSet"}
)


@dataclass(frozen=True, slots=True)
class Found:
    """A patient and the file (and line) that names them, for messages.

    ``places`` gives where each resource stands, by the id of its JSON, where that is known.
    """

    where: str
    record: PatientRecord
    places: Callable[[], Mapping[int, str]]


class Folder:
    """The patients of the folder at ``path``; a context that leaves no temporary file behind.

    After `patients` is through, ``notices`` name the files that were left out and ``faults`` what
    could not be read: as long as there are faults, not every patient was found whole. Both name
    files and lines, never what is in them.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_dir():
            raise ConfigError("Not a folder", where=str(path), todo="Give a folder of patients")
        self.path = path
        self.notices: list[str] = []
        self.faults: list[str] = []
        self._bundles: list[Path] = []
        self._grouping: Grouping | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._grouping:
            self._grouping.close()

    def gather(self, advance: Callable[[int], None] = lambda lines: None) -> None:
        """Look at every file and group the NDJSON lines, which ``advance`` counts."""
        ndjson: list[tuple[str, Path]] = []
        for file in sorted(file for file in self.path.rglob("*") if file.is_file()):
            if (kind := _ndjson_type(file)) is not None:
                ndjson.append((kind, file))
            elif file.suffix == ".json":
                self._bundles.append(file)
            else:
                self.notices.append(f"{self._name(file)}: left out, neither a Bundle nor NDJSON")
        if ndjson:
            self._grouping = Grouping(sum(file.stat().st_size for _, file in ndjson))
            for kind, file in ndjson:
                self._grouping.add(file, kind, self._name(file), advance)

    def patients(self) -> Iterator[Found]:
        """Every patient that `gather` found, one at a time: Bundles first."""
        for file in self._bundles:
            yield from self._bundle(file)
        if self._grouping:
            for where, record, places in self._grouping.patients():
                yield Found(where, record, places)
            self.faults.extend(self._grouping.faults)
            self.notices.extend(self._grouping.notices)

    def everyone(self) -> Iterator[PatientRecord]:
        """Every patient's record. Raises EvaluationError when not every patient is found whole."""
        if not self.faults:
            yield from (found.record for found in self.patients())
        if self.faults:
            raise EvaluationError(
                "The result depends on all patients, and not all can be read",
                where=str(self.path),
                todo="Correct the files that cannot be read",
            )

    def _name(self, file: Path) -> str:
        return str(file.relative_to(self.path))

    def _bundle(self, file: Path) -> Iterator[Found]:
        name = self._name(file)
        try:
            bundle = _decode(file.read_bytes().removeprefix(BOM_UTF8))
        except (OSError, ValueError, RecursionError) as error:
            self.faults.append(f"{name}: cannot be read as JSON ({type(error).__name__})")
            return
        if not isinstance(bundle, dict) or bundle.get("resourceType") != "Bundle":
            self.notices.append(f"{name}: left out, not a Bundle")
            return
        try:
            resources = _by_type(bundle)
        except _Unreadable as unreadable:
            self.faults.append(f"{name}, {unreadable}")
            return
        if resources.keys() <= KNOWLEDGE:
            self.notices.append(f"{name}: left out, a Bundle without patient data")
            return
        yield from self._patient(name, resources, bundle)

    def _patient(
        self, name: str, resources: dict[str, list[dict[str, Any]]], bundle: dict[str, Any]
    ) -> Iterator[Found]:
        patients = resources.get("Patient", [])
        if len(patients) != 1:
            self.faults.append(f"{name}: {len(patients)} Patient resources where one is wanted")
        elif not isinstance(patients[0].get("id"), str):
            self.faults.append(f"{name}: the Patient has no id")
        else:
            places = partial(_places, name, bundle)
            yield Found(name, PatientRecord(patients[0]["id"], resources), places)


def _places(name: str, bundle: dict[str, Any]) -> dict[int, str]:
    """Where each resource of a Bundle stands, by the id of its JSON."""
    entries = enumerate(bundle["entry"], 1)
    return {id(entry["resource"]): f"{name}, entry {number}" for number, entry in entries}


class _Unreadable(Exception):
    """A Bundle entry that is no resource; the text says which."""


def _by_type(bundle: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The resources of a Bundle by type, in their order."""
    found: dict[str, list[dict[str, Any]]] = {}
    entries = bundle.get("entry") or []
    if not isinstance(entries, list):
        raise _Unreadable("entry: not a list")
    for number, entry in enumerate(entries, 1):
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if not isinstance(resource, dict):
            raise _Unreadable(f"entry {number}: no resource")
        kind = resource.get("resourceType")
        if kind not in resource_types():
            raise _Unreadable(f"entry {number}: unknown resource type")
        found.setdefault(kind, []).append(resource)
    return found


def _ndjson_type(file: Path) -> str | None:
    """The resource type of a file called ``<Type>[.<part>].ndjson[.gz]``, else None."""
    name = file.name.removesuffix(".gz")
    if not name.endswith(".ndjson"):
        return None
    kind = name.split(".", 1)[0]
    return kind if kind in resource_types() else None
