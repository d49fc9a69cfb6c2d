"""The base of the network's tables, and instants as they are written in them."""

from datetime import UTC, datetime

from sqlalchemy.orm import registry
from sqlmodel import SQLModel


class NetworkTable(SQLModel, registry=registry()):
    """Base of the network's tables; a registry of their own keeps the site's tables out."""


def instant(moment: datetime | None = None) -> str:
    """A moment, now by default, in UTC as ISO 8601 to the second: its order is that of time."""
    return (moment or datetime.now(UTC)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
