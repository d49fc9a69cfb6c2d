"""2. Structured Values, and the selectors of lists (20.1) and intervals (19.1).

Section numbers are those of https://cql.hl7.org/04-logicalspecification.html.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from service.cql.elements import attribute, shortcut
from service.cql.library import Node
from service.cql.lowering import Frame, lowers
from service.cql.operators.calls import list_of
from service.cql.source import Term
from service.cql.types import (
    ANY,
    BOOLEAN,
    CODE,
    CONCEPT,
    DECIMAL,
    QUANTITY,
    RATIO,
    STRING,
    SYSTEM,
    VALUESET,
    ChoiceType,
    IntervalType,
    ListType,
    NamedType,
    TupleType,
    Type,
    system,
    tuple_type,
    union,
)
from service.cql.values import Code, Concept, Interval, Quantity, Ratio, Structured, ValueSet
from service.cql.values.ordering import compare
from service.errors import EvaluationError

# 2.1. Tuple


@lowers("Tuple")
def tuple_(at: Frame, node: Node) -> Term:
    """Named elements, in the order they are written."""
    named = [(one["name"], at.atom(one["value"])) for one in node.get("element") or ()]
    items = ", ".join(f"{name!r}: {term.code}" for name, term in named)
    inferred = tuple_type((name, term.type) for name, term in named)
    exact = all(term.exact for _, term in named)
    return Term(f"{{{items}}}", inferred, nullable=False, exact=exact)


# 2.2. Instance


@lowers("Instance")
def instance(at: Frame, node: Node) -> Term:
    """An instance of a class with the given elements, the others null."""
    type_ = at.typed(node, "classType") or ANY
    named = {one["name"]: at.atom(one["value"]).code for one in node.get("element") or ()}
    values = ", ".join(f"{name!r}: {code}" for name, code in named.items())
    if type_ in _SYSTEM_CLASSES:
        code = f"{at.unit.call(_SYSTEM_CLASSES[type_])}(S, {{{values}}})"
        return Term(code, type_)
    if not isinstance(type_, NamedType) or type_.name not in at.unit.model.classes:
        at.fail(f"The engine cannot make an instance of {type_}", node)
    for name in named:
        if at.unit.model.element(type_, name) is None:
            at.fail(f"{type_} has no element {name!r}", node)
    made = f"c.classes.instance({type_.name!r}, {{{values}}}, c)"
    return Term(made, type_, nullable=False, exact=True)


Values = Mapping[str, Any]


def new_quantity(session: Any, values: Values) -> Quantity | None:
    """A System.Quantity; null without a value."""
    value = values.get("value")
    return None if value is None else Quantity(value, values.get("unit") or "1")


def new_ratio(session: Any, values: Values) -> Ratio | None:
    """A System.Ratio; null without both quantities."""
    numerator, denominator = values.get("numerator"), values.get("denominator")
    if numerator is None or denominator is None:
        return None
    return Ratio(numerator, denominator)


def new_code(session: Any, values: Values) -> Code:
    """A System.Code."""
    return Code(*(values.get(name) for name in ("code", "system", "version", "display")))


def new_concept(session: Any, values: Values) -> Concept:
    """A System.Concept."""
    codes = (code for code in values.get("codes") or () if code is not None)
    return Concept(tuple(codes), values.get("display"))


def new_value_set(session: Any, values: Values) -> ValueSet:
    """A System.ValueSet, looked up in the package when the logic runs."""
    found: ValueSet = session.value_set(values.get("id"), values.get("version"))
    return found


_SYSTEM_CLASSES: dict[Type, Callable[[Any, Values], Any]] = {
    QUANTITY: new_quantity,
    RATIO: new_ratio,
    CODE: new_code,
    CONCEPT: new_concept,
    VALUESET: new_value_set,
}

# 2.3. Property

_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")

# The elements of the language's own types.
_SYSTEM_ELEMENTS: dict[str, dict[str, Type]] = {
    "Quantity": {"value": DECIMAL, "unit": STRING},
    "Ratio": {"numerator": QUANTITY, "denominator": QUANTITY},
    "Code": dict.fromkeys(("code", "system", "version", "display"), STRING),
    "Concept": {"codes": ListType(CODE), "display": STRING},
    "ValueSet": dict.fromkeys(("id", "version", "name"), STRING),
    "CodeSystem": dict.fromkeys(("id", "version", "name"), STRING),
    "Vocabulary": dict.fromkeys(("id", "version", "name"), STRING),
}
_INTERVAL_ATTRIBUTES = {
    "low": "low",
    "high": "high",
    "lowClosed": "low_closed",
    "highClosed": "high_closed",
}


@lowers("Property")
def property_(at: Frame, node: Node) -> Term:
    """The element at a path of what a scope or a source gives; null of null."""
    term, steps = _path(at, node)
    while steps:
        (name, index), *steps = steps
        if index:
            term = element_at(at, term, int(index))
        elif steps[:1] == [("value", "")] and _is_primitive(at, term.type, name):
            term = _value_of(at, term, name)
            steps = steps[1:]
        else:
            term = element_of(at, term, name, node)
    return term


Step = tuple[str, str]  # the name of an element, or a position in a list


def _path(at: Frame, node: Node) -> tuple[Term, list[Step]]:
    """Where a property's path starts, and its steps: those of the properties it is of first."""
    steps = _STEP.findall(node["path"])
    source = node.get("source")
    if source is None:
        if not node.get("scope"):
            at.fail("The property has neither source nor scope", node)
        return at.bound("alias", node["scope"], node), steps
    if source.get("type") == "Property" and not at.hoists(source):
        term, above = _path(at, source)
        return term, above + steps
    return at.lower(source), steps


