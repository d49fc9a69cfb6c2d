"""The network's FHIR endpoints: sites send summary MeasureReports, readers find them."""

from asyncio import wrap_future
from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import urlencode

import msgspec
from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy import ColumnElement
from sqlmodel import col, func, select
from starlette.concurrency import run_in_threadpool

from service.errors import RequestError
from service.fhir import signature
from service.fhir.response import FHIR_JSON, FhirResponse
from service.measure.head import Statement
from service.network import archive, heads, receiving
from service.network.state import NetworkDep, PersonDep, SessionDep
from service.network.submission import Submission

router = APIRouter(prefix="/fhir", tags=["FHIR"])

ACCEPTED = ("application/fhir+json", "application/json")
SITE_SYSTEM = "urn:weir:site"
RECEIPT = "urn:weir:receipt"
PAGE = 100
REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"description": "The idempotency key is not the report's"},
    401: {"description": "No signature, a wrong one, or one by a key that is not enrolled"},
    403: {"description": "The site may not report this, or not for another site"},
    409: {"description": "The key came before with other bytes"},
    412: {"description": "The site's ledger does not go on from what is known of it"},
    413: {"description": "Larger than any report"},
    415: {"description": "Not FHIR JSON"},
    422: {"description": "Not a summary report of the closed schema, or of another window"},
}
SEARCH_PARAMETERS = {"measure", "reporter", "reporter:identifier", "_count", "_offset"}


async def exact_body(request: Request) -> bytes:
    """The body as it was sent, up to the largest that a report may have."""
    if request.headers.get("content-type", "").partition(";")[0].strip() not in ACCEPTED:
        raise RequestError(
            415, "not-supported", f"send a report as {ACCEPTED[0]}", where="Content-Type"
        )
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > signature.BODY_BYTES:
            what = f"a report has at most {signature.BODY_BYTES} bytes"
            raise RequestError(413, "too-long", what, where="body")
    return bytes(body)


def shown_head(
    db: SessionDep,
    weir_ledger: Annotated[
        str | None, Header(description="the signed head of the site's ledger")
    ] = None,
) -> tuple[Statement, str] | None:
    """The head that comes along, checked before the report is read; None without one."""
    if weir_ledger is None:
        return None
    told = heads.checked(db, weir_ledger)
    db.rollback()  # lets go of the database while the report waits for its turn
    return told, weir_ledger


@router.post(
    "/MeasureReport",
    status_code=201,
    summary="Receive one site's summary report",
    # The body is read byte for byte, which FastAPI cannot see.
    openapi_extra={"requestBody": {"required": True, "content": {FHIR_JSON: {"schema": {}}}}},
    responses={200: {"description": "It came before: the same receipt"}, **REFUSALS},
)
async def receive(
    request: Request,
    served: NetworkDep,
    db: SessionDep,
    body: Annotated[bytes, Depends(exact_body)],
    shown: Annotated[tuple[Statement, str] | None, Depends(shown_head)],
    idempotency_key: Annotated[str | None, Header(description="the report's release key")] = None,
    weir_signature: Annotated[
        str | None, Header(description="a detached EdDSA JWS over the exact body")
    ] = None,
) -> JSONResponse:
    """201 with a receipt; 200 with the same receipt when it came before; an OperationOutcome when
    it is refused."""
    letter = receiving.Letter(body, weir_signature, idempotency_key)
    (receipt,) = await wrap_future(served.counter.hand_in(letter))
    if shown:
        await run_in_threadpool(heads.keep, db, *shown, receipt.site)
    content = {**receipt.content, "signed": served.keyring.sign(receipt.content)}
    location = {"Location": str(request.url_for("read_report", receipt=receipt.receipt))}
    return JSONResponse(content, 201 if receipt.new else 200, headers=location)


@router.post(
    "",
    summary="Receive a transaction of summary reports of one site",
    openapi_extra={"requestBody": {"required": True, "content": {FHIR_JSON: {"schema": {}}}}},
    responses=REFUSALS,
)
def receive_bundle(
    request: Request,
    served: NetworkDep,
    body: Annotated[bytes, Depends(exact_body)],
    weir_signature: Annotated[
        str | None, Header(description="a detached EdDSA JWS over the exact body")
    ] = None,
) -> FhirResponse:
    """All reports of the Bundle are kept, or none; the answer has a signed receipt for each."""
    letter = receiving.Letter(body, weir_signature, bundle=True)
    receipts = receiving.receive(served.engine, served.config, letter)
    entries = [
        {
            "response": {
                "status": "201 Created" if receipt.new else "200 OK",
                "location": str(request.url_for("read_report", receipt=receipt.receipt)),
                "extension": [
                    {"url": RECEIPT, "valueString": served.keyring.sign(receipt.content)}
                ],
            }
        }
        for receipt in receipts
    ]
    return FhirResponse(
        {"resourceType": "Bundle", "type": "transaction-response", "entry": entries}
    )


