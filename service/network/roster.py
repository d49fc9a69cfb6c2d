"""Who belongs to the network: its sites, what each may report and to whom, and their keys.

The database holds it, so that staff can accept a site or revoke a key at once; the sites of
network.toml are entered when the program starts, if they are not there yet.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from joserfc.jwk import OKPKey
from sqlmodel import Field, Session, col, select

from service.network import audit
from service.network.config import Measure, NetworkConfig, SiteEntry
from service.network.table import NetworkTable, instant

WARN_DAYS = 30
RECIPIENTS = ("members", "public")
CHANGES = ENTERED, CHANGED = "site entered", "site changed"  # as the audit calls them
KeyState = Literal["good", "revoked", "expired"]


class SiteRow(NetworkTable, table=True):
    """A site: ``measures`` and ``recipients`` are JSON lists."""

    __tablename__ = "site"

    id: str = Field(primary_key=True)
    name: str
    measures: str
    recipients: str


class SiteKey(NetworkTable, table=True):
    """A public signing key of a site, accepted by a person; several may be good at once."""

    __tablename__ = "site_key"

    kid: str = Field(primary_key=True)
    site: str = Field(index=True)
    x: str  # the public key, base64url (RFC 8037)
    accepted: str
    expires: str | None = None
    revoked: str | None = None

    @property
    def public_key(self) -> OKPKey:
        return OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": self.x})

    def state(self, now: str) -> KeyState:
        """Whether reports signed with it are taken at this instant."""
        if self.revoked is not None:
            return "revoked"
        return "expired" if self.expires is not None and self.expires <= now else "good"

    def expires_soon(self, now: datetime) -> bool:
        """Whether people should see to the next key."""
        soon = instant(now + timedelta(days=WARN_DAYS))
        return self.state(instant(now)) == "good" and (self.expires or "9") <= soon


@dataclass(frozen=True)
class Site:
    """A center: the measures that it may report, and who besides the staff may see its numbers.

    ``recipients`` are of RECIPIENTS: "members" may see its line, "public" may see sums it is in.
    """

    id: str
    name: str
    measures: frozenset[str]
    recipients: frozenset[str] = frozenset(RECIPIENTS)


@dataclass(frozen=True)
class Roster:
    """All sites, by name and never by rank."""

    sites: tuple[Site, ...]

    def site(self, site_id: str) -> Site | None:
        return next((site for site in self.sites if site.id == site_id), None)

    @property
    def members(self) -> list[Site]:
        """The sites that may report anything: who has left may report nothing."""
        return [site for site in self.sites if site.measures]

    def reporters(self, measure: Measure) -> list[Site]:
        """The sites that may report ``measure``."""
        return [site for site in self.sites if measure.url in site.measures]


def roster_of(session: Session) -> Roster:
    """The sites as they are now; read once in a session."""
    known = session.info.get("roster")
    if not isinstance(known, Roster):
        sites = [_site(row) for row in session.exec(select(SiteRow))]
        known = Roster(tuple(sorted(sites, key=lambda site: (site.name, site.id))))
        session.info["roster"] = known
    return known


def sites_of_keys(session: Session, kids: Iterable[str]) -> dict[str, tuple[Site, SiteKey]]:
    """The site that signs with each key, and the key in whatever state it is; by the key's id."""
    query = select(SiteKey, SiteRow).join(SiteRow, col(SiteRow.id) == col(SiteKey.site))
    found = session.exec(query.where(col(SiteKey.kid).in_(set(kids))))
    return {key.kid: (_site(row), key) for key, row in found}


def keys_of(session: Session, site: str) -> list[SiteKey]:
    """All keys that a site ever had, the newest first."""
    found = session.exec(select(SiteKey).where(SiteKey.site == site))
    return sorted(found, key=lambda key: (key.accepted, key.kid), reverse=True)


def put_site(session: Session, who: str, site: Site, *, create_only: bool = False) -> None:
    """Enter a site or change what it may; audited when it changes anything."""
    row = session.get(SiteRow, site.id)
    if row is not None and (create_only or _site(row) == site):
        return
    session.info.pop("roster", None)
    new = row or SiteRow(id=site.id, name="", measures="", recipients="")
    new.name = site.name
    new.measures, new.recipients = _listed(site.measures), _listed(site.recipients)
    session.add(new)
    detail = {"name": site.name, "measures": new.measures, "recipients": new.recipients}
    audit.record(session, who, CHANGED if row else ENTERED, site.id, **detail)


def add_key(session: Session, who: str, key: SiteKey) -> None:
    """Accept a key; audited."""
    session.add(key)
    audit.record(session, who, "key accepted", key.site, kid=key.kid, expires=key.expires)


def end_key(session: Session, who: str, key: SiteKey, at: str, *, revoke: bool) -> None:
    """Let a key expire at ``at``, or revoke it from ``at`` on; never later than it would."""
    if revoke:
        key.revoked = key.revoked or at
    else:
        key.expires = min(at, key.expires or at)
    session.add(key)
    what = "key revoked" if revoke else "key expires"
    audit.record(session, who, what, key.site, kid=key.kid, at=at)


def seed(session: Session, config: NetworkConfig) -> None:
    """Enter what network.toml has and the database lacks; a revocation there always counts."""
    for entry in config.sites:
        _seed_site(session, entry)
    session.commit()


def _seed_site(session: Session, entry: SiteEntry) -> None:
    who = "network.toml"
    recipients = frozenset(entry.recipients)
    site = Site(entry.id, entry.name, entry.measures, recipients)
    put_site(session, who, site, create_only=True)
    key = session.get(SiteKey, entry.kid)
    if key is None:
        key = SiteKey(kid=entry.kid, site=entry.id, x=entry.jwk["x"], accepted=instant())
        add_key(session, who, key)
    if entry.revoked and key.revoked is None:
        end_key(session, who, key, instant(datetime.now(UTC)), revoke=True)


def _site(row: SiteRow) -> Site:
    measures, recipients = json.loads(row.measures), json.loads(row.recipients)
    return Site(row.id, row.name, frozenset(measures), frozenset(recipients))


def _listed(names: Iterable[str]) -> str:
    return json.dumps(sorted(names))
