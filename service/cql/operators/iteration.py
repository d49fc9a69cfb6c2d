"""20 and 21: the list operators that compute an expression for every item, and Message (24).

ForEach, Filter, Repeat, Sort and Aggregate bind the current item under their scope's name; Current,
Iteration and Total read what is bound. Section numbers are those of
https://cql.hl7.org/04-logicalspecification.html.
"""

from __future__ import annotations

from typing import Any

from service.cql.library import Node
from service.cql.lowering import Frame, lowers
from service.cql.operators.inference import element
from service.cql.operators.queries import sort
from service.cql.source import Term
from service.cql.types import INTEGER, ListType, Type


def _bind(at: Frame, node: Node, item: str, index: str, type_: Type) -> Frame:
    """The frame in which the item and its position are bound, by scope and without."""
    terms = {
        "$this": Term(item, type_, atom=True),
        "$index": Term(index, INTEGER, nullable=False, atom=True),
    }
    if node.get("scope"):
        terms[f"alias:{node['scope']}"] = terms["$this"]
        terms[f"index:{node['scope']}"] = terms["$index"]
    return at.bind(**terms)


# 20.11. Filter, 20.14. ForEach


@lowers("ForEach", "Filter")
def for_each(at: Frame, node: Node) -> Term:
    """The items' values; for Filter the items for which the condition is true. Null of null."""
    source = at.atom(node["source"])
    rows, item, index = (at.body.name(hint) for hint in ("rows", "item", "index"))
    at.body.line(f"{rows} = None if {source.code} is None else []")
    with at.body.block(f"for {index}, {item} in enumerate({source.code} or ()):"):
        inner = _bind(at, node, item, index, element(source.type))
        if node["type"] == "Filter":
            type_: Type = source.type
            with at.body.block(f"if {inner.condition(node['condition'])}:"):
                at.body.line(f"{rows}.append({item})")
        else:
            term = inner.lower(node["element"])
            type_ = ListType(term.type)
            at.body.line(f"{rows}.append({term.code})")
    return Term(rows, type_, source.nullable, atom=True)


# 20.24. Repeat


@lowers("Repeat")
def repeat(at: Frame, node: Node) -> Term:
    """The items' values, the values of those, and so on, until nothing new comes. Null of null."""
    source = at.atom(node["source"])
    rows, queue, item = (at.body.name(hint) for hint in ("rows", "queue", "item"))
    at.body.line(f"{rows} = None if {source.code} is None else []")
    at.body.line(f"{queue} = list({source.code} or ())")
    with at.body.block(f"while {queue}:"):
        at.body.line(f"{item} = {queue}.pop(0)")
        inner = _bind(at, node, item, "None", element(source.type))
        term = inner.lower(node["element"])
        at.body.line(f"{at.unit.call(add_new)}({rows}, {queue}, {term.code})")
    return Term(rows, ListType(term.type), source.nullable, atom=True)


def add_new(rows: list[Any], queue: list[Any], found: Any) -> None:
    """Adds what is found and not yet there to both lists."""
    for one in found if isinstance(found, list) else [] if found is None else [found]:
        if not any(one is there or one == there for there in rows):
            rows.append(one)
            queue.append(one)


# 20.26. Sort


@lowers("Sort")
def sort_list(at: Frame, node: Node) -> Term:
    """The list in the order of the sort items. Null of null."""
    source = at.atom(node["source"])
    rows = at.body.assign(Term(f"{source.code} or []", source.type, nullable=False))
    result = sort(at, rows, node.get("by") or ())
    return Term(f"(None if {source.code} is None else {result.code})", source.type)


# 21. Aggregate


@lowers("Aggregate")
def aggregate(at: Frame, node: Node) -> Term:
    """The items folded into one value, from the initial value on. Null of null."""
    source = at.atom(node["source"])
    initial = node.get("initialValue")
    start = at.lower(initial) if initial is not None else Term("None", atom=True)
    total, item, index = (at.body.name(hint) for hint in ("total", "item", "index"))
    at.body.line(f"{total} = {start.code}")
    with at.body.block(f"for {index}, {item} in enumerate({source.code} or ()):"):
        inner = _bind(at, node, item, index, element(source.type))
        inner = inner.bind(**{"$total": Term(total, start.type, atom=True)})
        at.body.line(f"{total} = {inner.lower(node['iteration']).code}")
    return Term(f"(None if {source.code} is None else {total})", at.declared(node) or start.type)


@lowers("Current")
def current(at: Frame, node: Node) -> Term:
    """The item of the iteration around, or of the one that the scope names."""
    scope = node.get("scope")
    return at.bound("alias", scope, node) if scope else _reading(at, "$this", node)


@lowers("Iteration")
def iteration(at: Frame, node: Node) -> Term:
    """The position of the current item, from 0."""
    scope = node.get("scope")
    return at.bound("index", scope, node) if scope else _reading(at, "$index", node)


@lowers("Total")
def total(at: Frame, node: Node) -> Term:
    """What an Aggregate has folded so far."""
    return _reading(at, "$total", node)


def _reading(at: Frame, name: str, node: Node) -> Term:
    if name not in at.scope:
        at.fail(f"There is no {name} here", node)
    return at.scope[name]
