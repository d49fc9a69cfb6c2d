"""Where codes stand in a resource."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from service.cql.model import json_names
from service.fhir.model import qualified, r4

Json = Mapping[str, Any]
CODED = frozenset({"CodeableConcept", "Coding"})


def concepts(resource: Json, type_name: str, path: str) -> Iterator[Json]:
    """The CodeableConcepts at a path, as ``hospitalization.dischargeDisposition``.

    A bare Coding is a concept of one coding.
    """
    way, last = _steps(type_name, path)
    held: list[Json] = [resource]
    for names in way:
        held = [item for one in held for name in names for item in _items(one, name)]
    for one in held:
        for name, is_coding in last:
            for item in _items(one, name):
                yield {"coding": [item]} if is_coding else item


def codings(concept: Json) -> list[Json]:
    """The codings of a concept; of one in words only, a coding without code."""
    given = concept.get("coding")
    listed = given if isinstance(given, list) else []
    found: list[Json] = [one for one in listed if isinstance(one, dict)]
    return found or [{"display": concept.get("text", "")}]


def key_of(coding: Any) -> tuple[str, str]:
    """System and code of a coding; "" for what it does not have."""
    if not isinstance(coding, dict):
        return "", ""
    return str(coding.get("system", "")), str(coding.get("code", ""))


def _items(held: Json, name: str) -> Iterator[Json]:
    """The objects that a property holds."""
    value = held.get(name)
    for item in value if isinstance(value, list) else (value,):
        if isinstance(item, dict):
            yield item


Names = tuple[str, ...]


@cache
def _steps(type_name: str, path: str) -> tuple[tuple[Names, ...], tuple[tuple[str, bool], ...]]:
    """The JSON properties on the way to a path's codes, step by step, and those at its end with
    whether each is a bare Coding."""
    *way, last = path.split(".")
    class_ = qualified(type_name)
    steps = []
    for element in way:
        named = json_names(element, r4().elements(class_)[element])
        steps.append(tuple(named))
        class_ = next(iter(named.values())).name
    of = r4().elements(class_).get(last)
    kinds = json_names(last, of) if of is not None else {}
    coded = {name: kind.local == "Coding" for name, kind in kinds.items() if kind.local in CODED}
    return tuple(steps), tuple(coded.items())
