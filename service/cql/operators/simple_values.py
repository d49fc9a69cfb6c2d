"""1. Simple Values (and 14.1. Null): literals, and the values that clinical logic writes as such.

Section numbers are those of https://cql.hl7.org/04-logicalspecification.html.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from service.cql.library import Node
from service.cql.lowering import Frame, lowers
from service.cql.operators.calls import rule
from service.cql.operators.registry import OPERATORS
from service.cql.source import Term
from service.cql.types import ANY, DECIMAL, LONG, QUANTITY, RATIO, SYSTEM, NamedType, system
from service.cql.values import Quantity, Ratio
from service.cql.values.limits import MAXIMUM, MINIMUM
from service.cql.values.number import decimal, integer, long

# 1.1. Literal


@lowers("Literal")
def literal(at: Frame, node: Node) -> Term:
    """A value of Boolean, Integer, Long, Decimal or String, as text."""
    type_ = NamedType(node.get("valueType", ""))
    read = _LITERALS.get(type_.name.removeprefix(f"{{{SYSTEM}}}"))
    if read is None:
        at.fail(f"There is no literal of type {type_}", node)
    try:
        value = read(node.get("value", ""))
    except (ValueError, InvalidOperation):
        value = None
    if value is None:
        at.fail(f"The literal is not a {type_}", node)
    if type_ in (DECIMAL, LONG):
        return at.unit.constant(value, type_)
    return Term(repr(value), type_, nullable=False, atom=True, exact=True)


def _decimal(text: str) -> Decimal | None:
    """At most 28 digits before the point and 8 after it."""
    value = Decimal(text)
    return value if decimal(value) == value and value.adjusted() < 28 else None


_LITERALS: dict[str, Callable[[str], Any]] = {
    "Boolean": lambda text: {"true": True, "false": False}.get(text),
    "Integer": lambda text: integer(int(text)),
    "Long": lambda text: long(int(text.rstrip("L"))),
    "Decimal": _decimal,
    "String": lambda text: text,
}


@lowers("Negate")
def negate(at: Frame, node: Node) -> Term:
    """16.15. Negate; of a literal that only its negation can be: -2147483648."""
    operand = node["operand"]
    least = _LEAST.get(operand.get("valueType", ""), {}).get(operand.get("value"))
    if least is None:
        return rule(OPERATORS["Negate"])(at, node)
    return at.unit.constant(least, NamedType(operand["valueType"]))


_LEAST: dict[str, dict[str, int]] = {
    f"{{{SYSTEM}}}{name}": {str(-int(MINIMUM[name])): MINIMUM[name]} for name in ("Integer", "Long")
}

# 14.1. Null


@lowers("Null")
def null(at: Frame, node: Node) -> Term:
    """The null of any type."""
    return Term("None", at.declared(node) or ANY, atom=True)


# Quantities are literals of clinical logic (3.9, 3.10)


@lowers("Quantity")
def quantity(at: Frame, node: Node) -> Term:
    """A number with its unit."""
    return at.unit.constant(_quantity(at, node), QUANTITY)


@lowers("Ratio")
def ratio(at: Frame, node: Node) -> Term:
    """Two quantities."""
    parts = (_quantity(at, node.get(part) or {}) for part in ("numerator", "denominator"))
    return at.unit.constant(Ratio(*parts), RATIO)


def _quantity(at: Frame, node: Node) -> Quantity:
    try:
        value = Decimal(str(node.get("value")))
    except InvalidOperation:
        value = None
    if value is None or decimal(value) is None:
        at.fail("The quantity's value is not a Decimal", node)
    return Quantity(value, node.get("unit") or "1")


# 16.9, 16.11. MaxValue, MinValue: their type is written as a literal's is


@lowers("MinValue", "MaxValue")
def limit(at: Frame, node: Node) -> Term:
    """The least or the greatest value of a type."""
    type_ = at.typed(node, "valueType")
    limits = MINIMUM if node["type"] == "MinValue" else MAXIMUM
    name = type_.local if isinstance(type_, NamedType) else ""
    if type_ != system(name) or name not in limits:
        at.fail(f"{type_} has no {node['type']}", node)
    return at.unit.pooled(limits[name], (node["type"], name), system(name))
