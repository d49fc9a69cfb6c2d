"""Taking a forgotten patient out of what others' Patient.link says.

No measure reads that; the next pull brings it back, as long as the EHR says it.
"""

from collections.abc import Set

import msgspec
from msgspec import Raw


class _Reference(msgspec.Struct, frozen=True):
    reference: str = ""


class _Link(msgspec.Struct, frozen=True):
    other: _Reference = _Reference()


def unlinked(patient: str, ids: Set[str]) -> str | None:
    """A Patient without its links to these; None when it has none. Its other digits stay as the
    EHR wrote them."""
    try:
        fields = msgspec.json.decode(patient, type=dict[str, Raw])
        links = msgspec.json.decode(fields.get("link", b"[]"), type=list[Raw])
    except ValueError:
        return None
    left = [link for link in links if _linked(link) not in ids]
    if len(left) == len(links):
        return None
    fields["link"] = Raw(msgspec.json.encode(left))
    if not left:
        del fields["link"]
    return msgspec.json.encode(fields).decode()


def _linked(link: Raw) -> str:
    """The id that a link leads to, on whatever server and in whatever version."""
    try:
        reference = msgspec.json.decode(link, type=_Link).other.reference
    except ValueError:
        return ""
    return reference.partition("/_history/")[0].rpartition("/")[2]
