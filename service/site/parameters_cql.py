"""The parameters of the CQL operation, from a query or from a Parameters resource.

See http://hl7.org/fhir/uv/cql/OperationDefinition-cql-cql.html.
"""

from typing import Annotated, Any

from fastapi import Query, Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from service.errors import RequestError
from service.site.parameters import ONLY_JSON, Format, patient_id, posted, refuse_repeats

INSTANT = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})$"
)


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    expression: str = Field(min_length=1, description="An expression of CQL.", examples=["1 + 1"])
    timestamp: str | None = Field(
        default=None,
        pattern=INSTANT,
        description="What `Now()` is; its offset is that of times without one.",
        examples=["2026-11-21T12:30:15Z"],
    )
    use_server_data: bool | None = Field(
        default=None, alias="useServerData", description="Without a subject no data are used."
    )
    format: Format = Field(default=None, alias="_format", description=ONLY_JSON)


class CqlQuery(_Asked):
    """What a GET takes: no patient is named in an address."""


class CqlParameters(_Asked):
    """What a POST takes."""

    subject: Annotated[str, AfterValidator(patient_id)] | None = Field(
        default=None,
        description="The one patient whom the expression is about; needs sign-in.",
        examples=["Patient/123"],
    )
    parameters: dict[str, Any] | None = Field(
        default=None, description="A Parameters resource with what the expression may name."
    )


def from_query(request: Request, asked: Annotated[CqlQuery, Query()]) -> CqlParameters:
    """The parameters of a GET."""
    refuse_repeats(name for name, _ in request.query_params.multi_items())
    return CqlParameters.model_validate(asked.model_dump(by_alias=True))


async def from_body(request: Request) -> CqlParameters:
    """The parameters of a POST: a Parameters resource."""
    asked = await posted(request, CqlParameters)
    if asked.subject is not None and asked.use_server_data is False:
        raise RequestError(400, "invalid", "a subject's data are the server's: allow useServerData")
    return asked
