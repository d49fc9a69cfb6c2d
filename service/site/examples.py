"""What /docs shows: the shapes of answers, and a body to try."""

from typing import Any

from service.fhir.response import FHIR_JSON, outcome

CANONICAL = "https://example.org/Measure/dreaming"
_PERIOD = [
    {"name": "periodStart", "valueDate": "2026-01-01"},
    {"name": "periodEnd", "valueDate": "2026-01-31"},
]
PARAMETERS = {
    "population": {
        "summary": "Counts of everyone",
        "value": {
            "resourceType": "Parameters",
            "parameter": [*_PERIOD, {"name": "reportType", "valueCode": "population"}],
        },
    },
    "subject": {
        "summary": "One patient, whose id stays out of every URL",
        "value": {
            "resourceType": "Parameters",
            "parameter": [
                *_PERIOD,
                {"name": "reportType", "valueCode": "subject"},
                {"name": "subject", "valueString": "Patient/123"},
            ],
        },
    },
}
MEASURE = {
    "resourceType": "Measure",
    "id": "dreaming",
    "url": CANONICAL,
    "version": "1.0.0",
    "name": "Dreaming",
}
REQUIREMENTS = {
    "resourceType": "Library",
    "status": "active",
    "type": {"coding": [{"code": "module-definition"}]},
    "dataRequirement": [{"type": "Encounter", "mustSupport": ["period", "status"]}],
}
BUNDLE = {
    "resourceType": "Bundle",
    "type": "searchset",
    "total": 1,
    "link": [{"relation": "self", "url": "http://127.0.0.1:8090/fhir/Measure?name=dream"}],
    "entry": [
        {
            "fullUrl": "http://127.0.0.1:8090/fhir/Measure/dreaming",
            "resource": MEASURE,
            "search": {"mode": "match"},
        }
    ],
}
CAPABILITY = {
    "resourceType": "CapabilityStatement",
    "status": "active",
    "date": "2026-11-01",
    "kind": "instance",
    "fhirVersion": "4.0.1",
    "format": [FHIR_JSON],
}
REPORT = {
    "resourceType": "MeasureReport",
    "meta": {"security": [{"system": "urn:weir:handling", "code": "local-only"}]},
    "status": "complete",
    "type": "summary",
    "measure": f"{CANONICAL}|1.0.0",
    "period": {"start": "2026-01-01", "end": "2026-01-31"},
}
POST_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "A Parameters resource with the same parameters as the GET.",
        "content": {FHIR_JSON: {"schema": {"type": "object"}, "examples": PARAMETERS}},
    }
}
CQL_RESULT = {
    "resourceType": "Parameters",
    "parameter": [{"name": "return", "valueInteger": 2}],
}
CQL_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "A Parameters resource.",
        "content": {
            FHIR_JSON: {
                "schema": {"type": "object"},
                "example": {
                    "resourceType": "Parameters",
                    "parameter": [{"name": "expression", "valueString": "1 + 1"}],
                },
            }
        },
    }
}
REQUIREMENTS_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "A Parameters resource with the same parameters as the GET.",
        "content": {
            FHIR_JSON: {
                "schema": {"type": "object"},
                "example": {"resourceType": "Parameters", "parameter": _PERIOD},
            }
        },
    }
}


Answers = dict[int | str, dict[str, Any]]


def answer(status: int | str, description: str, example: Any) -> Answers:
    """One answer as OpenAPI tells it."""
    content = {FHIR_JSON: {"schema": {"type": "object"}, "example": example}}
    return {status: {"description": description, "content": content}}


def errors(*statuses: int) -> Answers:
    """The errors that an operation is known to answer, and that any other is told the same way."""
    told = answer("default", "Any other error", outcome("exception", ["not foreseen"]))
    for status in statuses:
        text, code, diagnostics = ERRORS[status]
        told |= answer(status, text, outcome(code, [diagnostics]))
    return told


ERRORS = {
    400: ("A parameter is missing, unknown or not what it should be", "invalid",
          "The period ends before it starts"),
    401: ("No valid token", "login", "patient data need local sign-in"),
    404: ("No such measure or patient", "not-found", "the site has no such measure"),
    413: ("The body is too long", "too-long", "the body is longer than 65536 bytes"),
    415: ("The body is not FHIR JSON", "not-supported",
          "the body's content type must be application/fhir+json"),
    422: ("The logic has no defined result for the subject", "processing",
          "a patient of this measure has no birth date"),
    429: ("Too many evaluations at once", "throttled", "try again in 30 seconds"),
    503: ("No data have been pulled yet", "transient", "there are no data here yet"),
}  # fmt: skip
