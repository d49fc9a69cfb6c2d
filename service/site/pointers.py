"""What of a record must say which resource it means: else nobody could follow it.

A Reference may give an identifier or a name in place of an address
(http://hl7.org/fhir/R4/references.html#logical). What a measure looks for there, it then never
finds, and nobody would see that it was there.
"""

from collections.abc import Collection, Iterator, Set
from types import GenericAlias
from typing import Any

import msgspec

from service.cql.types import ListType, NamedType, Type
from service.fhir.model import qualified, r4

DEEPEST = 4  # levels of elements; no type of R4 has a reference below that is not a repetition
_REFERENCE = qualified("Reference")


class Pointer(msgspec.Struct, gc=False):
    """A Reference."""

    reference: str | None = None
    identifier: Any = None
    display: Any = None


def pointers_of(
    type_name: str, elements: Collection[str], types: Set[str]
) -> Iterator[tuple[str, msgspec.json.Decoder[Any]]]:
    """The elements in which there are references to resources of ``types``, each with what decodes
    them and nothing else of it.

    The model does not say what a reference may lead to; the name of its element does, where there
    is one to follow: ``encounter``, ``location``, ``condition``.
    """
    for name, kind in r4().elements(qualified(type_name)).items():
        if name in elements and (found := _pointers(name, kind, types, DEEPEST)) is not None:
            yield name, msgspec.json.Decoder(found)


def _pointers(name: str, kind: Type, types: Set[str], depth: int) -> Any:
    """The type of an element's values with nothing but their references; None if it has none."""
    if isinstance(kind, ListType):
        each = _pointers(name, kind.element, types, depth)
        return None if each is None else GenericAlias(list, each) | None
    if not isinstance(kind, NamedType):
        return None
    if kind.name == _REFERENCE:
        return Pointer | None if name[0].upper() + name[1:] in types else None
    if not depth or kind.name not in r4().classes or r4().primitive(kind.name):
        return None
    parts = [
        (each, found, None)
        for each, of in r4().elements(kind.name).items()
        if (found := _pointers(each, of, types, depth - 1)) is not None
    ]
    return msgspec.defstruct("Part", parts, gc=False) | None if parts else None


def all_point(value: Any) -> bool:
    """Whether each reference of what was decoded says which resource it means."""
    if value is None:
        return True
    if isinstance(value, Pointer):
        return bool(value.reference) or not (value.identifier or value.display)
    held = value if isinstance(value, list) else msgspec.structs.astuple(value)
    return all(map(all_point, held))
