"""What the EHR says it can do: its CapabilityStatement at /metadata."""

from dataclasses import dataclass, replace

import httpx
import msgspec

from service.errors import EhrError
from service.fhir.exchange import send

OAUTH_URIS = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"

R4 = ("4.0.", "4.1.", "4.3.")  # with R4B and its draft; 4.2 and 4.4 to 4.6 were drafts of R5
LONGEST_NAME = 80  # characters


@dataclass(frozen=True)
class Capability:
    """``types``: the resource types that it serves; ``exports``: whether it lists `$export`.

    ``software`` is what it calls itself; ``clock`` the Date of its answer, as it wrote it;
    ``token_endpoint`` where it gives tokens, if it says so here.
    """

    fhir_version: str
    types: frozenset[str]
    exports: bool
    software: str = ""
    clock: str | None = None
    token_endpoint: str | None = None


class _Operation(msgspec.Struct):
    name: str = ""


class _Resource(msgspec.Struct):
    type: str = ""
    operation: tuple[_Operation, ...] = ()


class _Extension(msgspec.Struct):
    url: str = ""
    value_uri: str | None = msgspec.field(name="valueUri", default=None)
    extension: tuple["_Extension", ...] = ()


class _Security(msgspec.Struct):
    extension: tuple[_Extension, ...] = ()


class _Rest(msgspec.Struct):
    mode: str = "server"
    security: _Security | None = None
    resource: tuple[_Resource, ...] = ()
    operation: tuple[_Operation, ...] = ()


class _Software(msgspec.Struct):
    name: str = ""


class _Statement(msgspec.Struct):
    resource_type: str = msgspec.field(name="resourceType", default="")
    fhir_version: str = msgspec.field(name="fhirVersion", default="")
    rest: tuple[_Rest, ...] = ()
    software: _Software | None = None


def read_capability(client: httpx.Client, base_url: str) -> Capability:
    """Read /metadata. Raises EhrError when it is no R4 CapabilityStatement."""
    request = client.build_request(
        "GET", f"{base_url}/metadata", headers={"Accept": "application/fhir+json"}
    )
    response = send(client, request)
    try:
        statement = msgspec.json.decode(response.content, type=_Statement)
    except (ValueError, RecursionError):
        statement = _Statement()
    if statement.resource_type != "CapabilityStatement":
        raise EhrError(
            f"There is no CapabilityStatement at /metadata (HTTP {response.status_code})",
            where=base_url,
            todo="Check that fhir.base_url is the FHIR base of the EHR",
        )
    if not statement.fhir_version.startswith(R4):
        raise EhrError(
            "The EHR does not speak FHIR R4 here",
            where=base_url,
            todo="Ask the EHR's vendor for the base address of R4",
        )
    return replace(_capability(statement), clock=response.headers.get("Date"))


def _capability(statement: _Statement) -> Capability:
    servers = [rest for rest in statement.rest if rest.mode == "server"]
    resources = [resource for rest in servers for resource in rest.resource]
    operations = [operation.name for rest in servers for operation in rest.operation]
    operations += [operation.name for resource in resources for operation in resource.operation]
    return Capability(
        fhir_version=statement.fhir_version,
        types=frozenset(resource.type for resource in resources),
        exports=any(name.lstrip("$").endswith("export") for name in operations),
        token_endpoint=next(filter(None, map(_token_endpoint, servers)), None),
        software=_shown(statement.software.name) if statement.software else "",
    )


def _shown(name: str) -> str:
    """A name as it may be shown on a terminal."""
    return "".join(letter for letter in name if letter.isprintable())[:LONGEST_NAME]


def _token_endpoint(rest: _Rest) -> str | None:
    """http://hl7.org/fhir/smart-app-launch/1.0.0/conformance/#using-cs"""
    told = rest.security.extension if rest.security else ()
    for each in (one for uris in told if uris.url == OAUTH_URIS for one in uris.extension):
        if each.url == "token":
            return each.value_uri
    return None
