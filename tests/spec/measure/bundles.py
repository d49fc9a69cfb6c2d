"""Measures as FHIR Bundles carry them."""

from __future__ import annotations

import base64
import json
from typing import Any


def library(elm: dict[str, Any], **more: Any) -> dict[str, Any]:
    name = elm["library"]["identifier"]["id"]
    data = base64.b64encode(json.dumps(elm).encode()).decode()
    return {
        "resourceType": "Library",
        "url": f"urn:test:{name}",
        "name": name,
        "content": [{"contentType": "application/elm+json", "data": data}],
        **more,
    }
