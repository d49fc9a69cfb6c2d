"""Elements of a data model as Python objects: a typed, lazy view of decoded FHIR JSON.

Every class of the model becomes a Python class; `encounter.period` is then a `FHIR.Period` object,
made at its first use and kept. The type comes from the model: `Observation.value` of `valueString`
is a FHIR.string, and a FHIR.date's `value` is a `Date`, parsed once. A name that Python reserves
gets an underscore (`encounter.class_`).

An element that is absent is None, also one that repeats: FHIR has no empty lists.
"""

from __future__ import annotations

import keyword
from collections.abc import Callable, Hashable, Mapping
from datetime import tzinfo
from decimal import Decimal, InvalidOperation
from functools import partial
from itertools import zip_longest
from typing import Any

from service.cql.model import Model, json_names
from service.cql.types import ListType, NamedType, Type
from service.cql.values import Date, DateTime, Time
from service.cql.values.structured import Structured
from service.errors import EvaluationError

Compute = Callable[[Any], Any]


class Lazy:
    """An attribute that is computed at its first use and then stored in the instance."""

    __slots__ = ("compute", "name")

    def __init__(self, name: str, compute: Compute) -> None:
        self.name = name
        self.compute = compute

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        value = self.compute(instance)
        setattr(instance, self.name, value)
        return value


class Element(Structured):
    """An element or resource of the model; `json` is its decoded JSON.

    `owner` is, for a resource, the context of the patient that it belongs to.
    """

    __slots__ = ("__dict__", "json", "owner")
    owner: Any
    qualified_name = ""
    attributes: Mapping[str, str] = {}  # element name -> Python attribute

    def __init__(self, json: Mapping[str, Any]) -> None:
        self.json: Any = json

    @property
    def type_name(self) -> str:
        return self.qualified_name

    def elements(self) -> dict[str, object]:
        """The elements that have a value, by name."""
        values = {name: getattr(self, attribute) for name, attribute in self.attributes.items()}
        return {name: value for name, value in values.items() if value is not None}

    def __repr__(self) -> str:
        return f"<{self.qualified_name.rpartition('}')[2]}>"  # never what it holds


class Primitive(Element):
    """An element with a `value` of the language; `json` is the bare value or None.

    `extra` is the companion property (`_birthDate`) with id and extensions.
    """

    __slots__ = ("extra",)

    def __init__(self, json: Any, extra: Mapping[str, Any] | None = None) -> None:
        self.json = json
        self.extra = extra or {}


def attribute(name: str) -> str:
    """The Python attribute of element `name`."""
    return f"{name}_" if keyword.iskeyword(name) else name


def shortcut(name: str) -> str:
    """The Python attribute of the value of the primitive element `name`."""
    return f"{name}__value"


