"""The same answers with less work, where static types allow: Equal of plain values, nested unions.

Section numbers are those of https://cql.hl7.org/04-logicalspecification.html.
"""

from __future__ import annotations

from collections.abc import Iterator

from service.cql.library import Node
from service.cql.lowering import Frame, lowers
from service.cql.operators.calls import call
from service.cql.operators.registry import OPERATORS
from service.cql.source import Term
from service.cql.types import BOOLEAN, STRING, ListType

# 12.1. Equal

PLAIN = (STRING, BOOLEAN)


@lowers("Equal")
def equal(at: Frame, node: Node) -> Term:
    """Of two strings or two Booleans Python's own equality; else the operator's."""
    left, right = (at.atom(operand) for operand in node["operand"])
    if not (left.type == right.type and left.type in PLAIN and left.exact and right.exact):
        return call(at, node, OPERATORS["Equal"], [left, right])
    nulls = [f"{term.code} is None" for term in (left, right) if term.nullable]
    code = f"({left.code} == {right.code})"
    return Term(
        f"(None if {' or '.join(nulls)} else {code})" if nulls else code,
        BOOLEAN,
        bool(nulls),
        exact=True,
    )


# 19.31. Union of lists


@lowers("Union")
def union(at: Frame, node: Node) -> Term:
    """A union of unions of lists is one union: the order and what is equal are the same."""
    return call(at, node, OPERATORS["Union"], list(_operands(at, node)))


def _operands(at: Frame, node: Node) -> Iterator[Term]:
    """The operands, with those of operands that are unions of lists in their place."""
    for operand in node["operand"]:
        inner = _cast(operand)
        if inner.get("type") != "Union" or at.hoists(operand):
            yield at.atom(operand)
            continue
        terms = list(_operands(at, inner))
        if not all(isinstance(term.type, ListType) for term in terms):
            terms = [at.body.assign(call(at, inner, OPERATORS["Union"], terms))]
        yield from terms


def _cast(node: Node) -> Node:
    """What a list is made of where it is only cast to a list of a wider type."""
    if node.get("type") != "As" or node.get("strict"):
        return node
    specifier = node.get("asTypeSpecifier") or {}
    return node["operand"] if specifier.get("type") == "ListTypeSpecifier" else node
