"""CQL text evaluated for one patient, so that a test can show a rule in a few lines."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

from service.cql import translator
from service.cql.compiler import compile_program
from service.cql.program import PatientContext, Program
from service.cql.record import PatientRecord
from service.cql.terminology import Terminology
from service.cql.values import DateTime, Interval
from service.fhir.model import r4

HEAD = "library Test version '1'\nusing FHIR version '4.0.1'\ninclude FHIRHelpers version '4.0.1'\n"
NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
YEAR = Interval(DateTime(2026, 1, 1, 0, 0, 0, 0), DateTime(2026, 12, 31, 23, 59, 59, 999))

Resource = Mapping[str, Any]


@cache
def helpers() -> dict[str, Any]:
    """The ELM of FHIRHelpers 4.0.1."""
    text = translator.built_in_source("FHIRHelpers")
    assert text is not None
    return translator.translate(text)


def compiled(
    body: str,
    *,
    value_sets: Sequence[Resource] = (),
    code_systems: Sequence[Resource] = (),
    libraries: Mapping[str, str] | None = None,
    names: Sequence[str] | None = None,
) -> Program:
    """The program of a library with `body`; `libraries` are texts of those it includes."""
    elm = [translator.translate(HEAD + body, libraries=libraries), helpers()]
    elm += [translator.translate(text) for text in (libraries or {}).values()]
    return compile_program(elm, "Test", Terminology.of(value_sets, code_systems), r4(), names)


def patient(
    program: Program, *resources: Resource, parameters: Mapping[str, object] | None = None
) -> PatientContext:
    """The evaluation of the resources, all of one patient."""
    by_type: dict[str, list[Resource]] = {}
    for resource in resources:
        by_type.setdefault(resource["resourceType"], []).append(resource)
    session = program.prepare(parameters or {}, NOW)
    return session.patient(PatientRecord("p", by_type))


def evaluate(body: str, *resources: Resource, **options: Any) -> Any:
    """The value of the definition X of `body` for a patient with these resources."""
    parameters = options.pop("parameters", None)
    return patient(compiled(body, **options), *resources, parameters=parameters).evaluate("X")


def x(expression: str, *resources: Resource, **options: Any) -> Any:
    """The value of an expression for a patient with these resources."""
    return evaluate(f"context Patient\ndefine X: {expression}", *resources, **options)


def value_set(url: str, *codes: str, system: str = "urn:codes", **more: Any) -> dict[str, Any]:
    """A FHIR ValueSet with these codes as its expansion."""
    contains = [{"system": system, "code": code} for code in codes]
    return {"resourceType": "ValueSet", "url": url, "expansion": {"contains": contains}, **more}


def concept(*codes: str, system: str = "urn:codes") -> dict[str, Any]:
    """A CodeableConcept in JSON."""
    return {"coding": [{"system": system, "code": code} for code in codes]}


# ELM by hand, for what the translator would not write

SYSTEM = "{urn:hl7-org:elm-types:r1}"
Node = dict[str, Any]


def elm(*statements: Node, **sections: list[Node]) -> Node:
    """An ELM library Test with these statements and further sections (`includes`, `valueSets`)."""
    library: Node = {
        "identifier": {"id": "Test", "version": "1"},
        "usings": {"def": [{"localIdentifier": "FHIR", "uri": "http://hl7.org/fhir"}]},
        "statements": {"def": list(statements)},
    }
    return {"library": library | {name: {"def": nodes} for name, nodes in sections.items()}}


def define(name: str, expression: Node, context: str = "Patient") -> Node:
    """An ExpressionDef."""
    return {"name": name, "context": context, "expression": expression}


def function(name: str, operands: Mapping[str, str], expression: Node) -> Node:
    """A FunctionDef; `operands` are names of System types by operand."""
    typed = [
        {
            "name": operand,
            "operandTypeSpecifier": {"type": "NamedTypeSpecifier", "name": SYSTEM + of},
        }
        for operand, of in operands.items()
    ]
    return {"type": "FunctionDef", "name": name, "operand": typed, "expression": expression}


def literal(value: object) -> Node:
    """A literal of an Integer, a String or a Boolean."""
    kind = {int: "Integer", str: "String", bool: "Boolean"}[type(value)]
    text = str(value).lower() if kind == "Boolean" else str(value)
    return {"type": "Literal", "valueType": SYSTEM + kind, "value": text}


def node(kind: str, *operands: Node, **more: Any) -> Node:
    """An operator with its operands."""
    unary = kind in ("Exists", "Not", "IsNull")
    return {"type": kind, "operand": operands[0] if unary else list(operands), **more}


def compile_elm(document: Node, *value_sets: Resource) -> Program:
    """The program of all definitions of an ELM library made here."""
    return compile_program([document], "Test", Terminology.of(value_sets), r4())
