"""Measure packages: a Measure, its libraries as ELM, its value sets, checked and compiled.

A package is a folder ``measures/<id>/``

    measure.json               the FHIR Measure
    cql/<library>.cql          what people write
    elm/<library>.json         what runs, made from it by ``weir measure build``
    valuesets/*.json           FHIR ValueSets and CodeSystems
    tests/<case>/              patients with expected reports (service.measure.cases)

or one file: a FHIR Bundle of Measure, Libraries with ELM, ValueSets and CodeSystems.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from service.errors import MeasureError
from service.measure.composite import Composite, read_composite
from service.measure.content import Content, composed_of, main_library, read_content
from service.measure.group import Group
from service.measure.logic import Logic, Supplement, compile_logic, prefixed
from service.measure.requirements import Requirements

FOLLOW_UP = "urn:weir:follow-up"
NONE = timedelta()


@dataclass(frozen=True)
class MeasurePackage:
    """A measure that can be evaluated: its logic is compiled and its value sets are whole.

    A composite measure has the logic of each of its components.
    """

    content: Content
    logics: tuple[Logic, ...]
    composite: Composite | None = None

    @property
    def measure(self) -> Mapping[str, Any]:
        """The FHIR Measure."""
        return self.content.measure

    @property
    def id(self) -> str:
        return str(self.measure.get("id") or self.name)

    @property
    def name(self) -> str:
        return str(self.measure.get("name") or self.content.main)

    @property
    def url(self) -> str:
        return str(self.measure["url"])

    @property
    def version(self) -> str:
        return str(self.measure.get("version") or "")

    @property
    def canonical(self) -> str:
        """``url|version``, as reports name the measure.

        A canonical is a uri and has no spaces; a version is any text, "Draft of 2.1" too.
        """
        return f"{self.url}|{'%20'.join(self.version.split())}" if self.version else self.url

    @property
    def title(self) -> str:
        return str(self.measure.get("title") or self.name)

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """The Measure's groups; of a composite its own and then its components'."""
        own = (self.composite.group,) if self.composite else ()
        return (*own, *(group for logic in self.logics for group in logic.groups))

    @property
    def supplements(self) -> tuple[Supplement, ...]:
        """The Measure's supplemental data elements."""
        return tuple(one for logic in self.logics for one in logic.supplements)

    @property
    def notices(self) -> tuple[str, ...]:
        """What is missing and does no harm, because no logic that is reached uses it."""
        return tuple(dict.fromkeys(note for one in self.logics for note in one.program.notices))

    @property
    def needs_everyone(self) -> bool:
        """Whether a patient's result depends on other patients' data (the Unfiltered context)."""
        return any(logic.program.needs_everyone for logic in self.logics)

    @cached_property
    def requirements(self) -> Requirements:
        """What data the measure reads."""
        declared = frozenset(system for logic in self.logics for system in logic.systems)
        return Requirements(tuple(logic.program for logic in self.logics), declared)

    @property
    def follow_up(self) -> timedelta:
        """How long after its end a period stays open for later events (``urn:weir:follow-up``)."""
        found = (e for e in self.measure.get("extension", ()) if e.get("url") == FOLLOW_UP)
        return max((timedelta(days=int(e["valueDuration"]["value"])) for e in found), default=NONE)

    @cached_property
    def hash(self) -> str:
        """``sha256:<hex>`` over all that decides a result: Measure, ELM and terminology."""
        return f"sha256:{hashlib.sha256(self.content.canonical()).hexdigest()}"


def load_package(path: Path) -> MeasurePackage:
    """Read, check and compile the package at ``path``: a folder or a Bundle.

    Raises MeasureError, or CompileError with library, expression and locator, for whatever would
    make a result doubtful: no Measure, a missing library, value set or definition, a value set that
    is empty or cut off, a population code, scoring or ELM node that is not understood.
    """
    return compile_package(read_content(path), str(path))


def compile_package(content: Content, where: str) -> MeasurePackage:
    """The package of what was read at ``where``; raises as `load_package` does."""
    if not any(composed_of(content.measure)):
        return MeasurePackage(content, (compile_logic(content, where),))
    components = dict(_components(content, where))
    composite = read_composite(
        content.measure,
        (
            (artifact, components[artifact["resource"]].groups)
            for artifact in composed_of(content.measure)
        ),
        where,
    )
    return MeasurePackage(content, tuple(components.values()), composite)


def _components(content: Content, where: str) -> Iterator[tuple[str, Logic]]:
    """The logic of each component of a composite, by the canonical that names it."""
    for artifact in composed_of(content.measure):
        canonical = str(artifact.get("resource"))
        url, _, version = canonical.partition("|")
        part = next(
            (
                one
                for one in content.parts
                if one.get("url") == url and version in ("", one.get("version"))
            ),
            None,
        )
        if part is None:
            raise MeasureError(
                f"The component {canonical} is missing", where=where, todo="Add its Measure"
            )
        place = f"{where}, component {canonical}"
        own = replace(
            content,
            measure=part,
            main=main_library(part, content.fhir_libraries, content.libraries, place),
            parts=(),
        )
        yield (
            canonical,
            prefixed(compile_logic(own, place), str(part.get("id") or part.get("name"))),
        )
