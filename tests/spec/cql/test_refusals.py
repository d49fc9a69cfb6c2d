"""What the engine does not understand is refused when the logic is loaded, and nothing is run."""

from typing import Any

import pytest

from service.cql.compiler import compile_program
from service.cql.terminology import Terminology
from service.errors import CompileError
from service.fhir.model import r4
from tests.spec.cql.logic import (
    SYSTEM,
    Node,
    compile_elm,
    define,
    elm,
    function,
    literal,
    node,
    patient,
)

FHIR = "{http://hl7.org/fhir}"
UNKNOWN: Node = {"type": "Frobnicate", "operand": [literal(1)], "locator": "7:3-7:20"}


def refused(*statements: Node, **sections: list[Node]) -> CompileError:
    with pytest.raises(CompileError) as raised:
        compile_elm(elm(*statements, **sections))
    return raised.value


# A node that is not known


def test_an_unknown_node_is_named_with_library_definition_and_place() -> None:
    error = refused(define("Numerator", UNKNOWN))
    assert error.what == "The engine does not know the ELM node 'Frobnicate'"
    assert error.where == "Test 1, 'Numerator', 7:3-7:20"


@pytest.mark.parametrize(
    "around",
    [
        lambda inner: node("And", literal(True), inner),
        lambda inner: {"type": "If", "condition": literal(False), "then": inner, "else": inner},
        lambda inner: {"type": "Tuple", "element": [{"name": "a", "value": inner}]},
        lambda inner: {
            "type": "Query",
            "source": [{"alias": "A", "expression": {"type": "List", "element": []}}],
            "where": inner,
        },
    ],
)
def test_wherever_it_stands(around: Any) -> None:
    assert "Frobnicate" in str(refused(define("X", around(UNKNOWN))))


def test_in_a_function_or_a_definition_that_is_reached() -> None:
    called = {"type": "FunctionRef", "name": "F", "operand": [literal(1)]}
    assert "'F'" in str(refused(function("F", {"a": "Integer"}, UNKNOWN), define("X", called)))
    other = {"type": "ExpressionRef", "name": "Other"}
    assert "'Other'" in str(refused(define("X", other), define("Other", UNKNOWN)))


def test_what_is_not_reached_is_not_looked_at() -> None:
    document = elm(define("X", literal(1)), define("Y", UNKNOWN))
    program = compile_program([document], "Test", Terminology.of(), r4(), {"X"})
    assert patient(program).evaluate("X") == 1


def test_a_part_of_a_known_node_that_is_not_known() -> None:
    count = {"type": "Count", "source": {"type": "List", "element": []}, "path": "code"}
    assert "`path` of Count" in str(refused(define("X", count)))


def test_a_precision_that_is_none() -> None:
    same = node("SameAs", {"type": "Now"}, {"type": "Now"}, precision="Fortnight")
    assert "no precision 'Fortnight'" in str(refused(define("X", same)))


# Names that mean nothing


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ({"type": "ExpressionRef", "name": "Nowhere"}, "defines no expression 'Nowhere'"),
        ({"type": "ParameterRef", "name": "Nowhere"}, "has no parameter 'Nowhere'"),
        ({"type": "ValueSetRef", "name": "Nowhere"}, "declares no value set 'Nowhere'"),
        ({"type": "CodeRef", "name": "Nowhere"}, "declares no code 'Nowhere'"),
        ({"type": "AliasRef", "name": "N"}, "no alias 'N' here"),
        ({"type": "OperandRef", "name": "n"}, "no operand 'n' here"),
        ({"type": "IdentifierRef", "name": "n"}, "'n' is not resolved"),
        ({"type": "FunctionRef", "name": "F", "operand": []}, "has no function 'F'"),
        (
            {"type": "ExpressionRef", "name": "X", "libraryName": "L"},
            "library is included as 'L'",
        ),
        ({"type": "Property", "path": "a"}, "neither source nor scope"),
    ],
)
def test_a_reference_to_nothing(expression: Node, told: str) -> None:
    assert told in str(refused(define("X", expression)))


def test_a_definition_that_is_asked_for_and_not_there() -> None:
    with pytest.raises(CompileError, match="does not define 'Numerator'"):
        compile_program([elm()], "Test", Terminology.of(), r4(), {"Numerator"})


# Types


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ({"type": "Is", "operand": literal(1), "isType": f"{SYSTEM}Whole"}, "type System.Whole"),
        ({"type": "As", "operand": literal(1), "asType": f"{FHIR}Pet"}, "type FHIR.Pet"),
        ({"type": "Retrieve", "dataType": f"{FHIR}Pet"}, "type FHIR.Pet"),
        ({"type": "Retrieve", "dataType": f"{FHIR}Period"}, "cannot retrieve FHIR.Period"),
        ({"type": "Instance", "classType": f"{FHIR}Pet", "element": []}, "type FHIR.Pet"),
        ({"type": "Literal", "valueType": f"{SYSTEM}Whole", "value": "1"}, "no literal of type"),
        ({"type": "Literal", "valueType": f"{SYSTEM}Integer", "value": "one"}, "not a System.Int"),
        (
            {"type": "Literal", "valueType": f"{SYSTEM}Integer", "value": "2147483648"},
            "not a System.Integer",
        ),
        ({"type": "MinValue", "valueType": f"{SYSTEM}String"}, "has no MinValue"),
    ],
)
def test_a_type_or_a_literal_that_is_not_one(expression: Node, told: str) -> None:
    assert told in str(refused(define("X", expression)))


