"""Signing in and out: with a local account, or by the organization's OpenID provider."""

from typing import Any

from authlib.common.errors import AuthlibBaseError
from authlib.integrations.starlette_client import OAuth
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from httpx import HTTPError
from joserfc.errors import JoseError
from sqlmodel import Session

from service.errors import RequestError
from service.network import audit
from service.network.config import Oidc
from service.network.people import account
from service.network.rendering import form_token, page, read_form
from service.network.state import NetworkDep, PersonDep, SessionDep

router = APIRouter(include_in_schema=False)

REFUSED = "Name and password do not fit, or the account is shut for a while."


@router.get("/sign-in", response_class=HTMLResponse)
def sign_in_page(request: Request, served: NetworkDep, who: PersonDep) -> str:
    """The form, and the way to the OpenID provider."""
    return page("sign-in.html", served.config, who, form=form_token(request), told="")


@router.post("/sign-in", response_model=None)
async def sign_in(
    request: Request, served: NetworkDep, db: SessionDep, who: PersonDep
) -> HTMLResponse | RedirectResponse:
    """Check name and password; the session's secret goes into the signed cookie."""
    fields = await read_form(request)
    name, password = (fields.get(field, [""])[0] for field in ("name", "password"))
    found = account.check_password(db, name, password[:1000])
    if found is None:
        db.commit()  # the failure counts
        form = form_token(request)
        told = page("sign-in.html", served.config, who, form=form, told=REFUSED)
        return HTMLResponse(told, 403)
    return _begin(request, db, found)


@router.post("/sign-out")
async def sign_out(request: Request, db: SessionDep, who: PersonDep) -> RedirectResponse:
    """End this browser's session."""
    await read_form(request)
    account.sign_out(db, request.session.get("who", ""))
    db.commit()
    request.session.clear()
    return RedirectResponse("/sign-in", 303)


@router.get("/sign-in/oidc", response_model=None)
async def oidc_start(request: Request, served: NetworkDep) -> Any:
    """Send the browser to the OpenID provider (authorization code with PKCE)."""
    client = _client(served.config.oidc)
    try:
        return await client.authorize_redirect(request, str(request.url_for("oidc_callback")))
    except (AuthlibBaseError, HTTPError, ValueError) as error:
        raise RequestError(503, "transient", "the sign-in service does not answer") from error


@router.get("/sign-in/oidc/callback", response_model=None)
async def oidc_callback(request: Request, served: NetworkDep, db: SessionDep) -> RedirectResponse:
    """Back from the provider: a known e-mail address that it has verified opens its account."""
    client = _client(served.config.oidc)
    try:
        token = await client.authorize_access_token(request)
    except (AuthlibBaseError, JoseError, HTTPError, ValueError, KeyError) as error:
        what = "the sign-in did not succeed"
        raise RequestError(403, "forbidden", what, todo="Start again at /sign-in") from error
    claims = token.get("userinfo") or {}
    name = str(claims.get("email", "")).strip().lower()
    found = db.get(account.Account, name) if claims.get("email_verified") is True else None
    if found is None or found.disabled:
        what = "there is no account here for your verified e-mail address"
        raise RequestError(403, "forbidden", what, todo="Ask the network's administrator")
    audit.record(db, found.name, "signed in", found.name, by="OpenID Connect")
    return _begin(request, db, found)


def _begin(request: Request, db: Session, found: account.Account) -> RedirectResponse:
    """A new session; nothing of an earlier one is kept."""
    secret = account.begin(db, found)
    db.commit()
    request.session.clear()
    request.session["who"] = secret
    return RedirectResponse("/", 303)


def _client(oidc: Oidc | None) -> Any:
    if oidc is None:
        raise RequestError(404, "not-found", "this network has no OpenID provider")
    return OAuth().register(
        "oidc",
        client_id=oidc.client_id,
        client_secret=oidc.client_secret,
        server_metadata_url=f"{oidc.issuer.rstrip('/')}/.well-known/openid-configuration",
        client_kwargs={"scope": "openid email", "code_challenge_method": "S256"},
    )
