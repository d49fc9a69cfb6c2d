"""Step 3: a site's local codes as the measures' codes.

A mapping is a folder ``mappings/<source>/`` of CSV tables, one row a code, reviewed by a person:

    source_system,source_code,source_display,target_system,target_code,target_display,relationship,reviewed_by,reviewed_on

``relationship`` says how the local code relates to the target:

- ``equivalent``: it means the same;
- ``narrower``: it means something more special, so what is true of the target is true of it;
- ``not-relevant``: looked at, and no measure needs it. No target. The code ``*`` stands for all
  codes of the system that have no row.

A unit has a row, too, when the local word for it is not UCUM's: ``mmHg`` is equivalent to mm[Hg] of
http://unitsofmeasure.org.

A local code that means *more* than the target cannot be mapped: it would count what is not meant.
"""

import csv
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from service.cql.record import PatientRecord
from service.cql.types import ListType, NamedType
from service.errors import ConfigError
from service.fhir.model import qualified, r4
from service.site.concepts import Json, key_of
from service.site.quantities import IN_WORDS, NO_UNIT, UCUM, is_quantity, unit_key

EVERY_OTHER = "*"
LOCAL_CODING = "urn:weir:local-coding"  # extension: what stood where only one coding can stand
# ConceptMap says what the target is to the source (http://hl7.org/fhir/R4/valueset-concept-map-equivalence.html).
EQUIVALENCE = {"equivalent": "equivalent", "narrower": "wider", "not-relevant": "unmatched"}

Key = tuple[str, str]  # system ("" if a coding has none) and code


