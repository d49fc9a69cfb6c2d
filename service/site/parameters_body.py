"""A Parameters resource as a request's body: read with a limit, decoded with a schema."""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from fastapi import Request

from service.errors import RequestError
from service.fhir.response import FHIR_JSON

MAX_BODY_BYTES = 64 * 1024
JSON_TYPES = frozenset({FHIR_JSON, "application/json"})


# What a parameter holds: a primitive, or a resource as decoded JSON.
Value = str | bool | dict[str, Any]


class _Reference(msgspec.Struct):
    reference: str


class _Parameter(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """One parameter: its name, and a value of the types that our operations take or a resource."""

    name: str
    value_boolean: bool | None = None
    value_string: str | None = None
    value_code: str | None = None
    value_date: str | None = None
    value_id: str | None = None
    value_uri: str | None = None
    value_url: str | None = None
    value_canonical: str | None = None
    value_date_time: str | None = None
    value_reference: _Reference | None = None
    resource: dict[str, Any] | None = None

    def value(self) -> Value:
        values = [getattr(self, field) for field in self.__struct_fields__[1:]]
        (given,) = [value for value in values if value is not None]
        return given.reference if isinstance(given, _Reference) else given


class _Parameters(msgspec.Struct, rename="camel"):
    resource_type: Literal["Parameters"]
    parameter: list[_Parameter] = []


_decoder = msgspec.json.Decoder(_Parameters)


async def read_parameters(request: Request) -> Sequence[tuple[str, Value]]:
    """The names and values of a request's Parameters resource, in order.

    Raises RequestError: 415 for another content type, 413 for a body over `MAX_BODY_BYTES`, 400
    for one that is not a Parameters resource of simple values and resources.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in JSON_TYPES:
        raise RequestError(
            415, "not-supported", "the body's content type must be application/fhir+json"
        )
    body = await _read_body(request)
    try:
        return [
            (parameter.name, parameter.value()) for parameter in _decoder.decode(body).parameter
        ]
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise RequestError(
            400,
            "structure",
            "the body is not a Parameters resource whose parameters have a name and one value each",
            todo="/openapi.json has an example",
        ) from error


async def _read_body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise RequestError(413, "too-long", f"the body is longer than {MAX_BODY_BYTES} bytes")
    return body
