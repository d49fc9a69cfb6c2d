"""What people enter: aims, PDSA cycles, notes, decisions. Versioned: each change is a new row.

The newest row of a ``key`` counts, unless it is taken back; all earlier ones stay readable.
Texts hold no patient information: the forms say so, and they are shown to every reader.
"""

import json
from typing import Any, Literal

from sqlmodel import Field, Session, col, select

from service.network import audit
from service.network.table import NetworkTable, instant

Kind = Literal["aim", "pdsa", "note", "visibility", "sharing", "mapping"]
WARNING = "No patient information: no names, dates of birth, record numbers or stories of a person."


class Entry(NetworkTable, table=True):
    """One version of something that a person entered about a measure, a site, or both.

    ``content`` is JSON; its fields follow from ``kind``. ``taken_back`` marks the end of a key.
    """

    id: int | None = Field(default=None, primary_key=True)
    at: str = Field(default_factory=instant)
    by: str
    kind: str = Field(index=True)
    key: str = Field(index=True)
    measure: str | None = Field(default=None, index=True)
    site: str | None = None
    content: str
    taken_back: bool = False

    @property
    def fields(self) -> dict[str, Any]:
        """The content as it was entered."""
        found: dict[str, Any] = json.loads(self.content)
        return found


def enter(session: Session, entry: Entry) -> None:
    """Add a version, and its row in the audit."""
    session.add(entry)
    what = f"{entry.kind} {'taken back' if entry.taken_back else 'entered'}"
    audit.record(session, entry.by, what, entry.key, site=entry.site, measure=entry.measure)


def current(
    session: Session, kind: Kind, measure: str | None = None, as_of: str | None = None
) -> list[Entry]:
    """The newest version of each key that is not taken back, oldest key first.

    With ``measure``, those of that measure or of all measures; with ``as_of``, as they were then.
    """
    query = select(Entry).where(Entry.kind == kind).order_by(col(Entry.id))
    if measure is not None:
        query = query.where((col(Entry.measure) == measure) | (col(Entry.measure).is_(None)))
    if as_of is not None:
        query = query.where(Entry.at <= as_of)
    newest = {entry.key: entry for entry in session.exec(query)}
    return [entry for entry in newest.values() if not entry.taken_back]


def history(session: Session, key: str) -> list[Entry]:
    """All versions of one key, oldest first."""
    return list(session.exec(select(Entry).where(Entry.key == key).order_by(col(Entry.id))))
