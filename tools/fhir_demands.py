"""Writes service/fhir/r4_demands.json: what FHIR 4.0.1 demands of every resource of a type.

    python tools/fhir_demands.py service/fhir

Facts are taken from fhir.resources (R4B, which differs from R4 in none of the types that are
anybody's own). Where it names the first codes of a list only, the others stand here, from the value
sets at http://hl7.org/fhir/R4/terminologies-valuesets.html.
"""

import json
import sys
from pathlib import Path
from typing import Any

from fhir.resources.R4B import get_fhir_model_class

from service.fhir.compartment import SHARED, patient_link, resource_types

CODES = ("status", "intent", "lifecycleStatus")
MORE = "+"
OBSERVED = ("corrected", "cancelled", "entered-in-error", "unknown")
OTHERS = {
    "DetectedIssue": OBSERVED,
    "DeviceUseStatement": ("intended", "stopped", "on-hold"),
    "DiagnosticReport": ("amended", "appended", *OBSERVED),
    "Encounter": ("entered-in-error", "unknown"),
    "Observation": OBSERVED,
    "RiskAssessment": OBSERVED,
    "SupplyRequest": ("cancelled", "completed", "entered-in-error", "unknown"),
    "Task": (
        *("rejected", "ready", "cancelled", "in-progress", "on-hold", "failed", "completed"),
        "entered-in-error",
    ),
}


def main(folder: Path) -> None:
    lines = []
    for name in sorted(resource_types()):
        if name in SHARED or patient_link(name) is not None:
            demands = _demands(name)
            if any(demands.values()):
                lines.append(f"{json.dumps(name)}: {json.dumps(demands)}")
    text = "{\n" + ",\n".join(lines) + "\n}\n"
    (folder / "r4_demands.json").write_text(text, encoding="utf-8")


def _demands(name: str) -> dict[str, Any]:
    """`{"elements": [name, ...], "codes": {name: [code, ...]}}`: elements that must be there, and
    the only codes that may stand in one that says what is to be made of the resource."""
    elements: dict[str, None] = {}
    codes: dict[str, list[str]] = {}
    try:
        fields = get_fhir_model_class(name).model_fields
    except ValueError:  # R4B has it no more
        return {}
    for field, info in fields.items():
        told: Any = info.json_schema_extra or {}
        element = str(told.get("one_of_many") or info.alias or field)
        if told.get("element_required") or told.get("one_of_many_required") or info.is_required():
            elements[element] = None
        if element in CODES and "enum_values" in told:
            known = [code for code in told["enum_values"] if code != MORE]
            more = OTHERS[name] if MORE in told["enum_values"] else ()
            codes[element] = sorted({*known, *more})
    return {"elements": sorted(elements), "codes": codes}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
