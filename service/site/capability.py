"""The CapabilityStatement: what a FHIR client may ask of the site."""

from collections.abc import Mapping
from datetime import date
from importlib.metadata import version
from typing import Any

from service.fhir.response import FHIR_JSON

OPERATIONS: Mapping[str, str] = {
    "evaluate-measure": "http://hl7.org/fhir/OperationDefinition/Measure-evaluate-measure",
    "data-requirements": "http://hl7.org/fhir/OperationDefinition/Measure-data-requirements",
}
CQL = {"name": "cql", "definition": "http://hl7.org/fhir/uv/cql/OperationDefinition/cql-cql"}
# Name -> type, definition and what it matches.
SEARCH_PARAMETERS: Mapping[str, tuple[str, str, str]] = {
    "_id": ("token", "http://hl7.org/fhir/SearchParameter/Resource-id", "A measure's id."),
    "url": ("uri", "http://hl7.org/fhir/SearchParameter/Measure-url", "The canonical URL, whole."),
    "version": ("token", "http://hl7.org/fhir/SearchParameter/Measure-version", "The version."),
    "name": ("string", "http://hl7.org/fhir/SearchParameter/Measure-name", "How the name starts."),
}


def capability_statement(
    site: str, base_url: str, since: date, *, cql: bool = False
) -> dict[str, Any]:
    """The R4 CapabilityStatement of one site's endpoints under `base_url`, served `since`.

    `cql`: whether the CQL operation is switched on.
    """
    operations = {"operation": [CQL]} if cql else {}
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": since.isoformat(),
        "kind": "instance",
        "fhirVersion": "4.0.1",
        "format": [FHIR_JSON, "json"],
        "software": {"name": "Weir", "version": version("weir")},
        "implementation": {"description": f"Weir at the site {site}", "url": base_url},
        "rest": [
            {"mode": "server", "security": _security(), "resource": [_measure()], **operations}
        ],
    }


def _security() -> dict[str, Any]:
    return {
        "cors": False,
        "description": (
            "Operations that read patient data need a bearer token made by `weir site token`. "
            "Their results are exact and stay at the site."
        ),
    }


def _measure() -> dict[str, Any]:
    return {
        "type": "Measure",
        "interaction": [{"code": "read"}, {"code": "search-type"}],
        "searchParam": [
            {"name": name, "type": kind, "definition": definition}
            for name, (kind, definition, _) in SEARCH_PARAMETERS.items()
        ],
        "operation": [
            {"name": name, "definition": definition} for name, definition in OPERATIONS.items()
        ],
    }
