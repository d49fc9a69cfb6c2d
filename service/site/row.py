"""What becomes of a line of a pull: a row of the store, a fault, or nothing that is asked for."""

from enum import Enum, auto

import msgspec

from service.site.verdict import Fault


class Row(msgspec.Struct, gc=False):
    """A record as it is stored. ``patient`` is None for what is nobody's, as a Location is.

    ``updated`` is meta.lastUpdated; ``day`` (YYYY-MM-DD, or YYYY-MM) when it was, as far as its
    type tells; ``doubt`` is what makes it doubtful that it is counted right; ``references`` are the
    (type, id) of the plan's types that it refers to; ``parts`` what it contains (see `contained`),
    and ``beside`` the ids of what it contained of other types.
    """

    type: str
    id: str
    patient: str | None
    updated: str
    day: str
    doubt: Fault | None = None
    json: bytes = b""
    references: frozenset[tuple[str, str]] = frozenset()
    parts: list["Row"] = []
    beside: frozenset[bytes] = frozenset()


class Unasked(Enum):
    """What no measure needs: a message that nothing is wrong, a record of none of the patients."""

    UNASKED = auto()


Read = Row | Fault | Unasked


class Unusable(Exception):
    """A record that is not kept, and why."""

    def __init__(self, why: Fault | Unasked) -> None:
        self.why = why
        super().__init__()
