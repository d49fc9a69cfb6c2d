"""Validity of R4 resources, by models that are not ours: fhir.resources (R4B) and fhirkit (R4)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from importlib import import_module
from typing import Any

import fhirkit


def check_r4(resource: Mapping[str, Any]) -> None:
    """Raises pydantic's ValidationError, or AssertionError, when the resource is not valid.

    R4B has the same shapes as R4 for the resources that Weir writes.
    """
    kind = resource["resourceType"]
    text = json.dumps(resource, default=_number)
    model = getattr(import_module(f"fhir.resources.R4B.{kind.lower()}"), kind)
    model.model_validate_json(text)
    assert [str(issue) for issue in fhirkit.validate(text)] == []


def _number(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(type(value))
