"""The data model FHIR 4.0.1, from the table in r4_elements.json (made by tools/fhir_model.py)."""

import json
from functools import cache
from importlib.resources import files
from typing import Any

from service.cql.model import ClassInfo, Model
from service.cql.types import SYSTEM, ChoiceType, ListType, NamedType, Type
from service.fhir.externals import EXTERNALS, FHIR
from service.fhir.profiles import PROFILES


@cache
def r4() -> Model:
    """FHIR 4.0.1 as the engine needs it."""
    table = json.loads(files("service.fhir").joinpath("r4_elements.json").read_text("utf-8"))
    classes = {qualified(name): _class(name, row) for name, row in table.items()}
    return Model("FHIR", "4.0.1", FHIR, classes, PROFILES, EXTERNALS)


def qualified(name: str) -> str:
    """`Period` as {http://hl7.org/fhir}Period, `System.Date` as a type of the language."""
    if name.startswith("System."):
        return f"{{{SYSTEM}}}{name.removeprefix('System.')}"
    return f"{{{FHIR}}}{name}"


def _class(name: str, row: dict[str, Any]) -> ClassInfo:
    return ClassInfo(
        name=qualified(name),
        base=qualified(row["base"]),
        elements={element: _type(text) for element, text in row["elements"].items()},
        code_path=row.get("code"),
        retrievable=row.get("resource", False),
    )


def _type(text: str) -> Type:
    if text.endswith("*"):
        return ListType(_type(text[:-1]))
    names = [NamedType(qualified(name)) for name in text.split("|")]
    return names[0] if len(names) == 1 else ChoiceType(tuple(names))
