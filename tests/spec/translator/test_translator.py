"""CQL becomes ELM by the reference translator, in a Node worker that stays warm."""

from __future__ import annotations

from typing import Any

import pytest

from service.cql import translator
from service.errors import TranslationError

pytestmark = pytest.mark.skipif(translator.missing() is not None, reason=str(translator.missing()))


def definitions(elm: dict[str, Any]) -> dict[str, Any]:
    return {one["name"]: one for one in elm["library"]["statements"]["def"]}


def test_a_library_becomes_elm_with_types_and_places() -> None:
    elm = translator.translate("library A version '1'\ndefine X: 1 + 1")
    assert elm["library"]["identifier"] == {"id": "A", "version": "1"}
    sum_ = definitions(elm)["X"]["expression"]
    assert sum_["type"] == "Add"
    assert sum_["locator"] == "2:11-2:15"
    assert sum_["resultTypeName"] == "{urn:hl7-org:elm-types:r1}Integer"


def test_the_options_are_those_of_published_measures() -> None:
    elm = translator.translate("define X: 1")
    [info] = [one for one in elm["library"]["annotation"] if one["type"] == "CqlToElmInfo"]
    assert info["translatorOptions"].split(",") == [
        "EnableAnnotations",
        "EnableLocators",
        "EnableResultTypes",
        "EnableDetailedErrors",
        "DisableListDemotion",
        "DisableListPromotion",
    ]
    assert info["signatureLevel"] == "Overloads"


def test_fhir_and_its_helpers_are_built_in() -> None:
    elm = translator.translate(
        "library A using FHIR version '4.0.1'\ninclude FHIRHelpers version '4.0.1'\n"
        "context Patient\n"
        "define X: [Encounter] E where E.period ends before Now()"
    )
    assert [one["path"] for one in elm["library"]["includes"]["def"]] == ["FHIRHelpers"]
    helpers = translator.built_in_source("FHIRHelpers")
    assert helpers is not None
    assert "ToConcept" in definitions(translator.translate(helpers))
    assert translator.built_in_source("Nothing") is None


def test_included_libraries_are_given_by_name() -> None:
    main = "library Main include Other version '2'\ndefine X: Other.Y + 1"
    other = "library Other version '2'\ndefine Y: 41"
    elm = translator.translate(main, libraries={"Other": other})
    assert definitions(elm)["X"]["expression"]["operand"][0]["libraryName"] == "Other"
    # What was given for one translation is not there for the next.
    with pytest.raises(TranslationError, match="Other"):
        translator.translate(main)


def test_errors_name_their_lines() -> None:
    with pytest.raises(TranslationError) as told:
        translator.translate("library A\ndefine X: 1 + 'a'\ndefine Y: nonsense()")
    assert "line 2, character 11" in str(told.value)
    assert "line 3, character 11" in str(told.value)


def test_what_does_not_parse_hides_what_follows_from_it() -> None:
    with pytest.raises(TranslationError) as told:
        translator.translate("define X: (1 +\ndefine Y: X + 'a'")
    assert "line 2" in str(told.value)
    assert "signature" not in str(told.value)


def test_many_errors_are_counted() -> None:
    with pytest.raises(TranslationError, match="and 3 more"):
        translator.translate("".join(f"define X{n}: nonsense{n}()\n" for n in range(8)))


def test_an_error_leaves_the_worker_working() -> None:
    with pytest.raises(TranslationError):
        translator.translate("library library library")
    assert definitions(translator.translate("define X: 1"))["X"]
