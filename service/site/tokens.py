"""Local sign-in: bearer tokens that a site makes for its own developers and reviewers.

A token reads `weir_<id>_<secret>`. The secret is 256 random bits, so a plain SHA-256 is enough
at rest: there is nothing to guess that a slow hash would slow down.
"""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from sqlalchemy import Engine
from sqlmodel import Field, Session, select

from service.errors import ConfigError, RequestError
from service.site.database import SiteTable

PREFIX = "weir"
SECRET_BYTES = 32
UNKNOWN_DIGEST = hashlib.sha256(b"").hexdigest()


class AccessToken(SiteTable, table=True):
    """One token, without its secret; instants are UTC as ISO 8601 to the second."""

    __tablename__ = "access_token"

    id: str = Field(primary_key=True)
    label: str
    digest: str
    created: str
    expires: str
    revoked: str | None = None

    def state(self, now: datetime) -> Literal["good", "revoked", "expired"]:
        """Whether it can still be used."""
        if self.revoked is not None:
            return "revoked"
        return "expired" if self.expires <= _instant(now) else "good"


@dataclass(frozen=True)
class Caller:
    """Who signed in: a token's id and the label that the site gave it."""

    token: str
    label: str


def make_token(engine: Engine, label: str, lifetime: timedelta, now: datetime) -> str:
    """Make a token and return its text, which is kept nowhere: only its hash is."""
    if not label.strip() or lifetime <= timedelta():
        raise ConfigError("a token needs a label and a lifetime of at least a day")
    identifier, secret = secrets.token_hex(4), secrets.token_urlsafe(SECRET_BYTES)
    token = AccessToken(
        id=identifier,
        label=label.strip(),
        digest=_digest(secret),
        created=_instant(now),
        expires=_instant(now + lifetime),
    )
    with Session(engine) as session:
        session.add(token)
        session.commit()
    return f"{PREFIX}_{identifier}_{secret}"


def list_tokens(engine: Engine) -> Sequence[AccessToken]:
    """All tokens ever made, oldest first."""
    with Session(engine) as session:
        return session.exec(select(AccessToken).order_by(AccessToken.created)).all()


def revoke_token(engine: Engine, identifier: str, now: datetime) -> None:
    """Revoke a token from this instant on; a token once revoked stays as it was.

    Raises ConfigError when there is no token of that id.
    """
    with Session(engine) as session:
        token = session.get(AccessToken, identifier)
        if token is None:
            raise ConfigError(
                "there is no token of that id", todo="`weir site token --list` lists them"
            )
        token.revoked = token.revoked or _instant(now)
        session.add(token)
        session.commit()


def sign_in(engine: Engine, text: str, now: datetime) -> Caller:
    """Who a token's text belongs to.

    Raises RequestError 401 when it is unknown, expired or revoked. Only who holds the right
    secret is told which of the last two.
    """
    prefix, _, rest = text.partition("_")
    identifier, _, secret = rest.partition("_")
    token = _read(engine, identifier)
    digest = token.digest if token else UNKNOWN_DIGEST
    # Hashes are compared in constant time, and for an unknown id too.
    known = hmac.compare_digest(digest, _digest(secret))
    if token is None or not known or prefix != PREFIX:
        raise _refused("the bearer token is not known here")
    return _caller(token, now)


def still_signed_in(engine: Engine, caller: Caller, now: datetime) -> None:
    """Raise RequestError 401 when the caller's token was revoked or has expired meanwhile."""
    token = _read(engine, caller.token)
    if token is None:
        raise _refused("the bearer token is not known here")
    _caller(token, now)


def _read(engine: Engine, identifier: str) -> AccessToken | None:
    with Session(engine) as session:
        return session.get(AccessToken, identifier)


def _caller(token: AccessToken, now: datetime) -> Caller:
    match token.state(now):
        case "revoked":
            raise _refused("the bearer token was revoked")
        case "expired":
            raise _refused("the bearer token has expired", code="expired")
    return Caller(token.id, token.label)


def _refused(what: str, code: str = "login") -> RequestError:
    return RequestError(401, code, what, todo="`weir site token` makes a new one")


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")
