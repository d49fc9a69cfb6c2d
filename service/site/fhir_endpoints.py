"""The developers' FHIR endpoints: what the site's own people may ask of its measures.

What reads patient data asks for a token and is written to the audit log. Its results are exact, so
nothing here reaches what sends.
"""

from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Request

from service.errors import RequestError
from service.fhir.response import FhirResponse
from service.measure.package import MeasurePackage
from service.measure.period import timezone
from service.measure.requirements import data_requirements
from service.site import measures
from service.site.capability import SEARCH_PARAMETERS, capability_statement
from service.site.examples import (
    BUNDLE,
    CAPABILITY,
    MEASURE,
    POST_BODY,
    REPORT,
    REQUIREMENTS,
    REQUIREMENTS_BODY,
    answer,
    errors,
)
from service.site.local_reports import local_report
from service.site.parameters import (
    EvaluateParameters,
    RequirementsParameters,
    from_body,
    from_query,
    requirements_from_body,
    requirements_from_query,
)
from service.site.state import CallerDep, MeasureDep, State, StateDep, find_measure

router = APIRouter(prefix="/fhir", default_response_class=FhirResponse)

Asked = Annotated[EvaluateParameters, Depends(from_query)]
Posted = Annotated[EvaluateParameters, Depends(from_body)]

NeedsAsked = Annotated[RequirementsParameters, Depends(requirements_from_query)]
NeedsPosted = Annotated[RequirementsParameters, Depends(requirements_from_body)]
Asking = TypeVar("Asking", EvaluateParameters, RequirementsParameters)

OPEN = "Without sign-in: no patient data are read."
SEARCH: dict[str, Any] = {
    "parameters": [
        {"name": name, "in": "query", "schema": {"type": "string"}, "description": description}
        for name, (_, _, description) in SEARCH_PARAMETERS.items()
    ]
}
EVALUATE: dict[str, Any] = {
    "tags": ["Evaluation"],
    "description": (
        "Needs sign-in and is written to the audit log. Counts are exact: the report is marked "
        "`urn:weir:handling|local-only` and stays at the site."
    ),
}
GET: dict[str, Any] = {
    **EVALUATE,
    "responses": answer(200, "A MeasureReport", REPORT) | errors(400, 401, 404, 422, 429, 503),
}
POST: dict[str, Any] = {
    **EVALUATE,
    "responses": GET["responses"] | errors(413, 415),
    "openapi_extra": POST_BODY,
}
NEEDS: dict[str, Any] = {
    "tags": ["Measures"],
    "summary": "What data a measure needs",
    "description": (
        "Resource types, codes and elements; for a period also dates, where the logic takes "
        f"nothing else. {OPEN}"
    ),
    "responses": answer(200, "A Library", REQUIREMENTS) | errors(400, 404),
}
NEEDS_POST: dict[str, Any] = {
    **NEEDS,
    "responses": NEEDS["responses"] | errors(413, 415),
    "openapi_extra": REQUIREMENTS_BODY,
}


@router.get(
    "/metadata",
    tags=["Measures"],
    summary="What is here",
    description=f"The CapabilityStatement. {OPEN}",
    responses=answer(200, "A CapabilityStatement", CAPABILITY) | errors(),
)
def metadata(request: Request, site: StateDep) -> FhirResponse:
    config = site.config
    told = capability_statement(config.site, _base(request), site.since, cql=config.evaluate_cql)
    return FhirResponse(told)


@router.get(
    "/Measure",
    tags=["Measures"],
    summary="Search the site's measures",
    description=f"{OPEN} A search parameter that is not known is refused, not ignored.",
    responses=answer(200, "A searchset Bundle", BUNDLE) | errors(400),
    openapi_extra=SEARCH,
)
def search(request: Request, site: StateDep) -> FhirResponse:
    asked = request.query_params.multi_items()
    return FhirResponse(measures.search(site.packages, asked, _base(request)))


@router.get("/Measure/$data-requirements", **NEEDS)
def requirements_named(site: StateDep, asked: NeedsAsked) -> FhirResponse:
    return _requirements(site, _named(site, asked), asked)


@router.post("/Measure/$data-requirements", **NEEDS_POST)
def requirements_named_in_body(site: StateDep, asked: NeedsPosted) -> FhirResponse:
    return _requirements(site, _named(site, asked), asked)


# Before `/Measure/{measure_id}`, which would take `$evaluate-measure` for an id.
@router.get("/Measure/$evaluate-measure", summary="Evaluate the measure that is named", **GET)
def evaluate_named(site: StateDep, caller: CallerDep, asked: Asked) -> FhirResponse:
    return FhirResponse(local_report(site, caller, _named(site, asked), asked))


@router.post("/Measure/$evaluate-measure", summary="Evaluate the measure that is named", **POST)
def evaluate_named_in_body(site: StateDep, caller: CallerDep, asked: Posted) -> FhirResponse:
    return FhirResponse(local_report(site, caller, _named(site, asked), asked))


@router.get(
    "/Measure/{measure_id}",
    tags=["Measures"],
    summary="Read a measure",
    description=OPEN,
    responses=answer(200, "A Measure", MEASURE) | errors(404),
)
def read(package: MeasureDep) -> FhirResponse:
    return FhirResponse(measures.resource(package))


@router.get("/Measure/{measure_id}/$evaluate-measure", summary="Evaluate a measure", **GET)
def evaluate(site: StateDep, caller: CallerDep, package: MeasureDep, asked: Asked) -> FhirResponse:
    return FhirResponse(local_report(site, caller, package, _of_instance(asked)))


@router.post("/Measure/{measure_id}/$evaluate-measure", summary="Evaluate a measure", **POST)
def evaluate_by_body(
    site: StateDep, caller: CallerDep, package: MeasureDep, asked: Posted
) -> FhirResponse:
    return FhirResponse(local_report(site, caller, package, _of_instance(asked)))


@router.get("/Measure/{measure_id}/$data-requirements", **NEEDS)
def requirements(site: StateDep, package: MeasureDep, asked: NeedsAsked) -> FhirResponse:
    return _requirements(site, package, _of_instance(asked))


@router.post("/Measure/{measure_id}/$data-requirements", **NEEDS_POST)
def requirements_by_body(site: StateDep, package: MeasureDep, asked: NeedsPosted) -> FhirResponse:
    return _requirements(site, package, _of_instance(asked))


def _requirements(
    site: State, package: MeasurePackage, asked: RequirementsParameters
) -> FhirResponse:
    zone = timezone(site.config.timezone)
    return FhirResponse(
        data_requirements(package.requirements, package.canonical, asked.period, zone)
    )


def _named(site: State, asked: Asking) -> MeasurePackage:
    if asked.measure is None:
        raise RequestError(400, "required", "the parameter measure is needed here")
    return find_measure(site, asked.measure)


def _of_instance(asked: Asking) -> Asking:
    if asked.measure is not None:
        raise RequestError(400, "invalid", "the path names the measure; leave the parameter out")
    return asked


def _base(request: Request) -> str:
    """The address under which the client reaches these endpoints."""
    return f"{str(request.base_url).rstrip('/')}/fhir"
