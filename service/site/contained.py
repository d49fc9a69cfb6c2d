"""Contained resources that others refer to, as resources of their own.

A medication that is no record of its own at the EHR comes within the request for it, which refers
to it as "#med" (http://hl7.org/fhir/R4/references.html#contained). Logic finds a medication by its
reference, so it is lifted out, under an id that is made of its holder's and its own.
"""

import re
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import msgspec
from msgspec import Raw

from service.fhir.compartment import SHARED

BETWEEN = "~"  # stands in no FHIR id
_WITHIN = re.compile(rb'"reference"\s*:\s*"#([^"]*)')
_CHOSEN_WITHIN = re.compile(rb'[a-z]Reference"\s*:\s*\{(?:[^{}]|\{[^{}]*\})*?"reference"\s*:\s*"#')


class _Holder(msgspec.Struct):
    contained: list[Raw] | None = None


class _Held(msgspec.Struct):
    resourceType: str = ""
    id: str = ""


class Lifted(NamedTuple):
    """A contained resource as one of its own: its type, its new id, and its text with the old."""

    type: str
    id: str
    json: bytes


def lift(
    json: bytes, holder: str, wanted: Callable[[str, str], bool]
) -> tuple[bytes, list[Lifted]]:
    """A resource that refers to resources of their own in place of those that it contains; and
    these.

    ``holder`` is what the ids begin with. Only what is nobody's own is lifted, and of that what is
    ``wanted`` by type and new id: a contained Observation is no Observation of the patient's.
    Raises ValueError for what is no such JSON.
    """
    heads = [msgspec.json.decode(held, type=_Held) for held in _contained(json)]
    times = Counter(head.id for head in heads)
    names: dict[bytes, tuple[str, str]] = {}
    for head in heads:
        id = f"{holder}{BETWEEN}{head.id}"
        sure = bool(head.id) and times[head.id] == 1
        if sure and head.resourceType in SHARED and wanted(head.resourceType, id):
            names[head.id.encode()] = head.resourceType, id

    def named(found: re.Match[bytes]) -> bytes:
        return found[1] + "/".join(names[found[2]]).encode()

    if not names:
        return json, []
    listed = b"|".join(map(re.escape, names))
    json = re.sub(rb'("reference"\s*:\s*")#(' + listed + rb')(?=")', named, json)
    lifted = [
        Lifted(*names[key], bytes(held))
        for held in _contained(json)
        if (key := msgspec.json.decode(held, type=_Held).id.encode()) in names
    ]
    return json, lifted


def refers_within(json: bytes, beside: frozenset[bytes] = frozenset()) -> bool:
    """Whether something that it contains is referred to, but for ids that are known to be of no
    matter. What a value or a medication is (`medicationReference`) always matters."""
    return not beside.issuperset(_WITHIN.findall(json)) or _CHOSEN_WITHIN.search(json) is not None


def _contained(json: bytes) -> list[Raw]:
    return msgspec.json.decode(json, type=_Holder).contained or []