class Row(BaseModel):
    """One reviewed row of a table."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    source_system: str
    source_code: str = Field(min_length=1)
    source_display: str
    target_system: str
    target_code: str
    target_display: str
    relationship: Literal["equivalent", "narrower", "not-relevant"]
    reviewed_by: str = Field(min_length=1)
    reviewed_on: date

    @model_validator(mode="after")
    def _has_a_target_or_needs_none(self) -> "Row":
        if self.relationship == "not-relevant":
            if self.target_system or self.target_code:
                raise ValueError("a code that is not relevant has no target")
        elif not (self.target_system and self.target_code):
            raise ValueError("target_system and target_code are missing")
        elif self.source_code in (NO_UNIT, IN_WORDS):
            raise ValueError(f"{self.source_code} can only be not-relevant")
        elif self.source_code == EVERY_OTHER:
            raise ValueError(f"{EVERY_OTHER} can only be not-relevant")
        return self

    @property
    def source(self) -> Key:
        """The local code."""
        return self.source_system, self.source_code

    @property
    def target(self) -> Key:
        """The code that measures know; empty strings when there is none."""
        return self.target_system, self.target_code


@dataclass(frozen=True)
class CodeMapping:
    """A site's whole mapping; ``hash`` ("sha256:<hex>") changes when any code is mapped anew."""

    rows: Sequence[Row] = ()
    _targets: Mapping[Key, tuple[Json, ...]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        targets: dict[Key, list[Json]] = defaultdict(list)
        for row in self.rows:
            targets[row.source] += [_coding(row)] if row.target_code else []
        object.__setattr__(self, "_targets", {key: tuple(of) for key, of in targets.items()})

    @property
    def hash(self) -> str:
        """Of what decides results: codes, targets and relationships, in whatever order."""
        deciding = sorted([*row.source, *row.target, row.relationship] for row in self.rows)
        return f"sha256:{hashlib.sha256(msgspec.json.encode(deciding)).hexdigest()}"

    def knows(self, system: str, code: str) -> bool:
        """Whether somebody has looked at this code, mapped or not relevant."""
        return (system, code) in self._targets or (system, EVERY_OTHER) in self._targets

    def lists(self, system: str, code: str) -> bool:
        """Whether this very code has a row."""
        return (system, code) in self._targets

    def targets(self, system: str, code: str) -> list[Key]:
        """The measures' codes that it stands for."""
        return [key_of(coding) for coding in self._targets.get((system, code), ())]

    def unit(self, key: Key) -> str | None:
        """The unit of UCUM that one stands for; None when no row, or more than one, says so."""
        targets = self._targets.get(key, ())
        told = [each["code"] for each in targets if each["system"] == UCUM]
        return told[0] if len(targets) == len(told) == 1 else None

    def apply(self, record: PatientRecord) -> PatientRecord:
        """The record with the measures' codings put beside the local ones.

        Nothing is taken away. Where FHIR has room for one coding only, as in Encounter.class, the
        measures' coding stands there and holds the local one as an extension.
        """
        if not self._targets:
            return record
        mapped = {
            type_name: [self._resource(resource) for resource in resources]
            for type_name, resources in record.resources.items()
        }
        return PatientRecord(record.id, mapped)

    def to_concept_map(self) -> dict[str, Any]:
        """The mapping as an R4 ConceptMap."""
        groups: dict[Key, list[Row]] = defaultdict(list)
        for row in sorted(self.rows, key=lambda row: (row.source, row.target)):
            groups[row.source_system, row.target_system].append(row)
        return {
            "resourceType": "ConceptMap",
            "status": "active",
            "identifier": {"system": "urn:weir:mapping", "value": self.hash},
            "group": [_group(systems, rows) for systems, rows in groups.items()],
        }

    def _resource(self, resource: Json) -> Json:
        mapped = {name: self._added(value) for name, value in resource.items()}
        for name in single_codings(resource["resourceType"]):
            if isinstance(mapped.get(name), dict):
                mapped[name] = self._instead(mapped[name])
        return mapped

    def _added(self, value: Any) -> Any:
        """Any part of a resource, with codings added to every concept in it."""
        if isinstance(value, list):
            return [self._added(item) for item in value]
        if not isinstance(value, dict):
            return value
        concept = value.get("coding")
        if isinstance(concept, list):
            return {**value, "coding": [*concept, *self._missing(concept)]}
        if is_quantity(value):
            return self._in_unit(value)
        return {
            name: self._added(part) if isinstance(part, dict | list) else part
            for name, part in value.items()
        }

    def _missing(self, concept: list[Any]) -> Iterator[Json]:
        """The targets of a concept's codings that it does not hold already."""
        held = {key_of(coding) for coding in concept}
        for key in [key_of(coding) for coding in concept]:
            for target in self._targets.get(key, ()):
                if key_of(target) not in held:
                    held.add(key_of(target))
                    yield target

    def _in_unit(self, quantity: Json) -> Json:
        """A quantity in the unit of UCUM that its own is another word for."""
        system, code = key = unit_key(quantity)
        unit = self.unit(key)
        if unit is None:
            return quantity
        local = {"url": LOCAL_CODING, "valueCoding": {"system": system, "code": code}}
        return {**quantity, "system": UCUM, "code": unit, "unit": unit, "extension": [local]}

    def _instead(self, coding: Json) -> Json:
        targets = self._targets.get(key_of(coding), ())
        if len(targets) != 1:
            return coding
        return {**targets[0], "extension": [{"url": LOCAL_CODING, "valueCoding": coding}]}


NO_MAPPING = CodeMapping()


def load_mapping(folder: Path | None) -> CodeMapping:
    """Read every table of a folder; None is a site whose codes are the measures' already.

    Raises ConfigError, naming file and row, for a row that is malformed, not reviewed, or at odds
    with another.
    """
    if folder is None:
        return NO_MAPPING
    tables = sorted(folder.glob("*.csv"))
    if not tables:
        raise ConfigError(
            "The mapping has no table",
            where=str(folder),
            todo="Give the folder of its CSV files as mapping",
        )
    placed = [(f"{path.name} row {n}", row) for path in tables for n, row in _read(path)]
    _refuse_contradictions(placed)
    return CodeMapping(tuple(row for _, row in placed))


def _read(path: Path) -> Iterator[tuple[int, Row]]:
    """The rows of a table with their line numbers."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            _check_header(path, reader.fieldnames)
            for given in reader:
                yield reader.line_num, _row(f"{path.name} row {reader.line_num}", given)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"The table cannot be read ({error})", where=str(path)) from None


def _check_header(path: Path, names: Iterable[str] | None) -> None:
    if set(names or ()) != set(Row.model_fields):
        columns = ",".join(Row.model_fields)
        raise ConfigError(
            "The table has other columns than it should",
            where=str(path),
            todo=f"Begin it with the line {columns}",
        )


def _row(where: str, given: Mapping[Any, Any]) -> Row:
    if None in given or None in given.values():
        raise ConfigError("The row has more or fewer columns than the first", where=where)
    try:
        return Row.model_validate(given)
    except ValidationError as error:
        problem = error.errors(include_input=False, include_url=False)[0]
        column = ".".join(str(part) for part in problem["loc"])
        what = f"{column}: {problem['msg'].removeprefix('Value error, ')}".removeprefix(": ")
        raise ConfigError(what, where=where, todo="Correct the row, and have it reviewed") from None


def _refuse_contradictions(placed: Iterable[tuple[str, Row]]) -> None:
    """One code can be narrower than several, but equivalent to one of a system only."""
    seen: dict[Key, list[tuple[str, Row]]] = defaultdict(list)
    for where, row in placed:
        for earlier, other in seen[row.source]:
            if _contradict(row, other):
                raise ConfigError(
                    f"The code has a row already: {earlier}",
                    where=where,
                    todo="Keep the row that is right",
                )
        seen[row.source].append((where, row))


def _contradict(row: Row, other: Row) -> bool:
    if row.target == other.target or "" in (row.target_code, other.target_code):
        return True
    exact = "equivalent" in (row.relationship, other.relationship)
    return exact and row.target_system == other.target_system


def _coding(row: Row) -> dict[str, str]:
    told = {"system": row.target_system, "code": row.target_code, "display": row.target_display}
    return _given(told)


@cache
def single_codings(type_name: str) -> tuple[str, ...]:
    """The top elements of a type that are one Coding."""
    elements = r4().elements(qualified(type_name)).items()
    coding = NamedType(qualified("Coding"))
    return tuple(name for name, of in elements if not isinstance(of, ListType) and of == coding)


def _group(systems: Key, rows: Sequence[Row]) -> dict[str, Any]:
    source, target = systems
    named = {"source": source, "target": target}
    codes = groupby(rows, key=attrgetter("source_code"))
    return _given(named) | {"element": [_element(code, list(of)) for code, of in codes]}


def _element(code: str, rows: Sequence[Row]) -> dict[str, Any]:
    told = {"code": code, "display": rows[0].source_display}
    return _given(told) | {"target": [_target(row) for row in rows]}


def _target(row: Row) -> dict[str, str]:
    told = {"code": row.target_code, "display": row.target_display}
    return _given(told) | {"equivalence": EQUIVALENCE[row.relationship]}


def _given(texts: Mapping[str, str]) -> dict[str, Any]:
    """Those that are not empty: FHIR has no empty strings."""
    return {name: text for name, text in texts.items() if text}