def _is_primitive(at: Frame, type_: Type, name: str) -> bool:
    """Whether element `name` of the class is a single primitive."""
    found = at.unit.model.element(type_, name)
    return isinstance(found, NamedType) and at.unit.model.primitive(found.name) is not None


def _value_of(at: Frame, term: Term, name: str) -> Term:
    """The value of a primitive element, without the element."""
    at.unit.reads(term.type, name)
    model = at.unit.model
    found = model.element(term.type, name)
    kind = model.primitive(found.name) if isinstance(found, NamedType) else None
    return _guarded(at, term, f".{shortcut(name)}", system(kind or "Any"), exact=True)


def element_at(at: Frame, term: Term, index: int) -> Term:
    """The item of a list at `index`; null where there is none."""
    type_ = term.type.element if isinstance(term.type, ListType) else ANY
    return Term(f"{at.unit.call(item)}({term.code}, {index})", type_)


def item(values: Any, index: int) -> Any:
    """`values[index]`, null beyond the end."""
    return values[index] if values is not None and index < len(values) else None


def element_of(at: Frame, term: Term, name: str, node: Node) -> Term:
    """Element `name` of the term. Raises CompileError when its type is known to have none."""
    at.unit.reads(term.type, name)
    match term.type:
        case NamedType(qualified) if qualified in at.unit.model.classes:
            return _class_element(at, term, name, node)
        case TupleType(elements):
            types = dict(elements)
            if name not in types:
                at.fail(f"The tuple has no element {name!r}", node)
            return _guarded(at, term, f"[{name!r}]", types[name], term.exact)
        case IntervalType(point) if name in _INTERVAL_ATTRIBUTES:
            type_ = point if name in ("low", "high") else BOOLEAN
            return _guarded(at, term, f".{_INTERVAL_ATTRIBUTES[name]}", type_)
    of_choice = _type_of(at, term.type, name)
    if of_choice is None:
        at.fail(f"{term.type} has no element {name!r}", node)
    return Term(f"{at.unit.call(read)}({term.code}, {name!r}, {attribute(name)!r})", of_choice)


def _class_element(at: Frame, term: Term, name: str, node: Node) -> Term:
    type_ = at.unit.model.element(term.type, name)
    if type_ is not None:
        return _guarded(at, term, f".{attribute(name)}", type_, exact=True)
    # A subclass may have it: Resource stands for any of them.
    below = [
        found
        for one in at.unit.model.classes
        if at.is_subtype(NamedType(one), term.type)
        and (found := at.unit.model.element(NamedType(one), name)) is not None
    ]
    if not below:
        at.fail(f"{term.type} has no element {name!r}", node)
    code = f"{at.unit.call(read)}({term.code}, {name!r}, {attribute(name)!r})"
    return Term(code, union(below))


def _guarded(at: Frame, term: Term, access: str, type_: Type, exact: bool = False) -> Term:
    if not term.nullable:
        return Term(f"{term.code}{access}", type_, exact=exact)
    atom = at.body.assign(term)
    return Term(f"(None if {atom.code} is None else {atom.code}{access})", type_, exact=exact)


