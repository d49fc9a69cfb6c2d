"""Writes service/fhir/r4_elements.json, the types of FHIR 4.0.1, from the published model info.

    npm pack cql-exec-fhir && tar xzf cql-exec-fhir-*.tgz     # Apache-2.0
    python tools/fhir_model.py package/lib/modelInfos/fhir-modelinfo-4.0.1.xml service/fhir

Only facts are taken: classes, bases, elements with their types, code paths.
"""

import json
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

INFO = "{urn:hl7-org:elm-modelinfo:r1}"
KIND = "{http://www.w3.org/2001/XMLSchema-instance}type"


def main(model_info: Path, folder: Path) -> None:
    root = ET.parse(model_info).getroot()
    classes = {info.attrib["name"]: _class(info) for info in root.findall(f"{INFO}typeInfo")}
    lines = [f"{json.dumps(name)}: {json.dumps(classes[name])}" for name in sorted(classes)]
    text = "{\n" + ",\n".join(lines) + "\n}\n"
    (folder / "r4_elements.json").write_text(text, encoding="utf-8")


def _class(info: ET.Element) -> dict[str, Any]:
    """`{"base", "code"?, "resource"?, "elements": {name: type}}`."""
    found: dict[str, Any] = {"base": info.get("baseType", "").removeprefix("FHIR.")}
    if code := info.get("primaryCodePath"):
        found["code"] = code
    if info.get("retrievable") == "true":
        found["resource"] = True
    found["elements"] = {
        element.attrib["name"]: _element(element) for element in info.findall(f"{INFO}element")
    }
    return found


def _element(element: ET.Element) -> str:
    named = element.get("elementType") or element.get("type")
    if named:
        return named.removeprefix("FHIR.")
    return _type(element.find(f"{INFO}elementTypeSpecifier"))


def _type(specifier: ET.Element | None) -> str:
    """`Quantity`, `Quantity*` for a list, `Quantity|string` for a choice."""
    assert specifier is not None
    match specifier.get(KIND):
        case "ListTypeSpecifier":
            named = specifier.get("elementType")
            return (named.removeprefix("FHIR.") if named else _type(specifier[0])) + "*"
        case "ChoiceTypeSpecifier":
            return "|".join(_type(choice) for choice in specifier)
        case _:
            return specifier.attrib["name"]


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
