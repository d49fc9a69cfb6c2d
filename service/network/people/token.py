"""Bearer tokens for programs that read: one a reader, revocable, with the reader's own view.

A token reads `weir_<id>_<secret>`. The secret is 256 random bits, so a plain SHA-256 is enough
at rest: there is nothing to guess that a slow hash would slow down.
"""

import hashlib
import hmac
import json
import secrets
from datetime import UTC, datetime, timedelta

from sqlmodel import Field, Session

from service.errors import ConfigError
from service.network import audit
from service.network.people.role import Person, Role
from service.network.table import NetworkTable, instant

READERS = (Role.READER, Role.STAFF)


class ReaderToken(NetworkTable, table=True):
    """One token, without its secret; instants as they are written in this database."""

    __tablename__ = "reader_token"

    id: str = Field(primary_key=True)
    label: str
    role: str
    sites: str
    digest: str
    expires: str
    revoked: str | None = None


def make_token(session: Session, who: str, reader: Person, days: int) -> str:
    """Make a token for a reader and return its text, which is kept nowhere: only its hash is.

    Programs read and do no more. Raises ConfigError.
    """
    if reader.role not in READERS or not reader.name.strip() or not 1 <= days <= 3660:
        raise ConfigError(
            "a token has a label, the role of a reader or of staff, and 1 to 3660 days"
        )
    identifier, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
    expires = instant(datetime.now(UTC) + timedelta(days=days))
    sites = json.dumps(sorted(reader.sites))
    session.add(
        ReaderToken(
            id=identifier,
            label=reader.name.strip(),
            role=reader.role,
            sites=sites,
            digest=_digest(secret),
            expires=expires,
        )
    )
    audit.record(session, who, "token made", reader.name, id=identifier, expires=expires)
    return f"weir_{identifier}_{secret}"


def revoke_token(session: Session, who: str, identifier: str) -> None:
    """Revoke a token from now on; raises ConfigError when there is none."""
    token = session.get(ReaderToken, identifier)
    if token is None:
        raise ConfigError("there is no token of that id")
    token.revoked = token.revoked or instant()
    session.add(token)
    audit.record(session, who, "token revoked", token.label, id=identifier)


def reader_of(session: Session, text: str) -> Person | None:
    """Who a token's text belongs to; None when it is unknown, expired or revoked."""
    prefix, _, rest = text.partition("_")
    identifier, _, secret = rest.partition("_")
    token = session.get(ReaderToken, identifier)
    known = hmac.compare_digest(token.digest if token else _digest(""), _digest(secret))
    if token is None or not known or prefix != "weir":
        return None
    if token.revoked is not None or token.expires <= instant():
        return None
    return Person(f"token {token.label}", Role(token.role), frozenset(json.loads(token.sites)))


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
