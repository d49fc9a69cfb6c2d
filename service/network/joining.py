"""How a site joins: it presents its key; and the network's own public key."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request
from fastapi.responses import JSONResponse

from service.errors import RequestError
from service.measure import enrolment as wire
from service.network import enrolment, heads
from service.network.state import NetworkDep, SessionDep

router = APIRouter(tags=["sites"])


async def small_body(request: Request) -> bytes:
    """The body as it was sent, up to the largest that an enrolment may have."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > enrolment.BODY_BYTES:
            what = f"an enrolment has at most {enrolment.BODY_BYTES} bytes"
            raise RequestError(413, "too-long", what, where="body")
    return bytes(body)


@router.post(
    wire.PATH,
    status_code=202,
    summary="Present a public key of a site: its reports', or its ledger's",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": wire.Request.model_json_schema()}},
        }
    },
    responses={
        401: {"description": "Not signed with the key that it presents"},
        409: {"description": "The key id is another key's"},
        413: {"description": "Too large"},
        422: {"description": "Not an enrolment"},
        429: {"description": "Too many requests wait for a decision"},
    },
)
def ask_enrolment(
    db: SessionDep,
    body: Annotated[bytes, Depends(small_body)],
    weir_signature: Annotated[
        str | None, Header(description="a detached EdDSA JWS over the exact body, by that key")
    ] = None,
) -> JSONResponse:
    """Keeps the request until the network's staff decide; asking again tells how far it is."""
    request, state = enrolment.ask(db, body, weir_signature)
    told = {"site": request.site, "use": request.use, "kid": request.jwk.known_as, "state": state}
    return JSONResponse(told, 202)


@router.post(
    "/ledger",
    status_code=204,
    summary="Show the head of a site's ledger",
    responses={
        401: {"description": "No head, or not signed with the key that it names"},
        412: {"description": "It does not go on from what is known: the ledger is not whole"},
    },
)
def show_ledger(
    db: SessionDep,
    weir_ledger: Annotated[
        str | None, Header(description="the signed head of the site's ledger")
    ] = None,
) -> None:
    """Before a push: whether the network would take reports that come with this head."""
    text = weir_ledger or ""
    heads.keep(db, heads.checked(db, text), text)


@router.get("/.well-known/jwks.json", summary="The key that signs receipts")
def public_keys(served: NetworkDep) -> dict[str, Any]:
    """A JWK Set: with it, anyone can check the receipts that this network has given."""
    return served.keyring.jwks
