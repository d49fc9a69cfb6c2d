"""The static type of an operator's result where the ELM does not state it.

A conversion that the translator inserts has no result type, and a Property's may be that of the
element behind it. What is not known here is Any: its values are looked at when the logic runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from service.cql.library import Node
from service.cql.lowering import Frame
from service.cql.source import Term
from service.cql.types import (
    ANY,
    BOOLEAN,
    CODE,
    CONCEPT,
    DATE,
    DATETIME,
    DECIMAL,
    INTEGER,
    LONG,
    QUANTITY,
    RATIO,
    STRING,
    TIME,
    ChoiceType,
    IntervalType,
    ListType,
    Type,
    union,
)

Operands = Sequence[Type]


def infer(at: Frame, node: Node, operands: Sequence[Term]) -> tuple[Type, bool]:
    """The type of what `node` gives for these operands, and whether it is exact."""
    find = _RULES.get(node["type"])
    found = find([operand.type for operand in operands] or [ANY]) if find is not None else ANY
    if found == ANY:
        return at.declared(node) or ANY, False
    return found, all(operand.exact or operand.code == "None" for operand in operands)


def element(type_: Type) -> Type:
    """The type of a list's elements."""
    match type_:
        case ListType(inner):
            return inner
        case ChoiceType(choices):
            return union(element(choice) for choice in choices if isinstance(choice, ListType))
    return ANY


def _point(operands: Operands) -> Type:
    return operands[0].point if isinstance(operands[0], IntervalType) else ANY


def _same(operands: Operands) -> Type:
    return next((operand for operand in operands if operand != ANY), ANY)


def _element(operands: Operands) -> Type:
    return element(operands[0])


def _list(operands: Operands) -> Type:
    return ListType(operands[0])


def _union(operands: Operands) -> Type:
    lists = [operand for operand in operands if isinstance(operand, ListType)]
    return ListType(union(one.element for one in lists)) if lists else _same(operands)


def _flatten(operands: Operands) -> Type:
    return ListType(element(element(operands[0])))


def _always(type_: Type) -> Callable[[Operands], Type]:
    return lambda operands: type_


_RULES: dict[str, Callable[[Operands], Type]] = {
    **dict.fromkeys(("Start", "End", "PointFrom"), _point),
    **dict.fromkeys(
        ("First", "Last", "SingletonFrom", "Indexer", "Min", "Max", "Sum", "Mode"), _element
    ),
    **dict.fromkeys(("Union", "Intersect", "Except"), _union),
    **dict.fromkeys(
        (
            "Distinct",
            "Collapse",
            "Slice",
            "Add",
            "Subtract",
            "Multiply",
            "Negate",
            "Abs",
            "Message",
        ),
        _same,
    ),
    **dict.fromkeys(("Successor", "Predecessor"), _same),
    "ToList": _list,
    "Flatten": _flatten,
    **dict.fromkeys(
        (
            *("And", "Or", "Xor", "Not", "Implies", "IsNull", "IsTrue", "IsFalse", "Exists"),
            *("Equal", "Equivalent", "NotEqual", "Less", "LessOrEqual", "Greater"),
            *("GreaterOrEqual", "In", "Contains", "Includes", "IncludedIn", "ProperIn"),
            *("InValueSet", "AnyInValueSet", "ToBoolean", "Before", "After", "SameAs"),
        ),
        _always(BOOLEAN),
    ),
    **dict.fromkeys(("ToString", "Concatenate", "Combine", "Upper", "Lower"), _always(STRING)),
    **dict.fromkeys(("ToInteger", "Count", "Length", "CalculateAgeAt"), _always(INTEGER)),
    "Split": _always(ListType(STRING)),
    "ToLong": _always(LONG),
    "ToDecimal": _always(DECIMAL),
    "ToDate": _always(DATE),
    "DateFrom": _always(DATE),
    "ToDateTime": _always(DATETIME),
    "Now": _always(DATETIME),
    "Today": _always(DATE),
    "TimeOfDay": _always(TIME),
    "ToTime": _always(TIME),
    "ToQuantity": _always(QUANTITY),
    "ToRatio": _always(RATIO),
    "ToConcept": _always(CONCEPT),
    "ToCode": _always(CODE),
}
