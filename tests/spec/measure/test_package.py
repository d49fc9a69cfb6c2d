"""Packages: what is missing or not understood is an error when the package is loaded."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from service.cql import translator
from service.errors import CompileError, MeasureError
from service.measure.package import load_package
from tests.spec.measure.bundles import library
from tests.spec.measure.tiny import (
    concept,
    content,
    criteria,
    group_json,
    libraries,
    observation,
    population,
)

Json = dict[str, Any]
WITH_VALUE_SET = """
library Coded version '1'
using FHIR version '4.0.1'
include FHIRHelpers version '4.0.1'
valueset "Flu": 'urn:test:flu'
valueset "Unused": 'urn:test:unused'
context Patient
define "initial-population": [Condition: "Flu"]
"""
CODES = [{"system": "urn:test", "code": str(number)} for number in range(3)]
FLU = {
    "resourceType": "ValueSet",
    "url": "urn:test:flu",
    "status": "active",
    "expansion": {"total": 3, "contains": CODES},
}


def tiny_bundle() -> list[Json]:
    """A whole package, as a list of resources that a test then spoils."""
    measure = content(group_json("proportion", "Encounter")).measure
    return deepcopy([dict(measure), *(library(dict(elm)) for elm in libraries())])


def coded_bundle(*value_sets: Json) -> list[Json]:
    group = group_json("cohort", "Condition")
    measure = content(group, library=["urn:test:Coded"]).measure
    elm = translator.translate(WITH_VALUE_SET)
    helpers = libraries()[1]
    return [dict(measure), library(elm), library(dict(helpers)), *value_sets]


def load(folder: Path, resources: list[Json]) -> Any:
    entries = [{"resource": resource} for resource in resources]
    file = folder / "bundle.json"
    file.write_text(json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}))
    return load_package(file)


def refused(folder: Path, resources: list[Json]) -> str:
    with pytest.raises(MeasureError) as told:
        load(folder, resources)
    return str(told.value)


def test_a_package_knows_its_measure(tmp_path: Path) -> None:
    package = load(tmp_path, tiny_bundle())
    assert (package.url, package.version, package.id) == ("urn:test:tiny", "1", "tiny")
    assert package.canonical == "urn:test:tiny|1"
    assert [group.id for group in package.groups] == ["g"]


def test_a_version_with_spaces_is_encoded_where_a_canonical_may_have_none(tmp_path: Path) -> None:
    (measure, *others) = tiny_bundle()
    package = load(tmp_path, [{**measure, "version": "Draft of 2.1"}, *others])
    assert package.version == "Draft of 2.1"
    assert package.canonical == "urn:test:tiny|Draft%20of%202.1"


def test_a_folder_and_a_bundle_of_one_content_have_one_hash(tmp_path: Path) -> None:
    resources = coded_bundle(FLU)
    for name, kept in {"measure": resources[0], "valuesets/flu": FLU}.items():
        file = tmp_path / "folder" / f"{name}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(kept))
    (tmp_path / "folder" / "elm").mkdir()
    for elm in (translator.translate(WITH_VALUE_SET), libraries()[1]):
        name = elm["library"]["identifier"]["id"]
        (tmp_path / "folder" / "elm" / f"{name}.json").write_text(json.dumps(elm))
    assert load_package(tmp_path / "folder").hash == load(tmp_path, resources).hash


def test_the_hash_changes_with_logic_and_codes_but_not_with_prose(tmp_path: Path) -> None:
    before = load(tmp_path, coded_bundle(FLU)).hash
    prose = coded_bundle(FLU)
    prose[0]["date"] = "2026-02-02"
    assert load(tmp_path, prose).hash == before
    codes = deepcopy(FLU)
    codes["expansion"]["contains"][0]["code"] = "changed"
    assert load(tmp_path, coded_bundle(codes)).hash != before
    logic = coded_bundle(FLU)
    elm = translator.translate(WITH_VALUE_SET.replace("Condition:", "Procedure:"))
    assert load(tmp_path, [logic[0], library(elm), *logic[2:]]).hash != before


def test_what_is_not_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bundle.json").write_text("{")
    with pytest.raises(MeasureError, match=r"not JSON .*bundle\.json"):
        load_package(tmp_path / "bundle.json")


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MeasureError, match="cannot be read"):
        load_package(tmp_path / "nothing.json")


def test_what_is_no_bundle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "patient.json").write_text('{"resourceType": "Patient"}')
    with pytest.raises(MeasureError, match="Not a Bundle"):
        load_package(tmp_path / "patient.json")


def test_a_bundle_without_a_measure_is_refused(tmp_path: Path) -> None:
    assert "There is no Measure" in refused(tmp_path, tiny_bundle()[1:])


def test_two_measures_are_refused(tmp_path: Path) -> None:
    both = tiny_bundle()
    assert "2 Measures" in refused(tmp_path, [both[0] | {"id": "other"}, *both])


def test_a_missing_main_library_is_refused(tmp_path: Path) -> None:
    measure, _, helpers = tiny_bundle()
    assert "The library Tiny is missing" in refused(tmp_path, [measure, helpers])


def test_a_main_library_without_elm_is_refused(tmp_path: Path) -> None:
    measure, main, helpers = tiny_bundle()
    main["content"] = [{"contentType": "text/cql", "data": ""}]
    assert "The library Tiny has no ELM" in refused(tmp_path, [measure, main, helpers])


def test_a_missing_included_library_is_refused(tmp_path: Path) -> None:
    assert "FHIRHelpers" in refused(tmp_path, tiny_bundle()[:2])


def test_elm_that_cannot_be_decoded_is_refused(tmp_path: Path) -> None:
    measure, main, helpers = tiny_bundle()
    main["content"][0]["data"] = "%%%"
    assert "cannot be decoded" in refused(tmp_path, [measure, main, helpers])


def test_a_stale_version_label_of_the_main_library_is_no_error(tmp_path: Path) -> None:
    measure, _, helpers = tiny_bundle()
    measure["library"] = ["urn:test:Tiny|9.9.9"]
    elm = deepcopy(dict(libraries()[0]))
    elm["library"]["identifier"]["version"] = "0.0.1"
    assert load(tmp_path, [measure, library(elm, version="9.9.9"), helpers]).groups


def test_an_include_is_found_by_the_version_of_its_library_resource_too(tmp_path: Path) -> None:
    """An ELM's own label is often that of a draft; includes name the version as published."""
    measure, main, _ = tiny_bundle()
    helpers = deepcopy(dict(libraries()[1]))
    helpers["library"]["identifier"]["version"] = "0.0.1"
    assert load(tmp_path, [measure, main, library(helpers, version="4.0.1")]).groups
    older = library(deepcopy(helpers), version="3.0.0")
    assert load(tmp_path, [measure, main, older, library(helpers, version="4.0.1")]).groups
    assert "FHIRHelpers 4.0.1 is missing" in refused(tmp_path, [measure, main, older])