@pytest.mark.parametrize("part", ["id", "context", "codeFilter", "dateFilter", "otherFilter"])
def test_a_part_of_a_retrieve_that_would_change_what_it_gives(part: str) -> None:
    retrieve = {"type": "Retrieve", "dataType": f"{FHIR}Encounter", part: [literal(1)]}
    assert f"`{part}` of a retrieve" in str(refused(define("X", retrieve)))


# Libraries


def using(name: str, uri: str, version: str | None = None) -> Node:
    library = elm(define("X", literal(1)))
    model = {"localIdentifier": name, "uri": uri} | ({"version": version} if version else {})
    library["library"]["usings"]["def"] = [model]
    return library


@pytest.mark.parametrize(
    ("name", "uri", "version"),
    [("FHIR", "http://hl7.org/fhir", "3.0.0"), ("Other", "urn:another-model", None)],
)
def test_a_data_model_that_is_not_known(name: str, uri: str, version: str | None) -> None:
    with pytest.raises(CompileError, match="does not know the data model"):
        compile_elm(using(name, uri, version))


def test_a_data_model_that_is_mapped_to_ours_has_its_own_version() -> None:
    compile_elm(using("QICore", "http://hl7.org/fhir", "4.1.1"))


def library(name: str, version: str | None, *includes: tuple[str, str | None]) -> Node:
    document = elm(define("X", literal(1)))
    document["library"]["identifier"] = {"id": name, "version": version}
    document["library"]["includes"] = {
        "def": [
            {"localIdentifier": included, "path": included, "version": wanted}
            for included, wanted in includes
        ]
    }
    return document


def link(*documents: Node, main: str = "Main") -> None:
    compile_program(documents, main, Terminology.of(), r4(), {"X"})


def test_libraries_find_each_other_by_name_and_version() -> None:
    link(library("Main", "1", ("A", "2")), library("A", "2"), library("A", "3"))


def test_the_main_library_is_found_by_its_name_whatever_its_version_label_says() -> None:
    link(library("Main", "0.9.001"))


@pytest.mark.parametrize(
    ("documents", "told"),
    [
        ([library("Main", "1", ("A", "2"))], "Included library A 2 is missing"),
        ([library("Main", "1", ("A", "2")), library("A", "1")], "it has A 1"),
        ([library("Main", "1", ("A", None)), library("A", "1"), library("A", "2")], "A is missing"),
        ([library("Main", "1"), library("Main", "1")], "Main 1 is there twice"),
        ([library("Main", "1"), library("Main", "2")], "more than one version"),
        ([library("Other", "1")], "no version of the main library"),
        ([library("Main", "1", ("Main", "1"))], "includes itself"),
        ([{"library": {}}], "no library identifier"),
    ],
)
def test_libraries_that_do_not_fit_together(documents: list[Node], told: str) -> None:
    with pytest.raises(CompileError, match=told):
        link(*documents)


def test_two_definitions_of_one_name() -> None:
    assert "share a name" in str(refused(define("X", literal(1)), define("X", literal(2))))


# Names and texts of the logic never become code


@pytest.mark.parametrize("name", ["X\n    raise SystemExit", "a'b\"c", "été \u2028 {0}", "# x"])
def test_names_and_texts_of_the_logic_are_data(name: str) -> None:
    row = {"type": "Tuple", "element": [{"name": name, "value": literal(name)}]}
    alias = {"alias": name, "expression": {"type": "List", "element": [row]}}
    query = {"type": "Query", "source": [alias], "where": literal(True)}
    program = compile_elm(elm(define(name, query)))
    assert patient(program).evaluate(name) == [{name: name}]


def test_an_alias_cannot_take_the_place_of_what_the_program_calls() -> None:
    """Local names are ours too: whatever an alias is called, functions stay what they are."""
    for name in ("is", "equal", "c", "U", "K", "C", "t", "items"):
        kinds = [f"{FHIR}Quantity", f"{SYSTEM}Integer"]
        choice = [{"type": "NamedTypeSpecifier", "name": kind} for kind in kinds]
        specifier = {"type": "ChoiceTypeSpecifier", "choice": choice}
        test = {"type": "Is", "operand": {"type": "AliasRef", "name": name}}
        equal = node("Equal", {"type": "AliasRef", "name": name}, literal(1))
        numbers = {"type": "List", "element": [literal(1), literal(2)]}
        query = {
            "type": "Query",
            "source": [{"alias": name, "expression": numbers}],
            "where": node("And", {**test, "isTypeSpecifier": specifier}, equal),
        }
        assert patient(compile_elm(elm(define("X", query)))).evaluate("X") == [1]


@pytest.mark.parametrize(
    "broken",
    [
        {"type": "And", "operand": [literal(True)]},
        {"type": "Not"},
        {"type": "As", "asType": f"{SYSTEM}Integer"},
        {"type": "Query", "source": [{"alias": "A"}]},
        {"type": "Property", "source": {"type": "Null"}},
        {"type": "Tuple", "element": [{"name": "a"}]},
        {"type": "Is", "operand": literal(1)},
        {"type": "Is", "operand": literal(1), "isTypeSpecifier": {"type": "ListTypeSpecifier"}},
        {"type": "List", "element": [1]},
    ],
)
def test_a_node_that_lacks_a_part(broken: Node) -> None:
    assert refused(define("X", broken)).where.startswith("Test 1, 'X'")
