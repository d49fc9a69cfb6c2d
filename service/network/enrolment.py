"""Enrolment: a site presents its public key, and a person accepts it or does not.

A request is signed with the key that it presents, which proves that the sender holds it. It
proves no more: staff compare the key's thumbprint with the site's people by another way before
they accept it. A known site asks again to rotate its key; both are then good for a while.
"""

import json
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from joserfc.errors import JoseError
from joserfc.jwk import OKPKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlmodel import Field as Column
from sqlmodel import Session, col, func, select

from service.errors import RefusedError, RequestError
from service.fhir import signature
from service.network import audit
from service.network.config import Slug
from service.network.roster import RECIPIENTS, Site, SiteKey, add_key, end_key, keys_of, put_site
from service.network.table import NetworkTable, instant

MOST_PENDING = 500
BODY_BYTES = 10_000
OVERLAP_DAYS = 30
VALID_DAYS = 730


class PublicKey(BaseModel):
    """An Ed25519 public key as `weir site key` prints it; a private half is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kty: Literal["OKP"]
    crv: Literal["Ed25519"]
    x: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{43}$")]
    alg: Literal["EdDSA"] = "EdDSA"
    use: Literal["sig"] = "sig"
    kid: Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,64}$")] | None = None

    @property
    def key(self) -> OKPKey:
        return OKPKey.import_key({"kty": self.kty, "crv": self.crv, "x": self.x})

    @property
    def known_as(self) -> str:
        """The key id, by default the RFC 7638 thumbprint."""
        return self.kid or self.key.thumbprint()


class Request(BaseModel):
    """What a site asks for: to report as ``site``, with this key, these measures."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    site: Slug
    name: Annotated[str, Field(min_length=1, max_length=100)]
    jwk: PublicKey
    measures: Annotated[tuple[Annotated[str, Field(max_length=250)], ...], Field(max_length=100)]


class Enrolment(NetworkTable, table=True):
    """One request and what became of it: pending, accepted or refused."""

    id: int | None = Column(default=None, primary_key=True)
    asked: str
    site: str
    name: str
    kid: str
    x: str
    measures: str
    state: str = "pending"
    decided: str | None = None
    decided_by: str | None = None


def ask(session: Session, body: bytes, signed: str | None) -> Enrolment:
    """Keep a request until a person decides; the same key asked for twice is one request.

    Raises RequestError: 401 when it is not signed with its own key, 422, 429.
    """
    try:
        request = Request.model_validate_json(body)
        own = request.jwk.key
    except (ValidationError, JoseError, ValueError) as error:
        todo = "See docs/network.md"
        what = "the request does not fit the schema of an enrolment"
        raise RequestError(422, "invalid", what, where="body", todo=todo) from error
    try:
        signature.verify(body, signed, lambda kid: own)
    except RefusedError as error:
        raise RequestError(401, "security", error.what, where=error.where) from error
    return _pending(session, request)


def _pending(session: Session, request: Request) -> Enrolment:
    kid = request.jwk.known_as
    if (key := session.get(SiteKey, kid)) and (key.x, key.site) != (request.jwk.x, request.site):
        raise RequestError(409, "conflict", "this key id is another key's", where="jwk.kid")
    found = session.exec(
        select(Enrolment).where(
            Enrolment.kid == kid,
            Enrolment.x == request.jwk.x,
            Enrolment.site == request.site,
            Enrolment.state != "refused",
        )
    ).first()
    if found is not None:
        return found
    waiting = session.exec(select(func.count()).where(col(Enrolment.state) == "pending")).one()
    if waiting >= MOST_PENDING:
        raise RequestError(429, "throttled", "too many requests wait for a decision")
    made = Enrolment(
        asked=instant(),
        site=request.site,
        name=request.name,
        kid=kid,
        x=request.jwk.x,
        measures=json.dumps(sorted(set(request.measures))),
    )
    session.add(made)
    audit.record(session, f"site {request.site}", "enrolment asked", request.site, kid=kid)
    session.commit()
    session.refresh(made)
    return made


def waiting(session: Session) -> list[Enrolment]:
    """The requests that wait for a decision, the oldest first."""
    query = select(Enrolment).where(Enrolment.state == "pending").order_by(col(Enrolment.id))
    return list(session.exec(query))


def accept(session: Session, who: str, request: Enrolment, measures: frozenset[str]) -> None:
    """Take a key: a new site may report ``measures``; a known one keeps what it may.

    Keys that the site has already stay good for OVERLAP_DAYS, so that nothing is lost meanwhile.
    """
    now = datetime.now(UTC)
    _decide(session, who, request, "accepted")
    recipients: frozenset[str] = frozenset(RECIPIENTS[:1])
    site = Site(request.site, request.name, measures, recipients)
    put_site(session, who, site, create_only=True)
    for key in keys_of(session, request.site):
        if key.state(instant(now)) == "good":
            until = instant(now + timedelta(days=OVERLAP_DAYS))
            end_key(session, who, key, until, revoke=False)
    if session.get(SiteKey, request.kid) is None:
        expires = instant(now + timedelta(days=VALID_DAYS))
        key = SiteKey(
            kid=request.kid, site=request.site, x=request.x, accepted=instant(), expires=expires
        )
        add_key(session, who, key)


def refuse(session: Session, who: str, request: Enrolment) -> None:
    """Do not take a key."""
    _decide(session, who, request, "refused")


def _decide(session: Session, who: str, request: Enrolment, state: str) -> None:
    if request.state != "pending":
        raise RequestError(409, "conflict", f"the request is {request.state} already")
    request.state, request.decided, request.decided_by = state, instant(), who
    session.add(request)
    audit.record(session, who, f"enrolment {state}", request.site, kid=request.kid)
