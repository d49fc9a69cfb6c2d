"""The types of ELM: type specifiers, their order, and the test of a value.

NamedType      System.Integer, FHIR.Period...: `{namespace}Name`
ListType       List<T>
IntervalType   Interval<T>
TupleType      Tuple { name T, ... }
ChoiceType     Choice<T, ...>
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from operator import itemgetter
from typing import Any

from service.cql.values import (
    Code,
    CodeSystem,
    Concept,
    Date,
    DateTime,
    Interval,
    Long,
    Quantity,
    Ratio,
    Time,
    Uncertainty,
    ValueSet,
)

SYSTEM = "urn:hl7-org:elm-types:r1"


@dataclass(frozen=True, slots=True)
class NamedType:
    """A type of the language or of a model, by its qualified name `{namespace}Name`."""

    name: str

    @property
    def local(self) -> str:
        """The name without its namespace."""
        return self.name.rpartition("}")[2]

    def __str__(self) -> str:
        namespace = self.name.rpartition("}")[0].lstrip("{")
        prefix = {SYSTEM: "System.", "http://hl7.org/fhir": "FHIR."}.get(namespace)
        return self.name if prefix is None else prefix + self.local


@dataclass(frozen=True, slots=True)
class ListType:
    """List<element>."""

    element: Type

    def __str__(self) -> str:
        return f"List<{self.element}>"


@dataclass(frozen=True, slots=True)
class IntervalType:
    """Interval<point>."""

    point: Type

    def __str__(self) -> str:
        return f"Interval<{self.point}>"


@dataclass(frozen=True, slots=True)
class TupleType:
    """Tuple { name: type, ... }; `elements` in the order of their names."""

    elements: tuple[tuple[str, Type], ...]

    def __str__(self) -> str:
        return "Tuple { " + ", ".join(f"{name} {type_}" for name, type_ in self.elements) + " }"


@dataclass(frozen=True, slots=True)
class ChoiceType:
    """Choice<choices>: a value of any of the types."""

    choices: tuple[Type, ...]

    def __str__(self) -> str:
        return "Choice<" + ", ".join(str(choice) for choice in self.choices) + ">"


Type = NamedType | ListType | IntervalType | TupleType | ChoiceType
Specifier = Mapping[str, Any]


def system(name: str) -> NamedType:
    """The type `name` of the language itself."""
    return NamedType(f"{{{SYSTEM}}}{name}")


ANY = system("Any")
BOOLEAN, INTEGER, LONG, DECIMAL = (
    system("Boolean"),
    system("Integer"),
    system("Long"),
    system("Decimal"),
)
STRING, DATE, DATETIME, TIME = system("String"), system("Date"), system("DateTime"), system("Time")
QUANTITY, RATIO, CODE, CONCEPT = (
    system("Quantity"),
    system("Ratio"),
    system("Code"),
    system("Concept"),
)
VALUESET, CODESYSTEM = system("ValueSet"), system("CodeSystem")
VOCABULARY = system("Vocabulary")

# The Python classes of the language's own types; compared with `type(value)`.
CLASSES: dict[str, tuple[type, ...]] = {
    BOOLEAN.name: (bool,),
    INTEGER.name: (int, Uncertainty),
    LONG.name: (Long,),
    DECIMAL.name: (Decimal,),
    STRING.name: (str,),
    DATE.name: (Date,),
    DATETIME.name: (DateTime,),
    TIME.name: (Time,),
    QUANTITY.name: (Quantity,),
    RATIO.name: (Ratio,),
    CODE.name: (Code,),
    CONCEPT.name: (Concept,),
    VALUESET.name: (ValueSet,),
    CODESYSTEM.name: (CodeSystem,),
    VOCABULARY.name: (ValueSet, CodeSystem),
}


def union(types: Iterable[Type]) -> Type:
    """The one type of `types`, or the choice of them in their order; Any gives way to others."""
    flat: dict[Type, None] = {}
    for type_ in types:
        flat.update(dict.fromkeys(type_.choices if isinstance(type_, ChoiceType) else (type_,)))
    if len(flat) > 1:
        flat.pop(ANY, None)
    return next(iter(flat), ANY) if len(flat) < 2 else ChoiceType(tuple(flat))


def choices(type_: Type) -> tuple[Type, ...]:
    """The types that a value of `type_` may have: those of a choice, else itself."""
    return type_.choices if isinstance(type_, ChoiceType) else (type_,)


def parse_specifier(specifier: Specifier) -> Type:
    """The type of an ELM TypeSpecifier. Raises ValueError for what is none."""
    try:
        return _parsed(specifier)
    except KeyError as error:
        raise ValueError(f"a type specifier has no {error}") from None


def _parsed(specifier: Specifier) -> Type:
    match specifier.get("type", "NamedTypeSpecifier"):
        case "NamedTypeSpecifier" if "name" in specifier:
            return NamedType(specifier["name"])
        case "ListTypeSpecifier":
            return ListType(_parsed(specifier["elementType"]))
        case "IntervalTypeSpecifier":
            return IntervalType(_parsed(specifier["pointType"]))
        case "ChoiceTypeSpecifier":
            return union(_parsed(choice) for choice in specifier["choice"])
        case "TupleTypeSpecifier":
            return tuple_type(map(_element, specifier.get("element", ())))
        case kind:
            raise ValueError(f"{kind} is no type specifier")


def tuple_type(elements: Iterable[tuple[str, Type]]) -> TupleType:
    """The tuple type with these elements, whatever their order; of one name the last."""
    return TupleType(tuple(sorted(dict(elements).items(), key=itemgetter(0))))


def _element(element: Specifier) -> tuple[str, Type]:
    return element["name"], parse_specifier(element.get("elementType") or element["type"])


def result_type(node: Mapping[str, Any], name: str = "resultType") -> Type | None:
    """The type that `node` states for itself under `name`Name or `name`Specifier, if it does."""
    if specifier := node.get(f"{name}Specifier"):
        return parse_specifier(specifier)
    named = node.get(f"{name}Name") or node.get(name)
    return NamedType(named) if isinstance(named, str) else None


def is_subtype(sub: Type, base: Type, bases: Mapping[str, str | None]) -> bool:
    """Whether every value of `sub` is a value of `base`.

    `bases` gives the model's classes: qualified name to that of the class it derives from.
    """
    if sub == base or base == ANY:
        return True
    if isinstance(sub, ChoiceType):
        return all(is_subtype(choice, base, bases) for choice in sub.choices)
    if isinstance(base, ChoiceType):
        return any(is_subtype(sub, choice, bases) for choice in base.choices)
    match sub, base:
        case NamedType(), NamedType():
            return _derives(sub.name, base.name, bases)
        case ListType(), ListType():
            return is_subtype(sub.element, base.element, bases)
        case IntervalType(), IntervalType():
            return is_subtype(sub.point, base.point, bases)
        case TupleType(), TupleType():
            return _is_subtuple(sub, base, bases)
    return False


def _derives(name: str, ancestor: str, bases: Mapping[str, str | None]) -> bool:
    if ancestor == VOCABULARY.name:
        return name in (VALUESET.name, CODESYSTEM.name)
    above = bases.get(name)
    while above is not None and above != ancestor:
        above = bases.get(above)
    return above is not None


def _is_subtuple(sub: TupleType, base: TupleType, bases: Mapping[str, str | None]) -> bool:
    return len(sub.elements) == len(base.elements) and all(
        one == other and is_subtype(type_, wanted, bases)
        for (one, type_), (other, wanted) in zip(sub.elements, base.elements, strict=True)
    )


Predicate = Callable[[Any], bool]


def is_instance(type_: Type, classes: Mapping[str, type]) -> Predicate:
    """The test whether a value that is not null is of `type_`; null is of no type.

    `classes` gives the Python classes of the model's types by qualified name.
    """
    match type_:
        case NamedType(name) if name == ANY.name:
            return lambda value: value is not None
        case NamedType(name) if name in CLASSES:
            kinds = CLASSES[name]
            return lambda value: type(value) in kinds
        case NamedType(name):
            model = classes[name]
            return lambda value: isinstance(value, model)
        case ListType(element):
            return _is_list(is_instance(element, classes))
        case IntervalType(point):
            return _is_interval(point, is_instance(point, classes))
        case TupleType(elements):
            return _is_tuple({name: is_instance(of, classes) for name, of in elements})
        case ChoiceType(choices):
            tests = [is_instance(choice, classes) for choice in choices]
            return lambda value: any(test(value) for test in tests)


def _is_list(element: Predicate) -> Predicate:
    return lambda value: (
        type(value) is list and all(item is None or element(item) for item in value)
    )


def _is_interval(point: Type, of_point: Predicate) -> Predicate:
    local = point.local if isinstance(point, NamedType) else None

    def test(value: Any) -> bool:
        if type(value) is not Interval:
            return False
        bounds = [bound for bound in (value.low, value.high) if bound is not None]
        if bounds:
            return all(of_point(bound) for bound in bounds)
        return value.point in (local, None) or point == ANY

    return test


def _is_tuple(elements: Mapping[str, Predicate]) -> Predicate:
    def test(value: Any) -> bool:
        return (
            type(value) is dict
            and value.keys() == elements.keys()
            and all(value[name] is None or of(value[name]) for name, of in elements.items())
        )

    return test