@router.get("/MeasureReport", summary="Search the reports that count now")
def search(
    request: Request,
    db: SessionDep,
    who: PersonDep,
    measure: Annotated[str | None, Query(description="canonical address, version optional")] = None,
    reporter: Annotated[str | None, Query(description="a site's id")] = None,
    reporter_identifier: Annotated[
        str | None, Query(alias="reporter:identifier", description=f"{SITE_SYSTEM}|<site id>")
    ] = None,
    count: Annotated[int, Query(alias="_count", ge=1, le=1000)] = PAGE,
    offset: Annotated[int, Query(alias="_offset", ge=0, le=2**31)] = 0,
) -> FhirResponse:
    """The newest version of each report, as a searchset Bundle with the exact resources.

    Staff find all reports, others those of their own sites.
    """
    if set(request.query_params) - SEARCH_PARAMETERS:
        todo = f"Known are {', '.join(sorted(SEARCH_PARAMETERS))}"
        raise RequestError(400, "not-supported", "a search parameter is not known", todo=todo)
    site = reporter if reporter_identifier is None else _site_of(reporter_identifier)
    url, _, version = (measure or "").partition("|")
    about: list[ColumnElement[bool]] = []
    if not who.sees_all:
        about.append(col(Submission.site).in_(who.sites))
    if url:
        about.append(col(Submission.measure) == url)
    if site is not None:
        about.append(col(Submission.site) == site)
    query = archive.newest(*about)
    if version:
        query = query.where(col(Submission.measure_version) == version)
        total = db.execute(select(func.count()).select_from(query.subquery())).scalar_one()
    else:
        total = archive.how_many(db, *about)
    page = db.execute(query.limit(count).offset(offset)).scalars().all()
    return FhirResponse(_searchset(request, page, total, count, offset))


@router.get("/MeasureReport/{receipt}", summary="One report as it came")
def read_report(receipt: str, db: SessionDep, who: PersonDep) -> Response:
    """The exact bytes of any version ever received, with the signature that came with them.

    For a report that came in a Bundle, the signature is over that Bundle.
    """
    found = archive.submission_of(db, receipt)
    if found is None or not (who.sees_all or found.site in who.sites):
        raise RequestError(404, "not-found", "no report has this receipt")
    headers = {signature.HEADER: found.signature, "ETag": f'"{found.sha256}"'}
    return Response(found.body, media_type=FHIR_JSON, headers=headers)


@router.get("/metadata", summary="What this endpoint can do")
def metadata(request: Request) -> FhirResponse:
    """A CapabilityStatement."""
    parameters = [
        {"name": "measure", "type": "reference"},
        {"name": "reporter", "type": "reference"},
    ]
    interactions = [{"code": code} for code in ("create", "read", "search-type")]
    resource = {"type": "MeasureReport", "interaction": interactions, "searchParam": parameters}
    statement = {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": "2026-11",
        "kind": "instance",
        "implementation": {"description": "Weir network", "url": str(request.base_url) + "fhir"},
        "fhirVersion": "4.0.1",
        "format": ["json"],
        "rest": [{"mode": "server", "resource": [resource]}],
    }
    return FhirResponse(statement)


def _site_of(token: str) -> str:
    system, _, value = token.rpartition("|")
    if system not in ("", SITE_SYSTEM):
        what = f"reporters are identified by {SITE_SYSTEM}"
        raise RequestError(400, "invalid", what, where="reporter:identifier")
    return value


def _searchset(
    request: Request, page: Sequence[Submission], total: int, count: int, offset: int
) -> dict[str, Any]:
    links = [{"relation": "self", "url": str(request.url)}]
    if offset + count < total:
        asked = dict(request.query_params) | {"_count": count, "_offset": offset + count}
        links.append(
            {"relation": "next", "url": f"{request.url.replace(query='')}?{urlencode(asked)}"}
        )
    return {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": total,
        "link": links,
        "entry": [
            {
                "fullUrl": str(request.url_for("read_report", receipt=row.receipt)),
                "resource": msgspec.Raw(row.body),
                "search": {"mode": "match"},
            }
            for row in page
        ],
    }
