"""What `$data-requirements` names is all a measure needs: every other resource can be left out.

Each patient's record is filtered by the DataRequirements, read as the JSON that they are published
as: type, profile, codes of the value set or listed, dates within the period, elements.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from service.cql.model import json_names
from service.cql.record import PatientRecord
from service.cql.values import DateTime
from service.fhir.folder import Folder
from service.fhir.model import qualified, r4
from service.measure.evaluator import Evaluator
from service.measure.package import MeasurePackage, load_package
from service.measure.period import Period
from service.measure.requirements import data_requirements
from tests.conformance.cms_deck import deck
from tests.fhir_models import check_r4

pytestmark = pytest.mark.skipif(
    not deck.there(), reason=f"the CMS deck is neither in {deck.DECK} nor at {deck.TAR}"
)

MEASURES = deck.measures() if deck.there() else []
Json = Mapping[str, Any]


@pytest.mark.parametrize(
    "measure",
    [
        pytest.param(one, marks=() if place % 24 == 8 else pytest.mark.full)
        for place, one in enumerate(MEASURES)
    ],
)
def test_a_record_of_what_is_required_gives_the_same(measure: str) -> None:
    package = load_package(deck.unpacked() / measure / "measure-bundle.json")
    days = next(iter(deck.expected(measure).values()))["period"]
    period = Period.parse("/".join(days.values()))
    library = data_requirements(package.requirements, package.canonical, period)
    check_r4(library)
    required = Required(package, library["dataRequirement"])
    evaluator = Evaluator(package, period)
    with Folder(deck.unpacked() / measure / "tests") as folder:
        folder.gather()
        for found in folder.patients():
            whole = evaluator.evaluate(found.record)
            assert evaluator.evaluate(required.of(found.record)) == whole


def test_dates_are_filtered_where_the_logic_takes_nothing_else() -> None:
    """CMS349 takes qualifying encounters during the period, and laboratory tests of any time."""
    (name,) = (one for one in MEASURES if one.startswith("CMS349"))
    package = load_package(deck.unpacked() / name / "measure-bundle.json")
    library = data_requirements(package.requirements, package.canonical, Period.parse("2026"))
    filters: dict[str, list[Any]] = {}
    for one in library["dataRequirement"]:
        filters.setdefault(one["type"], []).append(one.get("dateFilter"))
    beyond = {"start": "2025-12-31T00:00:00.000+00:00", "end": "2027-01-01T23:59:59.999+00:00"}
    assert [{"path": "period", "valuePeriod": beyond}] in filters["Encounter"]
    assert set(map(str, filters["Observation"])) == {"None"}


@pytest.mark.parametrize(
    ("measure", "units"),
    [("CMS165", {"mm[Hg]"}), ("CMS144", {"/min", "%"}), ("CMS349", set())],
)
def test_units_are_those_of_what_the_logic_compares(measure: str, units: set[str]) -> None:
    """Blood pressures, heart rates and ejection fractions; ages and days are none."""
    (name,) = (one for one in MEASURES if one.startswith(measure))
    package = load_package(deck.unpacked() / name / "measure-bundle.json")
    assert package.requirements.units == units


class Required:
    """DataRequirements as a source of data would use them."""

    def __init__(self, package: MeasurePackage, requirements: list[Json]) -> None:
        self.by_type: dict[str, list[Json]] = {}
        for one in requirements:
            self.by_type.setdefault(one["type"], []).append(one)
        self.members = {
            url: frozenset((code.system, code.code) for code in package.requirements.expansion(url))
            for url in package.requirements.value_sets
        }

    def of(self, record: PatientRecord) -> PatientRecord:
        """The record with what is required, and no more."""
        kept = {
            type_: [
                self._elements(one, self.by_type[type_])
                for one in found
                if any(self._meets(one, required) for required in self.by_type[type_])
            ]
            for type_, found in record.resources.items()
            if type_ in self.by_type
        }
        return PatientRecord(record.id, {type_: found for type_, found in kept.items() if found})

    def _meets(self, resource: Json, required: Json) -> bool:
        return all(self._coded(resource, one) for one in required.get("codeFilter", ())) and all(
            _within(resource, one) for one in required.get("dateFilter", ())
        )

    def _coded(self, resource: Json, filter_: Json) -> bool:
        """Whether a code is in the set or listed; or, of what was not done, the set itself."""
        found = list(_codings(resource, filter_["path"]))
        if "valueSet" in filter_:
            members = self.members[filter_["valueSet"]]
            bare = {code for _, code in members}
            return any(
                (system, code) in members or (system is None and code in bare)
                for system, code in found
            ) or filter_["valueSet"] in _whole_sets(resource, filter_["path"])
        listed = {(code.get("system"), code["code"]) for code in filter_["code"]}
        return any(
            code in listed or (code[0] is None and code[1] in {one for _, one in listed})
            for code in found
        )

    def _elements(self, resource: Json, required: list[Json]) -> Json:
        names = {name for one in required for name in one.get("mustSupport", ())}
        every = r4().elements(qualified(resource["resourceType"]))
        wanted = every if "*" in names else names
        kept = {"resourceType"}
        for element in wanted:
            for name in json_names(element, every[element]):
                kept |= {name, f"_{name}"}
        return {name: value for name, value in resource.items() if name in kept}


def _at(resource: Json, path: str) -> Iterator[Any]:
    """The values of an element, or of one of its types where it has a choice."""
    for name, value in resource.items():
        if name == path or (name.startswith(path) and name[len(path)].isupper()):
            yield from value if isinstance(value, list) else [value]


def _codings(resource: Json, path: str) -> Iterator[tuple[str | None, str | None]]:
    for value in _at(resource, path):
        if isinstance(value, str):
            yield None, value
            continue
        for coding in value.get("coding", [value]):
            yield coding.get("system"), coding.get("code")


def _whole_sets(resource: Json, path: str) -> set[str]:
    values = [one for one in _at(resource, path) if isinstance(one, dict)]
    extensions = [one for value in values for one in value.get("extension", ())]
    return {one.get("valueCanonical", one.get("valueUri", "")) for one in extensions}


def _within(resource: Json, filter_: Json) -> bool:
    """Whether a date lies in the period, or all of a Period does."""
    start, end = (datetime.fromisoformat(filter_["valuePeriod"][name]) for name in ("start", "end"))
    return any(
        None not in bounds and start <= bounds[0] and bounds[1] <= end
        for bounds in map(_bounds, _at(resource, filter_["path"]))
    )


def _bounds(value: Any) -> tuple[Any, Any]:
    if isinstance(value, str):
        return _instant(value, first=True), _instant(value, first=False)
    return (
        _instant(value["start"], first=True) if "start" in value else None,
        _instant(value["end"], first=False) if "end" in value else None,
    )


def _instant(text: str, *, first: bool) -> datetime:
    """The first or last moment that a dateTime, perhaps a partial one, can mean."""
    parsed = DateTime.parse(text)
    assert parsed is not None
    known = [int(part) for part in text.partition("T")[0].split("-")]
    if "T" in text:
        return datetime.fromisoformat(text).replace(
            tzinfo=datetime.fromisoformat(text).tzinfo or UTC
        )
    if first:
        return datetime(*(known + [1, 1])[:3], tzinfo=UTC)
    days = Period.parse(text)
    return datetime(days.end.year, days.end.month, days.end.day, 23, 59, 59, tzinfo=UTC)
