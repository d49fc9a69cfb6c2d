"""The program at the coordinating center, put together."""

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi_offline import FastAPIOffline
from sqlalchemy import text
from sqlmodel import Session
from starlette.exceptions import HTTPException
from starlette.middleware.sessions import SessionMiddleware
from starlette.responses import RedirectResponse, Response
from starlette.staticfiles import StaticFiles

import service
from service.errors import RequestError
from service.fhir.guard import Guard
from service.fhir.response import refusal
from service.network import (
    administration,
    atom,
    feeds,
    fhir,
    joining,
    membership,
    pages,
    reports,
    roster,
    signing_in,
    writing,
)
from service.network.background import Background
from service.network.config import NetworkConfig
from service.network.counter import Counter
from service.network.database import open_database
from service.network.keyring import open_keyring
from service.network.people.account import SESSION_HOURS
from service.network.rendering import error_page
from service.network.state import Network, NetworkDep, SessionDep, guard
from service.network.transfer import Transfer

log = logging.getLogger("weir.network.access")

ISSUE_TYPES = {404: "not-found", 405: "not-supported"}
STRICT = "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; "
# The documentation page starts its own script; nothing is ever loaded from elsewhere.
DOCUMENTATION = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; object-src 'none'; base-uri 'none'; "
)
FRAMES = "form-action 'self'; frame-ancestors 'none'"
ROUTERS = (
    fhir,
    joining,
    feeds,
    atom,
    reports,
    pages,
    signing_in,
    writing,
    membership,
    administration,
)


def create_app(config: NetworkConfig) -> FastAPI:
    """The application for a configuration.

    Raises ConfigError or StoreError when its database cannot be used.
    """
    engine = open_database(config.database)
    keyring = open_keyring(config.keys)
    counter = Counter(engine, config)
    served = Network(config, engine, keyring, counter, Background(counter.is_busy))
    with Session(engine) as session:
        roster.seed(session, config)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        served.background.close()
        counter.close()
        engine.dispose()

    app = FastAPIOffline(
        redoc_url=None,
        title=config.title,
        version=service.__version__,
        description="Receives protected aggregates from sites, and shows them. See /.",
        lifespan=lifespan,
    )
    app.state.network = served
    for part in ROUTERS:
        app.include_router(part.router, dependencies=[Depends(guard)])
    app.get("/health", tags=["operation"], dependencies=[Depends(guard)])(health)
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"), name="static")
    app.add_exception_handler(RequestError, _answer_request_error)
    app.add_exception_handler(HTTPException, _answer_http_exception)
    app.add_exception_handler(RequestValidationError, _answer_validation_error)
    app.add_middleware(
        SessionMiddleware,
        secret_key=keyring.secret.hex(),
        session_cookie="weir_session",
        max_age=SESSION_HOURS * 3600,
        https_only=config.secure_cookies and config.access != "open",
    )
    app.add_middleware(Transfer)
    app.add_middleware(Guard, log=log, headers=_headers, apology=_apology)
    return app


def health(served: NetworkDep, db: SessionDep) -> dict[str, str]:
    """Whether the program and its database answer."""
    db.connection().execute(text("SELECT 1"))
    return {"status": "ok"}


def _headers(path: str) -> Mapping[str, str]:
    policy = DOCUMENTATION if path.startswith(("/docs", "/static-offline-docs")) else STRICT
    return {
        "Cache-Control": "max-age=3600" if path.startswith("/static") else "private, no-cache",
        "Content-Security-Policy": policy + FRAMES,
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
    }


def _apology(path: str, reference: str) -> Response:
    return refusal(500, "exception", [f"not foreseen; the network's log has it as {reference}"])


async def _answer_request_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    if error.status == 401 and request.method == "GET" and _is_page(request):
        return RedirectResponse("/sign-in", 303)
    return _told(request, error.status, error.code, str(error))


async def _answer_http_exception(request: Request, error: Exception) -> Response:
    """What routing refuses: unknown paths and methods."""
    assert isinstance(error, HTTPException)
    code = ISSUE_TYPES.get(error.status_code, "processing")
    return _told(request, error.status_code, code, HTTPStatus(error.status_code).phrase)


async def _answer_validation_error(request: Request, error: Exception) -> Response:
    """Names the parameters that do not fit; never what was sent in them."""
    assert isinstance(error, RequestValidationError)
    names = ", ".join(str(problem["loc"][-1]) for problem in error.errors())
    return _told(request, 400, "invalid", f"these parameters cannot be used: {names}")


def _is_page(request: Request) -> bool:
    path = request.url.path
    return not path.startswith("/fhir") and "." not in path.rpartition("/")[2]


def _told(request: Request, status: int, code: str, text: str) -> Response:
    """An error in the language of the path: FHIR, data, or a page."""
    path = request.url.path
    if path.startswith("/fhir"):
        return refusal(status, code, [text])
    if path.endswith((".json", ".csv")) or path == "/enrolment":
        return JSONResponse({"error": text}, status)
    return error_page(request.app.state.network.config, status, text)