class ElementClasses(dict[str, type[Element]]):
    """The Python classes of a model's types by qualified name, each made when first asked for.

    DateTimes in the data that state no offset take `offset` (minutes); those with a time take that
    of a `place`, where it is known.
    """

    def __init__(self, model: Model, offset: int, place: tzinfo | None = None) -> None:
        super().__init__()
        self.model = model
        self.offset = offset
        self.place = place

    def __missing__(self, name: str) -> type[Element]:
        info = self.model.classes[name]
        base = self[info.base] if info.base and info.base in self.model.classes else Element
        types = self.model.elements(name)
        primitive = self.model.primitive(name)
        members: dict[str, Any] = {
            "__slots__": (),
            "__module__": __name__,
            "qualified_name": name,
            "attributes": {element: attribute(element) for element in types},
        }
        for element in info.elements:
            read = self._reader(element, types[element])
            members[attribute(element)] = self._element(attribute(element), element, read)
        members |= self._shortcuts(info.elements)
        if info.retrievable:
            members["identity"] = property(_resource_identity)
        if primitive is not None:
            members |= self._primitive(primitive, info.name)
            base = base if issubclass(base, Primitive) else _primitive_base(base)
        made = self[name] = type(name.rpartition("}")[2], (base,), members)
        return made

    def _element(self, name: str, element: str, read: Compute) -> Any:
        """The attribute `name` of a class, by which logic reads an element."""
        return Lazy(name, read)

    def named(self, local: str) -> type[Element]:
        """The class of the model with this local name."""
        return self[f"{{{self.model.namespace}}}{local}"]

    def instance(self, name: str, values: Mapping[str, Any], owner: Any = None) -> Element:
        """A new element of class `name` with the given element values."""
        made = self[name]({})
        made.owner = owner
        for element, value in values.items():
            setattr(made, attribute(element), value)
        return made

    def resource(self, json: Mapping[str, Any]) -> Element:
        """The resource that `json` is, by its `resourceType`."""
        name = str(json.get("resourceType"))
        if f"{{{self.model.namespace}}}{name}" not in self.model.classes:
            raise EvaluationError("The record has a resource of a type that the model has not")
        return self.named(name)(json)

    def _primitive(self, kind: str, name: str) -> dict[str, Any]:
        """The attributes of a primitive class whose `value` is of the language's type `kind`."""
        convert = self._conversion(kind, name)
        return {
            "value": Lazy("value", lambda element: convert(element.json)),
            "id": Lazy("id", lambda element: element.extra.get("id")),
            "extension": Lazy("extension", self._extensions),
        }

    def _conversion(self, kind: str, name: str) -> Callable[[Any], Any]:
        """From the JSON of primitive class `name` to its value, of the language's type `kind`."""
        broken = f"The record has a FHIR.{name.rpartition('}')[2]} that is not one"
        json_types, convert = _CONVERSIONS.get(kind, ((str,), None))
        if kind == "DateTime":
            convert = partial(DateTime.parse, offset=self.offset, place=self.place)

        def same(json: Any) -> Any:
            if type(json) in json_types or json is None:
                return json
            raise EvaluationError(broken)

        def value(json: Any) -> Any:
            if json is None:
                return None
            found = convert(json) if type(json) in json_types and convert is not None else None
            if found is None:
                raise EvaluationError(broken)
            return found

        return same if convert is None else value

    def _shortcuts(self, elements: Mapping[str, Type]) -> dict[str, Any]:
        """For each primitive element a further attribute with its value alone (`status__value`)."""
        found: dict[str, Any] = {}
        for name, of in elements.items():
            kind = self.model.primitive(of.name) if isinstance(of, NamedType) else None
            if kind is not None and isinstance(of, NamedType):
                read = _value_reader(name, self._conversion(kind, of.name))
                found[shortcut(name)] = self._element(shortcut(name), name, read)
        return found

    def _extensions(self, element: Primitive) -> list[Element] | None:
        made = self.named("Extension")
        return [made(json) for json in element.extra.get("extension") or ()] or None

    def _reader(self, name: str, type_: Type) -> Compute:
        """How element `name` is read from the JSON of what holds it."""
        named = json_names(name, type_)
        if (of := next(iter(named.values()))).local in ("Resource", "DomainResource"):
            return self._resource_reader(name, isinstance(type_, ListType))
        if isinstance(type_, ListType):
            return self._list_reader(name, of)
        if len(named) == 1:
            return self._single_reader(name, of)
        return self._choice_reader(named)

    def _resource_reader(self, name: str, repeats: bool) -> Compute:
        """Resources in a resource belong to the same patient."""

        def read(element: Element) -> Any:
            json = element.json.get(name)
            if json is None:
                return None
            found = [self.resource(one) for one in (json if repeats else [json])]
            for one in found:
                one.owner = getattr(element, "owner", None)
            return found if repeats else found[0]

        return read

    def _single_reader(self, name: str, of: NamedType) -> Compute:
        if of.name not in self.model.classes:  # System.String: Element.id
            return lambda element: element.json.get(name)
        if self.model.primitive(of.name) is not None:
            return self._primitive_reader(name, of)
        make = self._maker(of)
        return lambda element: make(element.json.get(name))

    def _primitive_reader(self, name: str, of: NamedType) -> Compute:
        companion = f"_{name}"
        made: Any = None

        def read(element: Element) -> Any:
            nonlocal made
            json = element.json
            value, extra = json.get(name), json.get(companion)
            if value is None and extra is None:
                return None
            if made is None:
                made = self[of.name]
            return made(value, extra)

        return read

    def _list_reader(self, name: str, of: NamedType) -> Compute:
        make = self._maker(of)
        companion = f"_{name}"

        def read(element: Element) -> list[Any] | None:
            items = element.json.get(name)
            extras = element.json.get(companion)
            if items is None and extras is None:
                return None
            if not isinstance(items or [], list) or not isinstance(extras or [], list):
                raise EvaluationError(f"The record has an element `{name}` that is not a list")
            if extras is None:
                return [make(item) for item in items] or None
            return [make(item, extra) for item, extra in zip_longest(items or (), extras)] or None

        return read

    def _choice_reader(self, named: Mapping[str, NamedType]) -> Compute:
        makers = {name: self._maker(of) for name, of in named.items()}
        options = {name: name for name in named}
        options |= {f"_{name}": name for name, of in named.items() if self.model.primitive(of.name)}

        def read(element: Element) -> Any:
            json = element.json
            name: str | None = None
            for key in json:
                if key in options and json[key] is not None:
                    if name is not None and name != options[key]:
                        raise EvaluationError("The record has an element in two types at once")
                    name = options[key]
            if name is None:
                return None
            item, extra = json.get(name), json.get(f"_{name}")
            return makers[name](item) if extra is None else makers[name](item, extra)

        return read

    def _maker(self, of: NamedType) -> Callable[..., Any]:
        """What makes an element of class `of` from its JSON; None of None."""
        name = of.name
        made: type[Element] | None = None

        def complex_element(json: Any) -> Element | None:
            nonlocal made
            if json is None:
                return None
            if type(json) is not dict:
                raise EvaluationError(f"The record has a {of} that is not an object")
            if made is None:
                made = self[name]
            return made(json)

        def primitive(json: Any, extra: Any = None) -> Element | None:
            nonlocal made
            if json is None and extra is None:
                return None
            if made is None:
                made = self[name]
            return made(json, extra)  # type: ignore[call-arg]  # of Primitive

        return complex_element if self.model.primitive(name) is None else primitive


def _value_reader(name: str, convert: Callable[[Any], Any]) -> Compute:
    element_attribute = attribute(name)

    def read(element: Any) -> Any:
        found = element.json.get(name)
        if found is not None:
            return convert(found)
        if element.json:
            return None
        return getattr(getattr(element, element_attribute), "value", None)  # made by the logic

    return read


def _resource_identity(resource: Any) -> Hashable:
    """Equal resources have one id; what logic makes itself has no JSON to take it from."""
    id_ = resource.json.get("id") if resource.json else getattr(resource.id, "value", None)
    return resource.qualified_name, id_


def _primitive_base(base: type[Element]) -> type[Element]:
    return type(base.__name__, (Primitive, base), {"__slots__": ()})


def _decimal(json: int | float | Decimal | str) -> Decimal | None:
    try:
        found = Decimal(str(json))
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


# The types that a value has in JSON, and how it becomes one of the language; None: as it is.
_CONVERSIONS: dict[str, tuple[tuple[type, ...], Callable[[Any], Any] | None]] = {
    "Boolean": ((bool,), None),
    "Integer": ((int,), None),
    "Decimal": ((int, float, Decimal, str), _decimal),
    "Date": ((str,), Date.parse),
    "Time": ((str,), Time.parse),
}
