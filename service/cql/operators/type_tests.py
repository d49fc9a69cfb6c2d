"""22. Type Operators that look at the type of a value: As, Is, Convert, CanConvert, Children.

The conversions themselves (ToDate, ToQuantity...) are functions of their own. Section numbers are
those of https://cql.hl7.org/04-logicalspecification.html.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service.cql.library import Node
from service.cql.lowering import Frame, lowers
from service.cql.operators.calls import combine
from service.cql.operators.registry import OPERATORS
from service.cql.source import Term
from service.cql.types import (
    ANY,
    BOOLEAN,
    CLASSES,
    SYSTEM,
    IntervalType,
    ListType,
    NamedType,
    Type,
    choices,
)
from service.cql.values import Interval, Structured
from service.errors import EvaluationError

# 22.1. As


@lowers("As")
def as_(at: Frame, node: Node) -> Term:
    """The operand if it is of the type, else null; when strict an error."""
    type_ = _type(at, node, "asType")
    operand = at.atom(node["operand"])
    if operand.code == "None":
        return Term("None", type_, atom=True)
    if at.is_subtype(operand.type, type_):
        return operand
    if isinstance(type_, IntervalType):
        operand = _pointed(at, operand, type_)
    test = _test(at, operand, type_)
    if test == "False" and not node.get("strict"):
        return Term("None", type_, atom=True)
    failed = "None"
    if node.get("strict"):
        failed = f"{at.unit.call(not_of_type)}({operand.code}, {str(type_)!r})"
    return Term(f"({operand.code} if {test} else {failed})", type_, exact=True)


def _type(at: Frame, node: Node, name: str) -> Type:
    found = at.typed(node, name)
    if found is None:
        at.fail(f"The node names no type (`{name}`)", node)
    return found


def _pointed(at: Frame, operand: Term, type_: IntervalType) -> Term:
    """An interval whose boundaries are all null takes the point type it is cast to."""
    if not isinstance(type_.point, NamedType) or not isinstance(operand.type, IntervalType):
        return operand
    code = f"{at.unit.call(with_point)}({operand.code}, {type_.point.local!r})"
    return at.body.assign(Term(code, operand.type))


def with_point(value: Any, point: str) -> Any:
    """The interval with `point` for its point type where it has none."""
    if type(value) is not Interval or (value.low, value.high) != (None, None):
        return value
    if value.point not in (None, "Any"):
        return value
    return Interval(None, None, value.low_closed, value.high_closed, point)


def _test(at: Frame, operand: Term, type_: Type) -> str:
    """A Python expression that is true when the operand is of the type."""
    if operand.exact and (decided := _decided(at, operand, type_)):
        return decided
    if isinstance(type_, NamedType) and type_ != ANY:
        if type_.name in at.unit.model.classes:
            return f"isinstance({operand.code}, {at.unit.model_class(type_.name)})"
        kinds = CLASSES.get(type_.name, ())
        if len(kinds) == 1:
            return f"type({operand.code}) is {at.unit.call(kinds[0])}"
    return f"{at.unit.test(type_)}({operand.code})"


def _decided(at: Frame, operand: Term, type_: Type) -> str | None:
    """The test where the operand's exact type leaves little to look at."""
    possible = [one for one in choices(operand.type) if at.may_be(one, type_)]
    if not possible:
        return "False"
    if all(at.is_subtype(one, type_) for one in choices(operand.type)):
        return f"({operand.code} is not None)"
    for kind, python in ((IntervalType, Interval), (ListType, list)):
        alike = [one for one in choices(operand.type) if isinstance(one, kind)]
        if alike == possible and all(at.is_subtype(one, type_) for one in alike):
            return f"type({operand.code}) is {at.unit.call(python)}"
    return None


def not_of_type(value: Any, type_: str) -> None:
    """Null of null; raises EvaluationError for any other value."""
    if value is not None:
        raise EvaluationError(f"A value is not a {type_}")


# 22.2. CanConvert, 22.3. Convert


@lowers("CanConvert")
def can_convert(at: Frame, node: Node) -> Term:
    """Whether the operand converts to the type."""
    type_ = _type(at, node, "toType")
    operand = at.lower(node["operand"])
    kind = f"ConvertsTo{_system_name(at, node, type_)}"
    return combine(at, {"type": kind}, kind, operand)


@lowers("Convert")
def convert(at: Frame, node: Node) -> Term:
    """The operand as a value of the type; null where it does not convert."""
    type_ = _type(at, node, "toType")
    operand = at.lower(node["operand"])
    if at.is_subtype(operand.type, type_):
        return operand
    kind = f"To{_system_name(at, node, type_)}"
    return combine(at, {"type": kind}, kind, operand)


def _system_name(at: Frame, node: Node, type_: Type) -> str:
    local = type_.local if isinstance(type_, NamedType) else ""
    if type_ != NamedType(f"{{{SYSTEM}}}{local}") or f"To{local}" not in OPERATORS:
        at.fail(f"The engine knows no conversion to {type_}", node)
    return local


# 22.4. Children, 22.5. Descendents


@lowers("Children")
def children(at: Frame, node: Node) -> Term:
    """The values of all elements of the operand."""
    _read_all(at, operand := at.lower(node["source"]))
    return Term(f"{at.unit.call(children_of)}({operand.code})", ListType(ANY))


@lowers("Descendents", "Descendants")
def descendents(at: Frame, node: Node) -> Term:
    """The values of all elements of the operand, of those theirs, and so on."""
    _read_all(at, operand := at.lower(node["source"]))
    return Term(f"{at.unit.call(descendents_of)}({operand.code})", ListType(ANY))


def _read_all(at: Frame, operand: Term) -> None:
    """Notes that every element is read."""
    for type_ in choices(operand.type):
        if isinstance(type_, NamedType) and type_.name in at.unit.model.classes:
            at.unit.elements.setdefault(type_.local, set()).add("*")


def children_of(value: Any) -> list[Any] | None:
    """The values of all elements of a tuple or a model's element, lists flattened."""
    if value is None:
        return None
    found: list[Any] = []
    for part in _parts(value):
        if isinstance(part, list):
            found.extend(part)
        elif part is not None:
            found.append(part)
    return found


def _parts(value: Any) -> list[Any]:
    match value:
        case Structured():
            return list(value.elements().values())
        case Mapping():
            return list(value.values())
        case list():
            return [part for item in value for part in children_of(item) or ()]
        case Interval():
            return [value.low, value.low_closed, value.high, value.high_closed]
    names = [one for one in getattr(value, "__slots__", ()) if not one.startswith("_")]
    if type(value).__name__ in ("Quantity", "Ratio", "Code", "Concept"):
        return [getattr(value, name) for name in names]
    return []


def descendents_of(value: Any) -> list[Any] | None:
    """Children, theirs, and so on, in that order."""
    if value is None:
        return None
    found: list[Any] = []
    level = children_of(value) or []
    while level:
        found.extend(level)
        level = [below for one in level for below in children_of(one) or ()]
    return found


# 22.6. Is


@lowers("Is")
def is_(at: Frame, node: Node) -> Term:
    """Whether the operand is of the type; null is of none."""
    type_ = _type(at, node, "isType")
    operand = at.atom(node["operand"])
    return Term(_test(at, operand, type_), BOOLEAN, nullable=False)
