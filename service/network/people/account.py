"""Local accounts, and the sessions of those who signed in.

Passwords are kept as Argon2id hashes (RFC 9106, argon2-cffi's defaults). A person who signs in by
OpenID Connect has an account without a password: the administrator says what they may.
"""

import hashlib
import json
import secrets
from datetime import UTC, datetime, timedelta

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from sqlmodel import Field, Session, select

from service.errors import ConfigError
from service.network import audit
from service.network.people.role import Person, Role
from service.network.table import NetworkTable, instant

SHORTEST = 12
SESSION_HOURS = 12
FAILURES, LOCKED_MINUTES = 10, 15
HASHER = PasswordHasher()
_NOBODYS = HASHER.hash(secrets.token_urlsafe())


class Account(NetworkTable, table=True):
    """A person: ``sites`` is a JSON list of the sites that they belong to."""

    name: str = Field(primary_key=True)  # an e-mail address, in lower case
    role: str
    sites: str = "[]"
    password: str | None = None
    disabled: bool = False
    failures: int = 0
    locked_until: str | None = None
    looked: str | None = None  # when they last looked at the home page
    looked_before: str | None = None

    @property
    def person(self) -> Person:
        return Person(self.name, Role(self.role), frozenset(json.loads(self.sites)))


class SignIn(NetworkTable, table=True):
    """One session of a browser; only the hash of its secret is kept."""

    __tablename__ = "sign_in"

    digest: str = Field(primary_key=True)
    account: str = Field(index=True)
    expires: str


def put_account(session: Session, who: str, person: Person, password: str | None = None) -> Account:
    """Make an account or change it; signs the person out everywhere. Raises ConfigError."""
    if password is not None and len(password) < SHORTEST:
        raise ConfigError(f"a password has at least {SHORTEST} characters")
    name = person.name.strip().lower()
    account = session.get(Account, name) or Account(name=name, role=person.role)
    account.role, account.sites = person.role, json.dumps(sorted(person.sites))
    account.disabled = False
    if password is not None:
        account.password = HASHER.hash(password)
    session.add(account)
    sign_out_everywhere(session, name)
    detail = {"role": person.role, "sites": account.sites, "password": password is not None}
    audit.record(session, who, "account changed", name, **detail)
    return account


def disable(session: Session, who: str, name: str) -> None:
    """End an account from now on; raises ConfigError when there is none."""
    account = session.get(Account, name)
    if account is None:
        raise ConfigError("there is no account of that name")
    account.disabled = True
    session.add(account)
    sign_out_everywhere(session, name)
    audit.record(session, who, "account disabled", name)


def check_password(session: Session, name: str, password: str) -> Account | None:
    """The account that name and password open; takes as long when there is none.

    After FAILURES wrong passwords in a row an account stays shut for LOCKED_MINUTES.
    """
    now = datetime.now(UTC)
    account = session.get(Account, name.strip().lower())
    shut = account is None or account.disabled or (account.locked_until or "") > instant(now)
    right = _fits(account.password if account else None, password)
    if account is None or shut:
        return None
    account.failures = 0 if right else account.failures + 1
    if account.failures >= FAILURES:
        account.failures = 0
        account.locked_until = instant(now + timedelta(minutes=LOCKED_MINUTES))
    session.add(account)
    audit.record(session, account.name, "signed in" if right else "sign-in refused", account.name)
    return account if right else None


def begin(session: Session, account: Account) -> str:
    """Start a session; returns its secret, for the browser's cookie."""
    secret = secrets.token_urlsafe(32)
    expires = instant(datetime.now(UTC) + timedelta(hours=SESSION_HOURS))
    session.add(SignIn(digest=_digest(secret), account=account.name, expires=expires))
    return secret


def signed_in(session: Session, secret: str) -> Account | None:
    """The account of a session that has not ended."""
    found = session.get(SignIn, _digest(secret))
    if found is None or found.expires <= instant():
        return None
    account = session.get(Account, found.account)
    return None if account is None or account.disabled else account


def sign_out(session: Session, secret: str) -> None:
    """End one session."""
    found = session.get(SignIn, _digest(secret))
    if found is not None:
        session.delete(found)


def sign_out_everywhere(session: Session, name: str) -> None:
    """End all sessions of an account."""
    for found in session.exec(select(SignIn).where(SignIn.account == name)):
        session.delete(found)


def _fits(kept: str | None, password: str) -> bool:
    try:
        return HASHER.verify(kept or _NOBODYS, password) and kept is not None
    except (Argon2Error, InvalidHashError):
        return False


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
