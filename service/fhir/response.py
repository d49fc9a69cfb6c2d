"""What the two programs answer over HTTP: FHIR resources, and errors as OperationOutcomes."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from starlette.responses import Response

FHIR_JSON = "application/fhir+json"

# Decimals go out as numbers, digit for digit: no float in between.
_encoder = msgspec.json.Encoder(decimal_format="number")


class FhirResponse(Response):
    """A FHIR resource as JSON."""

    media_type = FHIR_JSON

    def render(self, content: Any) -> bytes:
        """Encode decoded JSON."""
        return _encoder.encode(content)


def outcome(code: str, texts: Sequence[str]) -> dict[str, Any]:
    """An OperationOutcome with one issue a text; ``code`` is of FHIR's value set issue-type."""
    issues = [{"severity": "error", "code": code, "diagnostics": text} for text in texts]
    return {"resourceType": "OperationOutcome", "issue": issues}


def refusal(
    status: int, code: str, texts: Sequence[str], headers: Mapping[str, str] | None = None
) -> FhirResponse:
    """An error's answer. The texts must hold nothing of what was sent or read."""
    return FhirResponse(outcome(code, texts), status_code=status, headers=headers)
