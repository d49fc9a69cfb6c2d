"""Resource.meta: what is kept of it, and when a record was last changed, which stands apart.

Like all that is read of a record it is part of no cycle, and nothing the collector need see.
"""

import re
from operator import attrgetter
from typing import Any

import msgspec
from msgspec import Raw

_INSTANT, _LONGEST = b"-0123456789T:.Z+", 40
_matches_instant = re.compile(rf"[-0-9T:.Z+]{{1,{_LONGEST}}}").fullmatch
_meta, _profile, _updated = attrgetter("meta"), attrgetter("profile"), attrgetter("lastUpdated")
_tag = attrgetter("tag")
# http://hl7.org/fhir/R4/resource-definitions.html#Meta.tag: "not the complete resource"
_SUBSETTED = b'"SUBSETTED"'


class Meta(msgspec.Struct, omit_defaults=True, gc=False):
    """What is read of it; of that the profiles are kept."""

    profile: list[str] | None = None
    lastUpdated: str | None = ""
    security: Raw = Raw()
    tag: Raw = Raw()


class Unlabelled(msgspec.Struct, omit_defaults=True, gc=False):
    """The same of a record without security labels."""

    profile: list[str] | None = None
    lastUpdated: str | None = ""
    security: None = None
    tag: Raw = Raw()


def is_subset(tag: Raw) -> bool:
    """Whether the tags say that a record is not all there is of it."""
    return _SUBSETTED in bytes(tag)


def are_subsets(records: list[Any]) -> bool:
    """Whether any of several records says so."""
    return any(is_subset(meta.tag) for meta in map(_meta, records) if meta is not None and meta.tag)


def take_off(record: Any) -> str:
    """Takes off a record what is not kept; gives lastUpdated, or "" if it is no instant."""
    meta = record.meta
    if meta is None:
        return ""
    record.meta = Meta(meta.profile) if meta.profile else None
    told = meta.lastUpdated
    return told if told and _matches_instant(told) else ""


def take_off_all(records: list[Any]) -> list[str]:
    """The same of records that are `Unlabelled`."""
    metas = list(map(_meta, records))
    if all(metas) and all(map(_profile, metas)) and not any(map(_tag, metas)):
        updated = list(map(_updated, metas))
        if all(updated) and _are_instants(updated):
            for meta in metas:
                meta.lastUpdated = ""
            return updated
    return [take_off(record) for record in records]


def _are_instants(texts: list[str]) -> bool:
    other = "".join(texts).encode().translate(None, _INSTANT)
    return not other and max(map(len, texts)) <= _LONGEST
