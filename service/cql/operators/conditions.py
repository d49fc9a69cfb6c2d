"""Which dates and codes a query asks of what it retrieves, for data requirements.

Of `[Encounter] E where E.period during "Measurement Period" and ...` nothing is needed that lies
outside of the parameter's value: a resource that does not meet a condition of the where clause (or
of a related source's such-that) leaves no row, however the rest of the logic reads. Only what is
written at the retrieve itself is taken, and of dates only `during`: a record that overlaps the
period may start before it. Of codes it is `E.class ~ "inpatient"`, or several such of one element
that are joined by `or`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from service.cql.library import Node
from service.cql.lowering import Frame
from service.cql.operators.external_data import code
from service.cql.operators.reusing_logic import library_of
from service.cql.retrieval import CodeUse, DateUse

DURING = {"In", "IncludedIn"}
# From an element of the model to the date or interval that it is.
CONVERSIONS = {"ToInterval", "ToDateTime", "ToDate"}
CODE_CONVERSIONS = {"ToCode", "ToConcept"}
MODEL_LIBRARY = "FHIRHelpers"


def note_conditions(at: Frame, query: Node) -> None:
    """Notes for the retrieves of a query which dates and codes its conditions ask of them."""
    for source in query["source"]:
        _note(at, source, query.get("where"))
    for related in query.get("relationship") or ():
        _note(at, related, related.get("suchThat"))


def _note(at: Frame, source: Node, condition: Node | None) -> None:
    dates = tuple(dict.fromkeys(_dates(source["alias"], _conjuncts(condition))))
    chosen = next(_choices(at, source["alias"], _conjuncts(condition)), None)
    for retrieve in _retrieves(source["expression"]):
        if dates:
            at.unit.dates[id(retrieve)] = dates
        if chosen:
            at.unit.choices[id(retrieve)] = chosen


def _retrieves(source: Node) -> Iterator[Node]:
    """The retrieves whose every resource becomes an item of the source."""
    match source.get("type"):
        case "Retrieve":
            yield source
        case "Union":
            for part in source["operand"]:
                yield from _retrieves(part)
        case "As":
            yield from _retrieves(source["operand"])


def _conjuncts(condition: Node | None) -> Iterator[Node]:
    """The conditions that must all be true."""
    if condition is not None and condition.get("type") == "And":
        for part in condition["operand"]:
            yield from _conjuncts(part)
    elif condition is not None:
        yield condition


def _dates(alias: str, conditions: Iterable[Node]) -> Iterator[DateUse]:
    for condition in conditions:
        if condition.get("type") not in DURING:
            continue
        what, when = condition["operand"]
        path = _path(alias, what)
        if path is not None and when.get("type") == "ParameterRef" and "libraryName" not in when:
            yield DateUse(path, when["name"], condition.get("precision") is not None)


def _path(alias: str, node: Node) -> str | None:
    """The element of the alias that the node is, as a date or an interval."""
    match node:
        case {"type": "Property", "path": "value", "source": inner}:
            return _element(alias, inner)
        case {"type": "FunctionRef", "libraryName": library, "name": name, "operand": [inner]}:
            known = library == MODEL_LIBRARY and name in CONVERSIONS
            return _element(alias, inner) if known else None
    return None


def _choices(at: Frame, alias: str, conditions: Iterable[Node]) -> Iterator[CodeUse]:
    for condition in conditions:
        parts = [_choice(at, alias, one) for one in _disjuncts(condition)]
        paths = {part.path for part in parts if part}
        if len(paths) == 1 and None not in parts:
            yield CodeUse(paths.pop(), tuple(one for part in parts if part for one in part.codes))


def _disjuncts(condition: Node) -> Iterator[Node]:
    """The conditions of which one must be true."""
    if condition.get("type") == "Or":
        for part in condition["operand"]:
            yield from _disjuncts(part)
    else:
        yield condition


def _choice(at: Frame, alias: str, condition: Node) -> CodeUse | None:
    """The element of the alias and the code to which a condition asks it to be equivalent."""
    match condition:
        case {"type": "Equivalent", "operand": [what, {"type": "CodeRef"} as named]}:
            pass
        case {
            "type": "Equivalent",
            "operand": [what, {"type": "ToConcept", "operand": {"type": "CodeRef"} as named}],
        }:
            pass
        case _:
            return None
    match what:
        case {"type": "FunctionRef", "libraryName": library, "name": name, "operand": [inner]}:
            known = library == MODEL_LIBRARY and name in CODE_CONVERSIONS
            path = _element(alias, inner) if known else None
        case _:
            path = _element(alias, what)
    return CodeUse(path, (code(at, library_of(at, named), named),)) if path else None


def _element(alias: str, node: Node) -> str | None:
    match node:
        case {"type": "Property", "path": str(path), "scope": scope} if scope == alias:
            return path if "." not in path else None
    return None