def test_two_libraries_of_one_name_and_version_are_refused(tmp_path: Path) -> None:
    measure, main, helpers = tiny_bundle()
    assert "FHIRHelpers 4.0.1 is there twice" in refused(
        tmp_path, [measure, main, helpers, helpers]
    )


def test_a_definition_that_is_missing_is_refused(tmp_path: Path) -> None:
    resources = tiny_bundle()
    resources[0]["group"][0]["population"][1]["criteria"] = criteria("No Such Thing")
    said = refused(tmp_path, resources)
    assert "does not define 'No Such Thing'" in said
    assert "group g, population denominator" in said


def test_an_unknown_population_is_refused(tmp_path: Path) -> None:
    resources = tiny_bundle()
    resources[0]["group"][0]["population"][0]["code"] = concept("urn:test", "patients")
    assert "Unknown population code 'patients'" in refused(tmp_path, resources)


@pytest.mark.parametrize(
    ("scoring", "populations", "said"),
    [
        ("proportion", ["initial-population", "numerator"], "needs denominator"),
        ("ratio", ["initial-population", "denominator"], "needs numerator"),
        ("continuous-variable", ["initial-population"], "needs measure-observation and"),
        ("cohort", ["initial-population", "numerator"], "has no numerator"),
        ("proportion", ["initial-population"] * 2 + ["denominator", "numerator"], "More than one"),
        ("guess", ["initial-population"], "Unknown scoring 'guess'"),
    ],
)
def test_a_group_that_does_not_fit_its_scoring_is_refused(
    tmp_path: Path, scoring: str, populations: list[str], said: str
) -> None:
    group = group_json("cohort", "Encounter")
    group["extension"][0]["valueCodeableConcept"] = concept("urn:test", scoring)
    group["population"] = [
        population(code, id=f"p{number}") for number, code in enumerate(populations)
    ]
    resources = tiny_bundle()
    resources[0]["group"] = [group]
    assert said in refused(tmp_path, resources)


