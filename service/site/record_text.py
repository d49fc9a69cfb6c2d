"""The text of a record as it is kept: on one line, with references that mean the same anywhere."""

import re
from collections.abc import Iterable, Set
from typing import Any

import msgspec

LONGEST = 4 * 2**20  # bytes of a record as kept
SURE = 1500  # bytes: no shorter record is too deep, or has too long a number, to be read again
DEEPEST = 200  # levels of arrays and objects: FHIR has a dozen
OF_ANY_TYPE = "Resource"  # of which all are (http://hl7.org/fhir/R4/resource.html)
_REFERENCE = b'"reference"'
_PLAIN = re.compile(rb'"reference":"[A-Z][A-Za-z]+/[^/?#"\\\s\x00-\x20\x7f]{1,256}"')
_URN = re.compile(rb'"reference"\s*:\s*"(urn:[^"\\\s]{1,256})')
_VERSIONED = re.compile(rb'("reference"\s*:\s*"[^"\\]*?)/_history/[^"\\]*(?=")')
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)
_ESCAPED_SLASH = b"\\/"
Reference = tuple[str, str]  # type and id
_look_through = msgspec.json.Decoder(float_hook=str).decode  # a number of any size


class RecordText:
    """Writes records for one EHR and the types of one plan."""

    def __init__(self, base_url: str, types: Set[str]) -> None:
        self._base = base_url.encode()
        self._absolute = re.compile(rb'("reference"\s*:\s*")' + re.escape(self._base) + b"/")
        # Whose a record is stands apart; references to other patients are not followed.
        named = b"|".join(name.encode() for name in sorted(types - {"Patient"})) or b"(?!)"
        self._referred = re.compile(
            rb'"reference"\s*:\s*"(https?://[^"\\\s]*/)?('
            + named
            + rb')/([^/?#"\\\s\x00-\x20\x7f]{1,256})'
        )
        self._named = re.compile(rf'"reference":"({named.decode()})/([^"]+)').findall

    def plain(self, json: bytes) -> bytes:
        """A record on one line, without a tab, slashes as such, its references relative and to no
        version: versions are not kept.

        Raises ValueError and RecursionError for what is no JSON that can be read.
        """
        if b"\t" in json or b"\r" in json:
            json = msgspec.json.format(json, indent=-1)
        if _ESCAPED_SLASH in json:
            json = _ESCAPE.sub(lambda found: b"/" if found[1] == b"/" else found[0], json)
        if self._base in json:
            json = self._absolute.sub(rb"\1", json)
        return _VERSIONED.sub(rb"\1", json) if b"/_history/" in json else json

    def references(self, json: bytes) -> frozenset[Reference]:
        """What is referred to; what is on another server goes by its whole address there.

        A urn:uuid names something within one Bundle, and nothing that could be found by it.
        """
        found = self._referred.findall(json)
        named = {(name.decode(), (base + id).decode()) for base, name, id in found}
        if b"urn:" in json:
            named |= {(OF_ANY_TYPE, urn.decode()) for urn in _URN.findall(json)}
        return frozenset(named)

    def plain_references(self, lines: list[str]) -> list[frozenset[Reference]]:
        """The same of several in which all references are plain (see `others_referred_to`)."""
        return list(map(frozenset, map(self._named, lines)))


def others_referred_to(text: bytes, known: int = 0) -> int | None:
    """How many things texts refer to besides ``known`` patients; None unless they are
    `RecordText.plain` already and all of these are of the form Type/id."""
    if b"\t" in text or b"\r" in text or b"\\" in text:
        return None
    refers = text.count(_REFERENCE)
    return refers - known if refers == known or refers == len(_PLAIN.findall(text)) else None


def is_unwieldy(json: bytes) -> bool:
    """Whether a record is too long, or what stands in it can be skipped and not be read."""
    if len(json) > LONGEST:
        return True
    if len(json) <= SURE:
        return False
    try:
        levels = [_look_through(json)]
    except (ValueError, RecursionError):
        return True
    if json.count(b"[") + json.count(b"{") <= DEEPEST:
        return False
    for _ in range(DEEPEST):
        levels = [held for one in levels for held in _held(one)]
    return bool(levels)


def _held(value: Any) -> Iterable[Any]:
    """The arrays and objects in one."""
    values = value.values() if isinstance(value, dict) else value
    return (one for one in values if isinstance(one, dict | list))
