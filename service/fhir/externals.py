"""FHIRPath's functions that FHIRHelpers declares and leaves to the engine (external functions).

Each takes the patient's context and its arguments. Those that are not here are refused when logic
that calls them is compiled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from service.cql.context import Context
from service.cql.elements import Element
from service.cql.types import STRING, NamedType, Type

FHIR = "http://hl7.org/fhir"


def resolve(context: Context, reference: Any) -> Element | None:
    """The resource of the record that a Reference, or its text, means; null if it is not there."""
    if isinstance(reference, Element):
        reference = reference.json.get("reference")
    return context.resolve(reference)


def extension(context: Context, element: Any, url: str | None) -> list[Any] | None:
    """The element's extensions with this URL."""
    return _with_url(getattr(element, "extension", None), url)


def modifier_extension(context: Context, element: Any, url: str | None) -> list[Any] | None:
    """The element's modifier extensions with this URL."""
    return _with_url(getattr(element, "modifierExtension", None), url)


def _with_url(extensions: list[Any] | None, url: str | None) -> list[Any] | None:
    if extensions is None or url is None:
        return None
    return [one for one in extensions if one.url is not None and one.url.value == url]


def has_value(context: Context, element: Any) -> bool:
    """Whether a primitive element has a value and not only extensions."""
    return getattr(element, "value", None) is not None


def get_value(context: Context, element: Any) -> Any:
    """The value of a primitive element."""
    return getattr(element, "value", None)


def _fhir(name: str) -> Type:
    return NamedType(f"{{{FHIR}}}{name}")


EXTERNALS: dict[tuple[str, str, tuple[Type, ...]], Callable[..., Any]] = {
    ("FHIRHelpers", name, operands): function
    for function, name, overloads in (
        (resolve, "resolve", [(STRING,), (_fhir("Reference"),)]),
        (extension, "extension", [(_fhir(of), STRING) for of in ("Element", "DomainResource")]),
        (
            modifier_extension,
            "modifierExtension",
            [(_fhir(of), STRING) for of in ("BackboneElement", "DomainResource")],
        ),
        (has_value, "hasValue", [(_fhir("Element"),)]),
        (get_value, "getValue", [(_fhir("Element"),)]),
    )
    for operands in overloads
}
