"""What every request needs: the configuration, a session on the database, and who asks."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy import Engine
from sqlmodel import Session
from starlette.concurrency import run_in_threadpool

from service.errors import RequestError
from service.network.background import Background
from service.network.cache import Cache
from service.network.config import Measure, NetworkConfig
from service.network.counter import Counter
from service.network.keyring import Keyring
from service.network.people.account import signed_in
from service.network.people.role import ANYONE, Action, Person, Role, may
from service.network.people.rules import RULES
from service.network.people.token import reader_of

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
EVERYBODY = Person("open access", Role.STAFF)  # of a network that has no sign-in


@dataclass(frozen=True)
class Network:
    """The running program's configuration, database, secrets, and what it has made already."""

    config: NetworkConfig
    engine: Engine
    keyring: Keyring
    counter: Counter
    background: Background
    cache: Cache = field(default_factory=Cache)


async def network(request: Request) -> Network:
    """The network that this application serves; async, since a thread would cost more than it."""
    found = request.app.state.network
    assert isinstance(found, Network)  # set by create_app
    return found


NetworkDep = Annotated[Network, Depends(network)]


def session(served: NetworkDep) -> Iterator[Session]:
    """A session that is closed with the answer."""
    with Session(served.engine) as opened:
        yield opened


SessionDep = Annotated[Session, Depends(session)]


async def guard(request: Request, served: NetworkDep) -> Person:
    """Who asks, if they may do what the route does; raises RequestError 401 or 403."""
    person, by_token = await _asking(request, served)
    action = RULES.get(request.scope["route"].name)
    writes = request.method not in ("GET", "HEAD")
    if action is None or (by_token and writes and action is not Action.OPEN):
        raise RequestError(403, "forbidden", "this is not for programs")
    require(person, action)
    return person


def require(person: Person, action: Action, site: str | None = None) -> None:
    """Raise RequestError unless the person may do this: 401 when signing in could help."""
    if may(person, action, site):
        return
    if person.role is Role.ANYONE:
        raise RequestError(401, "login", "please sign in", todo="See /sign-in")
    raise RequestError(403, "forbidden", "your account does not permit this")


async def _asking(request: Request, served: Network) -> tuple[Person, bool]:
    """Who asks, and whether by a token; asks the database only where there is something to ask."""
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return await run_in_threadpool(_reader, served, text.strip()), True
    if served.config.access == "open":
        if request.url.hostname not in LOOPBACK:
            raise RequestError(403, "forbidden", "an open network answers on 127.0.0.1 only")
        return EVERYBODY, False
    ticket = request.session.get("who", "")
    return (await run_in_threadpool(_account, served, ticket) if ticket else ANYONE), False


def _reader(served: Network, text: str) -> Person:
    with Session(served.engine) as db:
        reader = reader_of(db, text)
    if reader is None:
        raise RequestError(401, "login", "the token is unknown, revoked or has expired")
    return reader


def _account(served: Network, ticket: str) -> Person:
    with Session(served.engine) as db:
        account = signed_in(db, ticket)
        return account.person if account else ANYONE


PersonDep = Annotated[Person, Depends(guard)]


def measure(measure_id: str, served: NetworkDep) -> Measure:
    """The measure that a path names; raises RequestError (404)."""
    found = served.config.measure_of_id(measure_id)
    if found is None:
        raise RequestError(
            404, "not-found", "the network has no such measure", todo="See the list at /"
        )
    return found


MeasureDep = Annotated[Measure, Depends(measure)]
