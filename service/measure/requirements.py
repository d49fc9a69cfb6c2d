"""What data a measure needs: resource types, codes, elements."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from service.cql.model import json_names
from service.cql.program import Program
from service.cql.retrieval import RetrieveUse
from service.cql.values import Code, Interval, Quantity
from service.cql.values.units import is_of_time
from service.measure.period import MEASUREMENT_PERIOD, Period

Bounds = tuple[datetime, datetime]
LIBRARY_TYPE = "http://terminology.hl7.org/CodeSystem/library-type"
ALL = "*"  # every element of a resource type


@dataclass(frozen=True)
class Requirements:
    """The data requirements of a measure: what its reachable logic reads."""

    programs: tuple[Program, ...]
    declared: frozenset[str] = frozenset()  # code systems that the main library names

    @cached_property
    def elements(self) -> Mapping[str, frozenset[str]]:
        """Resource type -> the top elements that are read, ``*`` for all; Patient always."""
        found: dict[str, frozenset[str]] = {"Patient": frozenset()}
        for program in self.programs:
            for name, read in program.uses.elements.items():
                found[name] = found.get(name, frozenset()) | read
        return found

    @property
    def types(self) -> frozenset[str]:
        """The resource types that are retrieved or referred to."""
        return frozenset(self.elements)

    @property
    def retrieves(self) -> tuple[RetrieveUse, ...]:
        """Each retrieve with its profile, code path, value sets and direct-reference codes."""
        return tuple(use for program in self.programs for use in program.uses.retrieves)

    @property
    def value_sets(self) -> frozenset[str]:
        """Canonical URLs of the value sets that the logic uses."""
        return frozenset(url for program in self.programs for url in program.uses.value_sets)

    @cached_property
    def code_elements(self) -> Mapping[str, frozenset[str]]:
        """Resource type -> the top elements by whose codes records are chosen."""
        found: dict[str, set[str]] = {}
        for use in self.retrieves:
            if use.code_path:
                found.setdefault(use.type, set()).add(use.code_path.partition(".")[0])
        return {name: frozenset(of) for name, of in found.items()}

    @cached_property
    def codes(self) -> frozenset[Code]:
        """The codes that the logic looks for or compares with, as far as it names them."""
        direct = (code for use in self.retrieves for code in use.codes)
        listed = (code for url in self.value_sets for code in self.expansion(url))
        named = (one for program in self.programs for one in program.names.values())
        return frozenset((*direct, *listed, *(one for one in named if isinstance(one, Code))))

    @cached_property
    def systems(self) -> frozenset[str]:
        """The code systems of these codes, and those that the main library declares."""
        return self.declared | {code.system for code in self.codes if code.system}

    @cached_property
    def units(self) -> frozenset[str]:
        """The units of the quantities that the logic names, but for those of time."""
        named = [one for program in self.programs for one in program.names.values()]
        bounds = [end for one in named if isinstance(one, Interval) for end in (one.low, one.high)]
        quantities = (one for one in (*named, *bounds) if isinstance(one, Quantity))
        return frozenset(one.unit for one in quantities if not is_of_time(one.unit))

    @cached_property
    def coded_paths(self) -> Mapping[str, frozenset[str]]:
        """Resource type -> paths at which the logic reads codes: ``code``, ``participant.type``.

        Of a resource that is read whole, those by which records are chosen.
        """
        found: dict[str, set[str]] = {name: set(of) for name, of in self.code_elements.items()}
        for program in self.programs:
            for name, read in program.uses.elements.items():
                paths = found.setdefault(name, set())
                for element in read - {ALL}:
                    paths.update(_coded(program, f"{{{program.model.namespace}}}{name}", element))
        return {name: frozenset(of) for name, of in found.items() if of}

    def expansion(self, canonical: str) -> tuple[Code, ...]:
        """The codes of a value set, by its URL or URL|version."""
        url, _, version = canonical.partition("|")
        return self.programs[0].terminology.value_set(url, version or None).expansion


def _coded(program: Program, class_: str, element: str, *around: str) -> Iterator[str]:
    """The paths of codes that the logic reads at an element of a class, from that class.

    A part that can hold itself, as an item of a questionnaire, is entered once.
    """
    of = program.model.elements(class_).get(element)
    for kind in json_names(element, of).values() if of is not None else ():
        if kind.local in ("CodeableConcept", "Coding"):
            yield element
        elif "." in kind.local and kind.name not in around:
            for inner in program.uses.parts.get(kind.local, frozenset()):
                for path in _coded(program, kind.name, inner, kind.name, *around):
                    yield f"{element}.{path}"


def data_requirements(
    requirements: Requirements,
    canonical: str,
    period: Period | None = None,
    zone: ZoneInfo | None = None,
) -> dict[str, Any]:
    """The FHIR Library (module-definition) that ``$data-requirements`` answers for a measure.

    Dates are filtered for a measurement ``period`` only, and only where the logic takes nothing
    else of that retrieve; what it looks back for elsewhere has no date filter.
    """
    bounds = period.moments(zone or ZoneInfo("UTC")) if period else None
    needed = [
        _requirement(requirements, name, uses, bounds)
        for name, uses in sorted(_by_type(requirements).items())
    ]
    depends = [{"type": "depends-on", "resource": canonical}] + [
        {"type": "depends-on", "resource": url} for url in sorted(requirements.value_sets)
    ]
    return {
        "resourceType": "Library",
        "status": "active",
        "type": {"coding": [{"system": LIBRARY_TYPE, "code": "module-definition"}]},
        "relatedArtifact": depends,
        "dataRequirement": [one for group in needed for one in group],
    }


def _by_type(requirements: Requirements) -> dict[str, list[RetrieveUse]]:
    """Every type that is needed with its retrieves; a type that is only referred to has none."""
    found: dict[str, list[RetrieveUse]] = {name: [] for name in requirements.types}
    for use in requirements.retrieves:
        if use not in found.setdefault(use.type, []):
            found[use.type].append(use)
    return found


def _requirement(
    requirements: Requirements, name: str, uses: list[RetrieveUse], bounds: Bounds | None
) -> list[dict[str, Any]]:
    """One for each code filter of each retrieve: the filters of one would have to hold together."""
    read = sorted(requirements.elements.get(name, ()))
    plain: dict[str, Any] = {"type": name} | ({"mustSupport": read} if read else {})
    found = [
        plain | _profile(use) | codes | _dates(use, bounds)
        for use in uses
        for codes in list(_codes(use)) or [{}]
    ]
    wider = [one for one in found if "dateFilter" not in one]
    kept = [one for one in found if one not in wider and _without_dates(one) not in wider]
    return list(_distinct(wider + kept)) or [plain]


def _without_dates(requirement: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in requirement.items() if key != "dateFilter"}


def _distinct(requirements: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for number, one in enumerate(requirements):
        if one not in requirements[:number]:
            yield one


def _profile(use: RetrieveUse) -> dict[str, Any]:
    return {"profile": [use.template]} if use.template else {}


def _codes(use: RetrieveUse) -> Iterator[dict[str, Any]]:
    """A code filter for each value set, and one with all direct-reference codes."""
    for url in use.value_sets:
        yield {"codeFilter": [{"path": use.code_path, "valueSet": url}]}
    if use.codes:
        codes = [_coding(code) for code in use.codes]
        yield {"codeFilter": [{"path": use.code_path, "code": codes}]}


def _dates(use: RetrieveUse, bounds: Bounds | None) -> dict[str, Any]:
    """The date filters of a retrieve, for the measurement period.

    Days that are compared as they are written, at other offsets, reach a day beyond its bounds.
    """
    filters = []
    for date in use.dates if bounds else ():
        if bounds and date.parameter == MEASUREMENT_PERIOD:
            more = timedelta(days=1 if date.coarse else 0)
            start, end = bounds[0] - more, bounds[1] + more
            period = {"start": _instant(start), "end": _instant(end)}
            filters.append({"path": date.path, "valuePeriod": period})
    return {"dateFilter": filters} if filters else {}


def _instant(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")


def _coding(code: Code) -> dict[str, str]:
    parts = {"system": code.system, "code": code.code, "display": code.display}
    return {key: value for key, value in parts.items() if value is not None}
