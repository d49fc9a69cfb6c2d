"""Retrieves: which of a patient's resources a `Retrieve` gives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from service.cql.model import Conforms, Model, json_names
from service.cql.types import NamedType, Type
from service.cql.values import Code, Concept, ValueSet

# How a coded element is looked up: (system, code); (BARE, code) where the element has no system;
# (WHOLE, URL) where it stands for a whole value set; for `=` all four parts of a code.
Key = tuple[str | None, ...]
BARE = "bare"
WHOLE = "value set"

CodeReader = Callable[[Mapping[str, Any]], Iterable[Key]]
KeysOf = Callable[[Any], Iterator[Key]]

# On a code that stands for what was not done: any code of this value set.
WHOLE_VALUE_SET = {
    "http://hl7.org/fhir/StructureDefinition/cqf-notDoneValueSet",
    "http://hl7.org/fhir/us/qicore/StructureDefinition/qicore-notDoneValueSet",
}


@dataclass(frozen=True, slots=True)
class DateUse:
    """What is retrieved is only used where its element `path` lies in the parameter's value.

    `coarse`: it is compared by days or longer, each at its own offset.
    """

    path: str
    parameter: str
    coarse: bool


@dataclass(frozen=True, slots=True)
class CodeUse:
    """What is retrieved is only used where its element `path` is equivalent to one of the codes."""

    path: str
    codes: tuple[Code, ...]


@dataclass(frozen=True, slots=True)
class RetrieveUse:
    """A retrieve of the logic: `type` is the resource type, `template` a profile.

    The code filter is `code_path` with the canonical URLs of value sets and direct codes; both are
    empty when the codes are only known when the logic runs. Of `dates` all hold, and so does
    `chosen`, which is asked beside the filter.
    """

    type: str
    template: str | None
    code_path: str | None
    value_sets: tuple[str, ...]
    codes: tuple[Code, ...]
    dates: tuple[DateUse, ...] = ()
    chosen: CodeUse | None = None


@dataclass(frozen=True, eq=False)
class Retrieval:
    """A retrieve without a code filter, or with one that is only known when the logic runs.

    `types` are the resource types to look through.
    """

    types: tuple[str, ...]
    conforms: Conforms | None
    read: CodeReader | None


@dataclass(frozen=True, eq=False)
class CodeIndex:
    """All retrieves of a program of one class and profile that filter one element by given codes.

    Each such retrieve has a slot; `slots` gives those that a key belongs to, so that a resource's
    codes are looked up once for all of them.
    """

    types: tuple[str, ...]
    conforms: Conforms | None
    read: CodeReader
    slots: dict[Key, list[int]] = field(default_factory=dict)
    _known: dict[frozenset[Key], int] = field(default_factory=dict)

    def add(self, keys: frozenset[Key]) -> int:
        """The slot of the retrieve by these keys."""
        if keys not in self._known:
            slot = self._known[keys] = len(self._known)
            for key in keys:
                self.slots.setdefault(key, []).append(slot)
        return self._known[keys]

    def matching(self, json: Mapping[str, Any]) -> Iterable[int]:
        """The slots of the retrieves that give a resource."""
        found = [slot for key in self.read(json) for slot in self.slots.get(key, ())]
        if not found or not (self.conforms is None or self.conforms(json)):
            return ()
        return found if len(found) == 1 else dict.fromkeys(found)


def keys_of(filter_: Any, comparator: str) -> frozenset[Key] | None:
    """The keys that match a code filter: a value set, a code, a concept, or a list of codes.

    None for a filter that is null. A value set compared with `~` is the set itself: it matches what
    stands for the whole of it. `=` asks for codes that are equal in all their parts.
    """
    match filter_:
        case None:
            return None
        case Code(code, system, version, display) if comparator == "=":
            return frozenset(((system, code, version, display),))
        case ValueSet() if comparator != "in":
            return frozenset(((WHOLE, filter_.id),))
        case ValueSet():
            return filter_.members | {(BARE, code) for code in filter_.bare}
        case Code(code, system):
            return frozenset(((system, code), (BARE, code)))
        case Concept(codes):
            return keys_of(list(codes), comparator)
        case str():
            return frozenset(((BARE, filter_),))
        case _:
            parts = [keys_of(item, comparator) for item in filter_]
            return frozenset(key for part in parts if part is not None for key in part)


def code_reader(
    model: Model, type_: NamedType, path: str, comparator: str = "~"
) -> CodeReader | None:
    """How the codes at `path` of a class are read from JSON; None if there are none at it."""
    readers = _EXACT_READERS if comparator == "=" else _READERS
    names = path.split(".")
    steps: list[dict[str, NamedType]] = []
    here: list[Type] = [type_]
    for name in names:
        found: dict[str, NamedType] = {}
        for one in here:
            element = model.element(one, name)
            if element is not None:
                found |= json_names(name, element)
        steps.append(found)
        here = list(found.values())
    coded = {name: _kind(model, of) for name, of in steps[-1].items()}
    last = {name: readers[kind] for name, kind in coded.items() if kind is not None}
    if not last:
        return None
    above = [tuple(step) for step in steps[:-1]]
    if not above and list(last.values()) == [_concept_keys]:
        (name,) = last
        return lambda json: _own_keys(json.get(name))
    return lambda json: _keys(_descend([json], above), last)


def _own_keys(value: Any) -> Iterable[Key]:
    """As `_keys`, of what most retrieves filter by: a resource's own CodeableConcept."""
    if type(value) is dict and "extension" not in value:
        return [(one.get("system"), one.get("code")) for one in value.get("coding") or ()]
    return [key for one in _many(value) for key in _concept_keys(one)]


def _kind(model: Model, type_: NamedType) -> str | None:
    if type_.local in ("CodeableConcept", "Coding"):
        return type_.local
    return "code" if model.primitive(type_.name) == "String" else None


def _descend(
    items: list[Mapping[str, Any]], steps: list[tuple[str, ...]]
) -> list[Mapping[str, Any]]:
    for names in steps:
        items = [below for item in items for name in names for below in _many(item.get(name))]
    return items


def _keys(items: list[Mapping[str, Any]], last: Mapping[str, KeysOf]) -> Iterator[Key]:
    for item in items:
        for name, read in last.items():
            for value in _many(item.get(name)):
                yield from read(value)


def _many(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _concept_keys(concept: Mapping[str, Any]) -> Iterator[Key]:
    for coding in concept.get("coding") or ():
        yield coding.get("system"), coding.get("code")
    for extension in concept.get("extension") or ():
        if extension.get("url") in WHOLE_VALUE_SET:
            yield WHOLE, extension.get("valueCanonical") or extension.get("valueUri")


def _coding_keys(coding: Mapping[str, Any]) -> Iterator[Key]:
    yield coding.get("system"), coding.get("code")


def _code_keys(code: str) -> Iterator[Key]:
    yield BARE, code


def _exact_keys(coding: Mapping[str, Any]) -> Iterator[Key]:
    yield tuple(coding.get(part) for part in ("system", "code", "version", "display"))


_READERS: dict[str, KeysOf] = {
    "CodeableConcept": _concept_keys,
    "Coding": _coding_keys,
    "code": _code_keys,
}
_EXACT_READERS: dict[str, KeysOf] = {
    "CodeableConcept": lambda json: (
        key for one in json.get("coding") or () for key in _exact_keys(one)
    ),
    "Coding": _exact_keys,
    "code": lambda json: iter(((None, json, None, None),)),
}
