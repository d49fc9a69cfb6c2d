"""Which error gets which HTTP status: every one is an OperationOutcome, without what was asked."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from service.errors import (
    EvaluationError,
    MeasureError,
    PeriodError,
    RequestError,
    StoreError,
    WeirError,
)
from service.fhir.response import FhirResponse, refusal

RETRY_SECONDS = "30"
METHODS = ("GET", "HEAD", "POST")
PAGES = frozenset({"/completeness"})  # of people, not of programs

# Issue types are FHIR's value set issue-type.
ISSUE_TYPES: Mapping[int, str] = {
    401: "login",
    404: "not-found",
    405: "not-supported",
    413: "too-long",
}
KNOWN_ERRORS: Sequence[tuple[type[WeirError], int, str]] = (
    (PeriodError, 400, "invalid"),
    (StoreError, 503, "transient"),
    (EvaluationError, 422, "processing"),
    (MeasureError, 500, "processing"),
    (WeirError, 500, "exception"),
)


def answer_errors(app: FastAPI) -> None:
    """Make every error that is foreseen an OperationOutcome; `Guard` takes the unforeseen."""
    app.exception_handler(WeirError)(_answer_weir_error)
    app.exception_handler(HTTPException)(_answer_http_exception)
    app.exception_handler(RequestValidationError)(_answer_validation_error)


async def _answer_weir_error(request: Request, error: WeirError) -> FhirResponse:
    status, code = _status_of(error)
    return refusal(status, code, [str(error)], _headers(status, request.url.path))


async def _answer_http_exception(request: Request, error: HTTPException) -> FhirResponse:
    """What routing refuses: unknown paths and methods."""
    code = ISSUE_TYPES.get(error.status_code, "processing")
    text = f"{HTTPStatus(error.status_code).phrase}. /fhir/metadata tells what is here"
    headers = {"Allow": ", ".join(_allowed(request))} if error.status_code == 405 else error.headers
    return refusal(error.status_code, code, [text], headers)


def _allowed(request: Request) -> list[str]:
    """The methods of a path, all of them: routing itself names those of one route."""
    return [
        method
        for method in METHODS
        if any(
            route.matches({**request.scope, "method": method})[0] is Match.FULL
            for route in request.app.routes
        )
    ]


async def _answer_validation_error(request: Request, error: RequestValidationError) -> FhirResponse:
    return refusal(400, "invalid", [_complaint(problem) for problem in error.errors()])


def _complaint(problem: Mapping[str, Any]) -> str:
    """What is wrong with a parameter, without what was given: that may name a patient."""
    if problem["type"] == "extra_forbidden":
        return "a parameter is not known here. /openapi.json lists those that are"
    return f"{problem['loc'][-1]}: {problem['msg'].removeprefix('Value error, ')}"


def _status_of(error: WeirError) -> tuple[int, str]:
    if isinstance(error, RequestError):
        return error.status, error.code
    return next((status, code) for kind, status, code in KNOWN_ERRORS if isinstance(error, kind))


def _headers(status: int, path: str) -> Mapping[str, str] | None:
    if status == 401:
        # Where a person looks, the browser asks for the token.
        scheme = "Basic" if path in PAGES else "Bearer"
        return {"WWW-Authenticate": f'{scheme} realm="weir site"'}
    return {"Retry-After": RETRY_SECONDS} if status in (429, 503) else None
