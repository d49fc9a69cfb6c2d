"""Whose a record is, from its JSON: the patients that it names as its subject."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec

from service.fhir.compartment import patient_link

PATIENT = re.compile(r"(?:.*/)?Patient/([A-Za-z0-9.\-]{1,64})(?:/_history/.*)?")


@cache
def head_of(kind: str) -> type[Any]:
    """What has to be known of a record of that type to say whose it is; the rest is skipped."""
    link = (patient_link(kind) or "").partition(".")[0]
    fields: list[Any] = [("resourceType", str), ("id", str, "")]
    if link:
        fields.append((link, Any, None))
    rename = {"for": "for_"}
    return msgspec.defstruct(
        "Head", [(rename.get(name, name), *rest) for name, *rest in fields], rename=_json_name
    )


def _json_name(name: str) -> str:
    return name.removesuffix("_")


def owners(kind: str, line: bytes) -> list[str]:
    """The ids of a record's patients. Raises ValueError when it is no JSON of that shape."""
    return owners_of(msgspec.json.decode(line, type=head_of(kind)), kind)


def owners_of(head: Any, kind: str) -> list[str]:
    """The same from what `head_of` gives."""
    found = (PATIENT.fullmatch(text) for text in references_of(head, kind))
    return list(dict.fromkeys(match[1] for match in found if match))


def references_of(head: Any, kind: str) -> Iterator[str]:
    """What a record says of whose it is, as the server wrote it."""
    link = patient_link(kind)
    if link is not None:
        first, *rest = link.split(".")
        yield from _follow(getattr(head, "for_" if first == "for" else first), rest)


def _follow(value: Any, path: list[str]) -> Iterator[str]:
    """The references at the end of a path, through lists."""
    if isinstance(value, list):
        for item in value:
            yield from _follow(item, path)
    elif isinstance(value, dict) and path:
        yield from _follow(value.get(path[0]), path[1:])
    elif isinstance(value, dict) and isinstance(value.get("reference"), str):
        yield value["reference"]
