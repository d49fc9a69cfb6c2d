"""Who changed what, and when: one row a change, never changed or deleted."""

import json
from typing import Any

from sqlmodel import Field, Session

from service.network.table import NetworkTable, instant


class Audit(NetworkTable, table=True):
    """One change: ``who`` made it, ``what`` it was (a fixed word), ``about`` whom or what."""

    id: int | None = Field(default=None, primary_key=True)
    at: str = Field(default_factory=instant, index=True)
    who: str
    what: str
    about: str
    detail: str = "{}"


def record(session: Session, who: str, what: str, about: str, **detail: Any) -> None:
    """Add a row to the audit, in the transaction that makes the change."""
    session.add(Audit(who=who, what=what, about=about, detail=json.dumps(detail, sort_keys=True)))
