"""The FHIR 4.0.1 model: its classes, and that its table says what the published model info says."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from service.cql.model import json_names
from service.cql.types import DATE, ChoiceType, ListType, NamedType, Type
from service.fhir.model import qualified, r4

MODEL_INFO = Path(__file__).parents[4] / "shared/data/modelinfo/fhir-modelinfo-4.0.1.xml"
INFO = "{urn:hl7-org:elm-modelinfo:r1}"
KIND = "{http://www.w3.org/2001/XMLSchema-instance}type"


def fhir(name: str) -> NamedType:
    return NamedType(qualified(name))


def test_elements_are_typed_and_inherited() -> None:
    model = r4()
    assert model.element(fhir("Patient"), "birthDate") == fhir("date")
    assert model.element(fhir("date"), "value") == DATE
    assert model.element(fhir("Patient"), "name") == ListType(fhir("HumanName"))
    assert model.element(fhir("Patient"), "id") == fhir("id")
    assert model.element(fhir("Age"), "value") == fhir("decimal")
    assert model.element(fhir("Patient"), "shoeSize") is None


def test_a_choice_has_a_name_in_json_for_each_of_its_types() -> None:
    onset = r4().element(fhir("Condition"), "onset")
    assert onset is not None
    assert json_names("onset", onset) == {
        "onsetDateTime": fhir("dateTime"),
        "onsetAge": fhir("Age"),
        "onsetPeriod": fhir("Period"),
        "onsetRange": fhir("Range"),
        "onsetString": fhir("string"),
    }


def test_primitive_classes_stand_for_values_of_the_language() -> None:
    model = r4()
    primitives = {name: model.primitive(qualified(name)) for name in ("code", "instant", "Period")}
    assert primitives == {"code": "String", "instant": "DateTime", "Period": None}


# The published model info, where it is at hand. Its editions differ in these; ours is that of the
# npm package cql-exec-fhir.
EDITIONS_DIFFER = {"Communication.code", "MeasureReport.code"}


@pytest.mark.skipif(not MODEL_INFO.exists(), reason=f"no model info at {MODEL_INFO}")
def test_the_table_says_what_the_model_info_says() -> None:
    published = {info.attrib["name"]: info for info in ET.parse(MODEL_INFO).iter(f"{INFO}typeInfo")}
    model = r4()
    assert {qualified(name) for name in published} == model.classes.keys()
    differences = set()
    for name, info in published.items():
        ours = model.classes[qualified(name)]
        assert ours.base == qualified(info.attrib["baseType"].removeprefix("FHIR.")), name
        if ours.code_path != info.get("primaryCodePath") and ours.retrievable:
            differences.add(f"{name}.code")
        for element in info.findall(f"{INFO}element"):
            theirs = _type(element)
            if model.element(fhir(name), element.attrib["name"]) != theirs:
                differences.add(f"{name}.{element.attrib['name']}")
    assert differences <= EDITIONS_DIFFER | ELEMENTS_ONE_HAS_NOT


# The other edition lists these elements; in ours their class has none of its own.
ELEMENTS_ONE_HAS_NOT = {"ElementDefinition.Type.profile", "ElementDefinition.Type.aggregation"}


def _type(element: ET.Element) -> Type:
    named = element.get("elementType")
    if named:
        return fhir(named.removeprefix("FHIR."))
    specifier = element.find(f"{INFO}elementTypeSpecifier")
    assert specifier is not None
    return _specified(specifier)


def _specified(specifier: ET.Element) -> Type:
    match specifier.get(KIND):
        case "ListTypeSpecifier":
            named = specifier.get("elementType")
            of = fhir(named.removeprefix("FHIR.")) if named else _specified(specifier[0])
            return ListType(of)
        case "ChoiceTypeSpecifier":
            return ChoiceType(tuple(_specified(choice) for choice in specifier))
        case _:
            return fhir(specifier.attrib["name"])