def test_an_observation_of_what_is_not_there_is_refused(tmp_path: Path) -> None:
    resources = tiny_bundle()
    group = group_json("ratio", "Encounter")
    group["population"].append(observation("nobody"))
    resources[0]["group"] = [group]
    assert "refers to nobody" in refused(tmp_path, resources)


def test_an_aggregate_method_that_is_not_known_is_refused(tmp_path: Path) -> None:
    resources = tiny_bundle()
    group = group_json("ratio", "Encounter")
    group["population"].append(observation("denominator", "harmonic-mean"))
    resources[0]["group"] = [group]
    assert "Unknown aggregate method 'harmonic-mean'" in refused(tmp_path, resources)


@pytest.mark.parametrize(
    ("basis", "expression", "said"),
    [("boolean", "denominator", "not a Boolean"), ("Encounter", "patient numerator", "not a list")],
)
def test_criteria_that_do_not_fit_the_basis_are_refused(
    tmp_path: Path, basis: str, expression: str, said: str
) -> None:
    resources = tiny_bundle()
    group = group_json("cohort", basis)
    group["population"][0]["criteria"] = criteria(expression)
    resources[0]["group"] = [group]
    assert said in refused(tmp_path, resources)


@pytest.mark.parametrize(
    ("expression", "basis"), [("patient numerator", "boolean"), ("denominator", "Encounter")]
)
def test_a_basis_that_is_not_stated_is_what_the_criteria_give(
    tmp_path: Path, expression: str, basis: str
) -> None:
    resources = tiny_bundle()
    group = group_json("cohort", "unstated")
    del group["extension"][1]
    group["population"][0]["criteria"] = criteria(expression)
    resources[0]["group"] = [group]
    assert load(tmp_path, resources).groups[0].basis == basis


def test_a_value_set_that_logic_uses_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(CompileError, match="urn:test:flu is missing"):
        load(tmp_path, coded_bundle())


def test_one_that_is_declared_and_not_used_is_a_notice(tmp_path: Path) -> None:
    [notice] = load(tmp_path, coded_bundle(FLU)).notices
    assert "urn:test:unused" in notice


@pytest.mark.parametrize(
    ("expansion", "said"),
    [({"contains": []}, "empty"), ({"total": 4, "contains": CODES}, "cut off")],
)
def test_an_empty_or_cut_value_set_is_refused(tmp_path: Path, expansion: Json, said: str) -> None:
    with pytest.raises(CompileError, match=said):
        load(tmp_path, coded_bundle(FLU | {"expansion": expansion}))


def test_a_cut_value_set_is_rebuilt_from_the_codes_it_is_composed_of(tmp_path: Path) -> None:
    concepts = [{"code": str(number)} for number in range(5)]
    cut = FLU | {
        "expansion": {"total": 5, "contains": CODES},
        "compose": {"include": [{"system": "urn:test", "concept": concepts}]},
    }
    package = load(tmp_path, coded_bundle(cut))
    assert len(package.logics[0].program.terminology.value_set("urn:test:flu").expansion) == 5


def test_an_elm_node_that_is_not_known_is_refused_with_its_place(tmp_path: Path) -> None:
    measure, _, helpers = tiny_bundle()
    elm = deepcopy(dict(libraries()[0]))
    for definition in elm["library"]["statements"]["def"]:
        if definition["name"] == "numerator":
            definition["expression"] = {"type": "Guess", "locator": "7:1-7:9"}
    with pytest.raises(CompileError, match=r"'Guess'.*Tiny.*numerator.*7:1-7:9"):
        load(tmp_path, [measure, library(elm), helpers])
