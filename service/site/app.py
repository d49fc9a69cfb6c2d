"""The site's developers' endpoints, put together: a program of its own beside the pipeline.

What it answers is exact and never leaves: neither this module nor what it imports reaches the
outbox, and pyproject.toml has the contract that says so.
"""

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi_offline import FastAPIOffline
from starlette.responses import Response

import service
from service.cql.translator import INSTALL, missing
from service.errors import ConfigError, RequestError
from service.fhir.guard import Guard
from service.fhir.response import refusal
from service.site import completeness_page, cql_endpoint, fhir_endpoints
from service.site.config import SiteConfig
from service.site.ehr_keys import published_keys
from service.site.outcome import answer_errors
from service.site.state import StateDep, open_state

log = logging.getLogger("weir.site.access")

DESCRIPTION = """
Exact results for the site's own people. Operations that read patient data need a bearer token,
made by `weir site token`, and are written to the audit log. Nothing that is answered here is ever
sent to the network.
"""
FIXED_HEADERS = {
    # What is answered may name patients: nobody keeps it on the way.
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
FRAMES = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
# The documentation page starts its own script; nothing is ever loaded from elsewhere.
DOCUMENTATION = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; object-src 'none'; "
)


def create_app(config: SiteConfig) -> FastAPI:
    """The application for a configuration.

    Raises MeasureError, ConfigError or StoreError when its measures or its bookkeeping cannot be
    used.
    """
    site = open_state(config)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        site.engine.dispose()

    app = FastAPIOffline(
        redoc_url=None,
        title=f"Weir at {config.site}",
        version=service.__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
        # Tokens are typed into this page: it asks no validator elsewhere about it.
        swagger_ui_parameters={"validatorUrl": None, "docExpansion": "list"},
    )
    app.state.site = site
    app.include_router(fhir_endpoints.router)
    if config.evaluate_cql:
        app.include_router(_cql())
    app.include_router(completeness_page.router)
    app.get("/.well-known/jwks.json", tags=["Operation"], summary="Keys for the EHR")(ehr_keys)
    app.get("/health", tags=["Operation"])(health)
    answer_errors(app)
    app.add_middleware(Guard, log=log, headers=_headers, apology=_apology)
    return app


def _cql() -> APIRouter:
    """The CQL operation, where CQL can be translated."""
    if reason := missing():
        raise ConfigError(
            "This site cannot evaluate CQL", where=f"evaluate_cql: {reason}", todo=INSTALL
        )
    return cql_endpoint.router


def ehr_keys(site: StateDep) -> dict[str, Any]:
    """The public keys by which the EHR knows this site (a JWK Set), to register there or fetch."""
    try:
        return published_keys(site.config.fhir)
    except ConfigError:
        # Where the file is, is nobody's business who has not signed in.
        raise RequestError(404, "not-found", "the site has no key for the EHR that works") from None


async def health() -> dict[str, str]:
    """Whether the program answers; says nothing of its data."""
    return {"status": "ok"}


def _headers(path: str) -> Mapping[str, str]:
    documentation = path.startswith(("/docs", "/static-offline-docs"))
    policy = DOCUMENTATION if documentation else "default-src 'none'; "
    if path == completeness_page.PATH:
        policy = completeness_page.POLICY
    return {**FIXED_HEADERS, "Content-Security-Policy": policy + FRAMES}


def _apology(path: str, reference: str) -> Response:
    text = f"an error that was not foreseen; the site's log has it as {reference}"
    return refusal(500, "exception", [text])
