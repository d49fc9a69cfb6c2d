"""Enrolment: a site presents its public key, and a person accepts it or does not.

A request is signed with the key that it presents, which proves that the sender holds it. It
proves no more: staff compare the key's six words with the site's people by telephone before they
accept it. A known site asks again to rotate its key; both are then good for a while. The gateway's
key, which signs the heads of the ledger, is presented and accepted in the same way.
"""

import json
from datetime import UTC, datetime, timedelta

from sqlmodel import Field as Column
from sqlmodel import Session, col, func, select

from service.errors import RefusedError, RequestError
from service.fhir.fingerprint import fingerprint
from service.measure.enrolment import Request, State, read
from service.network import audit, heads
from service.network.roster import RECIPIENTS, Site, SiteKey, add_key, end_key, keys_of, put_site
from service.network.table import NetworkTable, instant

MOST_PENDING = 500
BODY_BYTES = 10_000
OVERLAP_DAYS = 30
VALID_DAYS = 730


class Enrolment(NetworkTable, table=True):
    """One request and what became of it: pending, accepted or refused."""

    id: int | None = Column(default=None, primary_key=True)
    asked: str
    site: str
    name: str
    kid: str
    x: str
    use: str = "reports"
    measures: str
    state: str = "pending"
    decided: str | None = None
    decided_by: str | None = None

    @property
    def words(self) -> str:
        """The key in six words, as the site's own program prints them."""
        return fingerprint(self.x)


def ask(session: Session, body: bytes, signed: str | None) -> tuple[Request, State]:
    """Keep a request until a person decides; the same key asked for twice is one request.

    Returns it, and how far it is. Raises RequestError: 401 when it is not signed with its own
    key, 409, 422, 429.
    """
    try:
        request = read(body, signed)
    except ValueError as error:
        todo = "See docs/network.md"
        raise RequestError(422, "invalid", str(error), where="body", todo=todo) from error
    except RefusedError as error:
        raise RequestError(401, "security", error.what, where=error.where) from error
    state = _known(session, request)
    if state is None:
        _keep(session, request)
    return request, state or "pending"


def _known(session: Session, request: Request) -> State | None:
    """How far the key is that a request presents; None when it is new, or was refused."""
    if request.use == "ledger":
        if any(each.x == request.jwk.x for each in heads.enrolled(session, request.site)):
            return "accepted"
    else:
        _same_key(session, request)
        for key in keys_of(session, request.site):
            if key.x == request.jwk.x:
                state = key.state(instant())
                return "accepted" if state == "good" else state
    asked = select(Enrolment.id).where(
        Enrolment.x == request.jwk.x,
        Enrolment.site == request.site,
        Enrolment.use == request.use,
        Enrolment.state == "pending",
    )
    return "pending" if session.exec(asked).first() else None


def _same_key(session: Session, request: Request) -> None:
    key = session.get(SiteKey, request.jwk.known_as)
    if key and (key.x, key.site) != (request.jwk.x, request.site):
        todo = "Let the key's id be its thumbprint, as `weir site enrol` does"
        what = "this key id is another key's"
        raise RequestError(409, "conflict", what, where="jwk.kid", todo=todo)


def _keep(session: Session, request: Request) -> None:
    many = session.exec(select(func.count()).where(col(Enrolment.state) == "pending")).one()
    if many >= MOST_PENDING:
        todo = "Ask the network's staff to decide about those that wait"
        what = "too many requests wait for a decision"
        raise RequestError(429, "throttled", what, todo=todo)
    kid = request.jwk.known_as
    made = Enrolment(
        asked=instant(),
        site=request.site,
        name=request.name,
        kid=kid,
        x=request.jwk.x,
        use=request.use,
        measures=json.dumps(sorted(set(request.measures))),
    )
    session.add(made)
    who = f"site {request.site}"
    audit.record(session, who, "enrolment asked", request.site, kid=kid, use=request.use)
    session.commit()


def waiting(session: Session) -> list[Enrolment]:
    """The requests that wait for a decision, the oldest first."""
    query = select(Enrolment).where(Enrolment.state == "pending").order_by(col(Enrolment.id))
    return list(session.exec(query))


def accept(session: Session, who: str, request: Enrolment, measures: frozenset[str]) -> None:
    """Take a key: a new site may report ``measures``; a known one keeps what it may.

    Keys that the site has already stay good for OVERLAP_DAYS, so that nothing is lost meanwhile.
    A ledger's key changes nothing of what the site may: a new ledger has to begin with it.
    """
    _decide(session, who, request, "accepted")
    if request.use == "ledger":
        heads.enrol(session, who, request.site, request.x)
    else:
        _take_key(session, who, request, measures)


def _take_key(session: Session, who: str, request: Enrolment, measures: frozenset[str]) -> None:
    now = datetime.now(UTC)
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
