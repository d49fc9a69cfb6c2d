"""Where the CQL operation is asked for, at sites that have switched it on."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Security
from fastapi.security import HTTPAuthorizationCredentials

from service.fhir.response import FhirResponse
from service.site.cql_operation import evaluate_cql
from service.site.examples import CQL_BODY, CQL_RESULT, answer, errors
from service.site.parameters_cql import CqlParameters, from_body, from_query
from service.site.state import StateDep, bearer, signed_in

router = APIRouter(prefix="/fhir", default_response_class=FhirResponse)

Asked = Annotated[CqlParameters, Depends(from_query)]
Posted = Annotated[CqlParameters, Depends(from_body)]
Credentials = Annotated[HTTPAuthorizationCredentials | None, Security(bearer)]

DESCRIPTION = (
    "The expression's value as Parameters, or an `evaluation error` that says why it has none. "
    "It sees no patient data; with sign-in a POST can name one patient whom it is about."
)
CQL: dict[str, Any] = {"tags": ["CQL"], "summary": "Evaluate an expression"}


@router.get(
    "/$cql",
    description=DESCRIPTION,
    responses=answer(200, "Parameters", CQL_RESULT) | errors(400, 429),
    **CQL,
)
def evaluate(site: StateDep, asked: Asked) -> FhirResponse:
    return FhirResponse(evaluate_cql(site, None, asked))


@router.post(
    "/$cql",
    description=DESCRIPTION,
    responses=answer(200, "Parameters", CQL_RESULT)
    | errors(400, 401, 404, 413, 415, 422, 429, 503),
    openapi_extra=CQL_BODY,
    **CQL,
)
def evaluate_by_body(site: StateDep, asked: Posted, credentials: Credentials) -> FhirResponse:
    caller = signed_in(site, credentials) if asked.subject is not None else None
    return FhirResponse(evaluate_cql(site, caller, asked))