def _type_of(at: Frame, type_: Type, name: str) -> Type | None:
    """The type of element `name`; None when no value of the type has one."""
    match type_:
        case ChoiceType(choices):
            found = [one for choice in choices if (one := _type_of(at, choice, name)) is not None]
            return union(found) if found else None
        case ListType(inner):
            of_items = _type_of(at, inner, name)
            return None if of_items is None else ListType(of_items)
        case NamedType(qualified) if qualified in at.unit.model.classes:
            return at.unit.model.element(type_, name)
        case NamedType() if type_ != ANY:
            return _SYSTEM_ELEMENTS.get(type_.name.removeprefix(f"{{{SYSTEM}}}"), {}).get(name)
        case TupleType(elements):
            return dict(elements).get(name)
        case IntervalType(point):
            known = name in _INTERVAL_ATTRIBUTES
            return (point if name in ("low", "high") else BOOLEAN) if known else None
    return ANY


def read(value: Any, name: str, attribute: str) -> Any:
    """Element `name` of a value whose type is only known now.

    Null of null, and of a class, one of a choice, that has no such element. Of a list the elements
    of its items, those that are lists flattened.
    """
    match value:
        case None:
            return None
        case Structured():
            return getattr(value, attribute, None)
        case dict():
            return value.get(name)
        case list():
            return _read_items(value, name, attribute)
        case Interval() if name in _INTERVAL_ATTRIBUTES:
            return getattr(value, _INTERVAL_ATTRIBUTES[name])
        case Concept() if name == "codes":
            return list(value.codes)
    if name in _SYSTEM_ELEMENTS.get(type(value).__name__, ()):
        return getattr(value, name)
    raise EvaluationError(f"A {type(value).__name__} has no element {name!r}")


def _read_items(values: list[Any], name: str, attribute: str) -> list[Any]:
    found: list[Any] = []
    for one in values:
        value = read(one, name, attribute)
        if isinstance(value, list):
            found.extend(value)
        elif value is not None:
            found.append(value)
    return found


# 19.1. Interval


@lowers("Interval")
def interval(at: Frame, node: Node) -> Term:
    """The interval between two boundaries, each open or closed."""
    low, high = (_boundary(at, node, name) for name in ("low", "high"))
    closed = [_closed(at, node, name) for name in ("lowClosed", "highClosed")]
    declared = at.declared(node)
    point = union(term.type for term in (low, high))
    if point == ANY and isinstance(declared, IntervalType):
        point = declared.point
    local = point.local if isinstance(point, NamedType) else None
    arguments = f"{low.code}, {high.code}, {', '.join(closed)}, {local!r}"
    maker = written_interval if _is_written(node) else new_interval
    made = f"{at.unit.call(maker)}({arguments})"
    return Term(made, IntervalType(point), exact=low.exact and high.exact)


WRITTEN = frozenset({"Literal", "Quantity", "Date", "DateTime", "Time"})


def _is_written(node: Node) -> bool:
    """Whether both boundaries stand in the logic as they are."""
    parts = [node.get(name) or {} for name in ("low", "high")]
    bare = [part["operand"] if part.get("type") == "Negate" else part for part in parts]
    return all(part.get("type") in WRITTEN for part in bare)


def _boundary(at: Frame, node: Node, name: str) -> Term:
    part = node.get(name)
    return Term("None", atom=True) if part is None else at.atom(part)


def _closed(at: Frame, node: Node, name: str) -> str:
    expression = node.get(f"{name}Expression")
    if expression is not None:
        return f"{at.atom(expression).code} is True"
    return repr(node.get(name, True) is True)


def new_interval(
    low: Any, high: Any, low_closed: bool, high_closed: bool, point: str | None
) -> Any:
    """The interval; null where both boundaries are null and of no type."""
    if low is None and high is None and point in (None, "Any"):
        return None
    return Interval(low, high, low_closed, high_closed, point)


def written_interval(
    low: Any, high: Any, low_closed: bool, high_closed: bool, point: str | None
) -> Any:
    """As `new_interval`. Raises EvaluationError where `low` is after `high`.

    Only where the logic itself says so: published measures make such intervals of data, and count
    on their having no points.
    """
    if low is not None and high is not None and compare(low, high) == 1:
        raise EvaluationError("An interval ends before it starts")
    return new_interval(low, high, low_closed, high_closed, point)


# 20.1. List


@lowers("List")
def list_(at: Frame, node: Node) -> Term:
    """The elements in their order."""
    made = list_of([at.atom(one) for one in node.get("element") or ()])
    declared = at.declared(node)
    if made.type == ListType(ANY) and declared is not None:
        return Term(made.code, declared, nullable=False)
    return made
