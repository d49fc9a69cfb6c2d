"""How a site's keys are presented to the network: the engine's from the spool, the gateway's own.

What is sent are public keys, the site's name and the addresses of its measures. The gateway judges
the engine's request like a report: it lets pass nothing but a request of this site, for the key
that it knows as the engine's, signed with it. Of the network's answer one word is read.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args

import httpx

from service.errors import ConfigError, RefusedError, StoreError, UnavailableError
from service.fhir import signature
from service.gateway.catalogue import read_catalogue
from service.gateway.config import GatewayConfig, public_keys
from service.gateway.destination import decoded
from service.gateway.gateway import Gateway
from service.gateway.keys import public_x
from service.gateway.row import Presented
from service.gateway.spool import Spool
from service.gateway.way_out import WayOut, open_way_out
from service.measure import enrolment
from service.measure.enrolment import Request, State
from service.measure.summary import sha256

TODO = {
    401: "Make the request anew: `weir site enrol`, then `weir gateway enrol`",
    404: "Check the address in [network]: what answers there is no Weir network",
    409: "Ask the network's staff: they know this key's id as another key's",
    429: "Ask the network's staff to decide about those that wait, and try again",
}


@dataclass(frozen=True)
class Introduction:
    """One key to be presented: what is asked, its exact bytes, and their signature."""

    request: Request
    body: bytes
    signature: str


def introductions(gateway: Gateway) -> list[Introduction]:
    """The requests of the engine, where it has left one, and of the gateway itself.

    Raises ConfigError or StoreError when the engine's is not what the gateway may let pass.
    """
    config = gateway.config
    if config.network.kind != "weir":
        todo = "Give the network's staff the key that `weir site key` prints"
        what = "keys are presented to a Weir network only"
        raise ConfigError(what, where="network.kind", todo=todo)
    found = list(_of_the_engine(config))
    name = found[0].request.name if found else config.site
    body, signed = enrolment.made(config.site, name, gateway.ledger.key, (), "ledger")
    return [*found, Introduction(enrolment.read(body, signed), body, signed)]


def _of_the_engine(config: GatewayConfig) -> Iterator[Introduction]:
    presented = Spool(config.spool).presented()
    if presented is None:
        return
    try:
        request = enrolment.read(presented.body, presented.signature)
    except (ValueError, RefusedError):
        raise _refused("it is no request, or not signed with its own key") from None
    known = {public_x(key) for key in public_keys(config.reports_key).values()}
    if request.jwk.x not in known:
        raise _refused("its key is not the one in `reports_key`")
    if (request.site, request.use) != (config.site, "reports"):
        raise _refused("it is not this site's, or not for reports")
    if config.catalogue is not None:
        listed = {each.measure.split("|")[0] for each in read_catalogue(config.catalogue).measures}
        if set(request.measures) - listed:
            raise _refused("it names a measure that the catalogue does not")
    yield Introduction(request, presented.body, presented.signature)


def present(gateway: Gateway, introduction: Introduction) -> State:
    """Write that a key is presented, and send the request; how far the network is with it.

    The engine is told when its key is accepted: it may sign with it from then on.
    Raises UnavailableError when nobody answers, StoreError when the network does not take it.
    """
    way, asked = open_way_out(gateway.config.network), introduction.request
    kid = asked.jwk.key.thumbprint()
    gateway.note(
        Presented(
            to=gateway.recipient,
            key=asked.use,
            kid=kid,
            request=sha256(introduction.body),
        )
    )
    try:
        with way.client:
            state = _sent(way, introduction)
    except httpx.RequestError as error:
        todo = "`weir site doctor` checks the way; then present the keys again"
        where = gateway.recipient
        raise UnavailableError("the network does not answer", where=where, todo=todo) from error
    if (asked.use, state) == ("reports", "accepted"):
        gateway.spool.tell_accepted(kid)
    return state


def _sent(way: WayOut, introduction: Introduction) -> State:
    own = {"Content-Type": "application/json", signature.HEADER: introduction.signature}
    answer = way.send(enrolment.PATH, introduction.body, own)
    told = decoded(answer)
    state: State | None = next((s for s in get_args(State) if s == told.get("state")), None)
    same = told.get("kid") == introduction.request.jwk.known_as
    if answer.is_success and same and state is not None:
        return state
    status = answer.status_code
    todo = TODO.get(status, "Check the address in [network], and both programs' versions")
    what = f"the network did not take the request (HTTP {status})"
    raise StoreError(what, where=way.origin, todo=todo)


def _refused(why: str) -> StoreError:
    todo = "Run `weir site enrol` at the engine; `weir site key` prints its key for the gateway"
    what = f"the engine's request to be enrolled does not pass: {why}"
    return StoreError(what, where="enrolment.json", todo=todo)
