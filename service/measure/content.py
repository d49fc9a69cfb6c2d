"""The resources of a measure package, read from a folder or from a FHIR Bundle."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

import msgspec

from service.errors import MeasureError

Json = Mapping[str, Any]
ELM = "application/elm+json"


@dataclass(frozen=True)
class Content:
    """A Measure with what it rests on; ``main`` is the name of its library.

    ``parts`` are the other Measures of the Bundle, which a composite measure is made of.
    """

    measure: Json
    main: str
    libraries: tuple[Json, ...]
    value_sets: tuple[Json, ...]
    code_systems: tuple[Json, ...]
    parts: tuple[Json, ...] = ()
    fhir_libraries: tuple[Json, ...] = ()  # the Library resources, which name libraries by URL

    def definitions(self) -> frozenset[str]:
        """The names that the main library defines."""
        return frozenset(one["name"] for one in self._section("statements"))

    def systems(self) -> frozenset[str]:
        """The code systems that the main library names."""
        return frozenset(one["id"] for one in self._section("codeSystems"))

    def _section(self, name: str) -> Sequence[Json]:
        own = next(elm for elm in self.libraries if _name_of(elm) == self.main)
        section: Sequence[Json] = (own.get("library", own).get(name) or {}).get("def") or ()
        return section

    def canonical(self) -> bytes:
        """What decides a result, as bytes that do not depend on the order of the resources."""
        told = {
            "measures": sorted(map(_definition, (self.measure, *self.parts)), key=_sorting),
            "libraries": sorted(self.libraries, key=_sorting),
            "terminology": sorted(
                map(_definition, (*self.value_sets, *self.code_systems)), key=_sorting
            ),
        }
        return _bytes(told)


@dataclass
class _Found:
    """Resources by what they are for, while they are gathered."""

    measures: list[Json] = field(default_factory=list)
    libraries: list[Json] = field(default_factory=list)  # FHIR Libraries, with or without ELM
    elm: list[Json] = field(default_factory=list)
    versions: list[str | None] = field(default_factory=list)  # of the Libraries of the ELM
    value_sets: list[Json] = field(default_factory=list)
    code_systems: list[Json] = field(default_factory=list)

    def add(self, resource: Json, where: str) -> None:
        match resource.get("resourceType"):
            case "Measure":
                self.measures.append(resource)
            case "Library":
                self.libraries.append(resource)
                made = list(_elm_of(resource, where))
                self.elm.extend(made)
                self.versions.extend([resource.get("version")] * len(made))
            case "ValueSet":
                self.value_sets.append(resource)
            case "CodeSystem":
                self.code_systems.append(resource)


def read_content(path: Path) -> Content:
    """The package at ``path``, a folder or a Bundle. Raises MeasureError for what is missing."""
    found = _folder(path) if path.is_dir() else _bundle(path)
    if not found.measures:
        raise MeasureError("There is no Measure", where=str(path), todo="Add the Measure resource")
    measure = _whole(found.measures, path)
    composite = any(composed_of(measure))
    where = f"{path}, Measure {measure.get('id')}"
    main = "" if composite else main_library(measure, found.libraries, found.elm, where)
    return Content(
        measure,
        main,
        tuple(_labelled(found)),
        tuple(found.value_sets),
        tuple(found.code_systems),
        tuple(one for one in found.measures if one is not measure),
        tuple(found.libraries),
    )


def read_json(path: Path) -> Any:
    """Decoded JSON of a file of the package. Raises MeasureError."""
    try:
        return msgspec.json.decode(path.read_bytes())
    except OSError as error:
        raise MeasureError("The file cannot be read", where=f"{path}: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MeasureError("The file is not JSON", where=f"{path}: {error}") from None


def _folder(path: Path) -> _Found:
    found = _Found()
    found.add(read_json(path / "measure.json"), str(path / "measure.json"))
    found.elm = [read_json(file) for file in sorted((path / "elm").glob("*.json"))]
    for file in sorted((path / "valuesets").glob("*.json")):
        found.add(read_json(file), str(file))
    return found


def _bundle(path: Path) -> _Found:
    bundle = read_json(path)
    if not isinstance(bundle, dict) or bundle.get("resourceType") != "Bundle":
        raise MeasureError(
            "Not a Bundle",
            where=str(path),
            todo="Give a Bundle of Measure, Libraries and ValueSets",
        )
    found = _Found()
    for number, entry in enumerate(bundle.get("entry") or (), 1):
        if isinstance(resource := entry.get("resource"), dict):
            found.add(resource, f"{path}, entry {number}")
    return found


def _whole(measures: list[Json], path: Path) -> Json:
    """The Measure to evaluate: the only one, or the composite that is made of the others."""
    if len(measures) == 1:
        return measures[0]
    composites = [one for one in measures if any(composed_of(one))]
    if len(composites) != 1:
        raise MeasureError(
            f"There are {len(measures)} Measures and not one that is composed of the others",
            where=str(path),
            todo="Keep one Measure in each package",
        )
    return composites[0]


def composed_of(measure: Json) -> Iterator[Json]:
    """The related artifacts that name a composite measure's components."""
    for artifact in measure.get("relatedArtifact") or ():
        if artifact.get("type") == "composed-of":
            yield artifact


