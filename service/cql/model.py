"""What the engine knows of a data model: its classes, their elements and their types."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from service.cql.types import ChoiceType, ListType, NamedType, Type

# Whether a decoded resource conforms to a profile.
Conforms = Callable[[Mapping[str, Any]], bool]


@dataclass(frozen=True, slots=True)
class ClassInfo:
    """One class of the model; `name` and `base` are qualified.

    `elements` are the class's own, inherited ones are the base's. `code_path` is the element that a
    retrieve filters by when it names none. `retrievable`: it is a resource.
    """

    name: str
    base: str | None
    elements: Mapping[str, Type]
    code_path: str | None = None
    retrievable: bool = False

    @property
    def primitive(self) -> str | None:
        """The name of the language's type that `value` has, for FHIR's primitive types."""
        value = self.elements.get("value")
        if isinstance(value, NamedType) and value.name.startswith("{urn:hl7-org:elm-types:"):
            return value.local
        return None


@dataclass(frozen=True, slots=True)
class Profiles:
    """What a Retrieve's `templateId` means.

    `rule` gives the test for a class and a profile, None when every resource of the class conforms;
    `elements` the top elements that the test reads.
    """

    rule: Callable[[str, str], Conforms | None]
    elements: Callable[[str, str], frozenset[str]]


@dataclass(frozen=True, eq=False)
class Model:
    """A data model: FHIR 4.0.1.

    `namespace` is the URI in type names. `externals` are the functions that libraries declare and
    leave to the engine: by library, name and operand types a function of the patient's context and
    the arguments.
    """

    name: str
    version: str
    namespace: str
    classes: Mapping[str, ClassInfo]
    profiles: Profiles
    externals: Mapping[tuple[str, str, tuple[Type, ...]], Callable[..., Any]] = field(
        default_factory=dict
    )

    @cached_property
    def bases(self) -> dict[str, str | None]:
        """Every class's base, by qualified names."""
        return {name: info.base for name, info in self.classes.items()}

    def element(self, type_: Type, name: str) -> Type | None:
        """The type of element `name` of a class; None when the class has no such element."""
        info = self.classes.get(type_.name) if isinstance(type_, NamedType) else None
        while info is not None:
            if name in info.elements:
                return info.elements[name]
            info = self.classes.get(info.base or "")
        return None

    def elements(self, name: str) -> dict[str, Type]:
        """All elements of the class, inherited ones first."""
        info = self.classes[name]
        inherited = self.elements(info.base) if info.base and info.base in self.classes else {}
        return {**inherited, **info.elements}

    def primitive(self, name: str) -> str | None:
        """The language's type behind a primitive class (FHIR.code: String), None for the others."""
        info = self.classes.get(name)
        while info is not None:
            if info.primitive:
                return info.primitive
            info = self.classes.get(info.base or "")
        return None


def json_names(name: str, type_: Type) -> dict[str, NamedType]:
    """How an element appears in JSON: property name to the class of its value.

    A choice has a name for each of its types: `value` of Quantity or string is `valueQuantity` or
    `valueString`.
    """
    of = type_.element if isinstance(type_, ListType) else type_
    if isinstance(of, NamedType):
        return {name: of}
    assert isinstance(of, ChoiceType), f"{name} is neither a class nor a choice of classes"
    named = [choice for choice in of.choices if isinstance(choice, NamedType)]
    return {name + choice.local[0].upper() + choice.local[1:]: choice for choice in named}
