"""Which dates a query asks of what it retrieves, for data requirements.

Of `[Encounter] E where E.period during "Measurement Period" and ...` nothing is needed that lies
outside of the parameter's value: a resource that does not meet a condition of the where clause (or
of a related source's such-that) leaves no row, however the rest of the logic reads. Only what is
written at the retrieve itself is taken, and only `during`: a record that overlaps the period may
start before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from service.cql.library import Node
from service.cql.lowering import Frame
from service.cql.retrieval import DateUse

DURING = {"In", "IncludedIn"}
# From an element of the model to the date or interval that it is.
CONVERSIONS = {"ToInterval", "ToDateTime", "ToDate"}
MODEL_LIBRARY = "FHIRHelpers"


def note_dates(at: Frame, query: Node) -> None:
    """Notes for the retrieves of a query which dates its conditions ask of them."""
    for source in query["source"]:
        _note(at, source, query.get("where"))
    for related in query.get("relationship") or ():
        _note(at, related, related.get("suchThat"))


def _note(at: Frame, source: Node, condition: Node | None) -> None:
    dates = tuple(dict.fromkeys(_dates(source["alias"], _conjuncts(condition))))
    if dates:
        for retrieve in _retrieves(source["expression"]):
            at.unit.dates[id(retrieve)] = dates


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


def _element(alias: str, node: Node) -> str | None:
    match node:
        case {"type": "Property", "path": str(path), "scope": scope} if scope == alias:
            return path if "." not in path else None
    return None