def main_library(measure: Json, libraries: Sequence[Json], elm: Sequence[Json], where: str) -> str:
    """The name of the library that ``Measure.library`` refers to. Raises MeasureError.

    ELM identifiers may carry stale version labels, so the main library goes by its name.
    """
    if not measure.get("library"):
        raise MeasureError("The Measure names no library", where=where, todo="Fill Measure.library")
    url, _, version = str(measure["library"][0]).partition("|")
    named = [one for one in libraries if one.get("url") == url]
    exact = [one for one in named if not version or one.get("version") == version] or named
    own = [one for library in exact[:1] for one in _elm_of(library, where)]
    name = (_name_of(own[0]) if own else None) or url.replace(":", "/").rpartition("/")[2]
    if name not in {_name_of(one) for one in elm}:
        what = "has no ELM" if exact else "is missing"
        todo = "Add the Library with ELM (application/elm+json), made by `weir measure build`"
        raise MeasureError(f"The library {name} {what}", where=where, todo=todo)
    return name


def _elm_of(library: Json, where: str) -> Iterable[Json]:
    for content in library.get("content") or ():
        if content.get("contentType") == ELM:
            yield _decoded(content, f"{where}, Library {library.get('name')}")


def _decoded(content: Json, where: str) -> Json:
    try:
        elm = msgspec.json.decode(base64.b64decode(content.get("data") or "", validate=True))
    except (binascii.Error, msgspec.DecodeError, UnicodeDecodeError, ValueError):
        raise MeasureError(
            "The ELM cannot be decoded", where=where, todo="Translate it again"
        ) from None
    if not isinstance(elm, dict):
        raise MeasureError("The ELM is no library", where=where, todo="Translate it again")
    return elm


def _labelled(found: _Found) -> Iterator[Json]:
    """The ELM; under its Library's version where includes ask for that and its own label is stale.

    Which include is meant must not hang on a label that translators do not keep up to date.
    """
    labels = {(_name_of(elm), _identifier(elm).get("version")) for elm in found.elm}
    asked = {
        ((include.get("path") or "").rpartition("/")[2], include.get("version"))
        for elm in found.elm
        for include in (elm.get("library", elm).get("includes") or {}).get("def") or ()
    }
    for elm, version in zip_longest(found.elm, found.versions):
        if version and (_name_of(elm), version) in asked - labels:
            yield _relabelled(elm, version)
        else:
            yield elm


def _relabelled(elm: Json, version: str) -> Json:
    library = elm.get("library", elm)
    return {"library": {**library, "identifier": {**_identifier(elm), "version": version}}}


def _identifier(elm: Json) -> Json:
    identifier: Json = elm.get("library", elm).get("identifier") or {}
    return identifier


def _name_of(elm: Json) -> str | None:
    name: str | None = _identifier(elm).get("id")
    return name


NOT_DEFINING = ("text", "meta", "date", "contact", "contained")


def _definition(resource: Json) -> Json:
    """A resource without what changes no result; of an expansion its codes."""
    kept = {key: value for key, value in resource.items() if key not in NOT_DEFINING}
    if expansion := kept.get("expansion"):
        kept["expansion"] = {
            key: expansion[key] for key in ("total", "contains") if key in expansion
        }
    return kept


def _bytes(value: Any) -> bytes:
    return msgspec.json.encode(value, order="sorted")


def _sorting(value: Json) -> bytes:
    return _bytes(value)
