"""A value as CQL text that evaluates to the same value again.

Longs end in L, partial dates stay partial, DateTimes with a time say their offset, intervals keep
their brackets, and Decimals lose trailing zeros only. What the language has no selector for, a
resource of a model, is written like an instance of its class.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
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
    Structured,
    Time,
    Uncertainty,
    ValueSet,
)
from service.cql.values.units import is_calendar

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ESCAPED = {
    "'": r"\'",
    "\\": r"\\",
    "\n": r"\n",
    "\r": r"\r",
    "\t": r"\t",
    "\f": r"\f",
}


def literal(value: Any) -> str:
    """The value as CQL."""
    if value is None:
        return "null"
    written = _WRITTEN.get(type(value))
    if written is not None:
        return written(value)
    if isinstance(value, Structured):
        return _instance(_class_name(value.type_name), value.elements())
    raise TypeError(f"{type(value).__name__} is no value of the language")


def _string(value: str) -> str:
    return "'" + "".join(_character(character) for character in value) + "'"


def _character(character: str) -> str:
    if character in _ESCAPED:
        return _ESCAPED[character]
    return character if character.isprintable() else "".join(_units(character))


def _units(character: str) -> Iterable[str]:
    r"""The character as \uXXXX, in two where it needs them."""
    encoded = character.encode("utf-16-be")
    return (rf"\u{encoded[at : at + 2].hex()}" for at in range(0, len(encoded), 2))


def _decimal(value: Decimal) -> str:
    text = f"{value:f}"
    whole, _, digits = text.partition(".")
    text = f"{whole}.{digits.rstrip('0') or '0'}"
    return "0.0" if text == "-0.0" else text


def _quantity(value: Quantity) -> str:
    unit = value.unit if is_calendar(value.unit) else _string(value.unit)
    return f"{_decimal(value.value)} {unit}"


def _interval(value: Interval) -> str:
    opening, closing = "(["[value.low_closed], ")]"[value.high_closed]
    low, high = literal(value.low), literal(value.high)
    if value.low is None and value.high is None and value.point not in (None, "Any"):
        low = high = f"null as {value.point}"
    return f"Interval{opening}{low}, {high}{closing}"


def _list(value: Iterable[Any]) -> str:
    return _braces(map(literal, value))


def _braces(parts: Iterable[str]) -> str:
    inside = ", ".join(parts)
    return f"{{ {inside} }}" if inside else "{ }"


def _tuple(value: Mapping[str, Any]) -> str:
    return f"Tuple {_elements(value)}" if value else "Tuple { : }"


def _elements(value: Mapping[str, Any]) -> str:
    return _braces(f"{_name(name)}: {literal(each)}" for name, each in value.items())


def _name(name: str) -> str:
    return name if _IDENTIFIER.fullmatch(name) else '"' + name.replace('"', r"\"") + '"'


def _instance(kind: str, elements: Mapping[str, Any]) -> str:
    """An instance selector of the elements that are not null."""
    known = {name: each for name, each in elements.items() if each is not None}
    return f"{kind} {_elements(known)}" if known else f"{kind} {{ : }}"


def _class_name(qualified: str) -> str:
    namespace, _, local = qualified.rpartition("}")
    return f"FHIR.{local}" if namespace == "{http://hl7.org/fhir" else local


def _code(value: Code) -> str:
    elements = {name: getattr(value, name) for name in ("code", "system", "version", "display")}
    return _instance("Code", elements)


def _concept(value: Concept) -> str:
    return _instance("Concept", {"codes": list(value.codes), "display": value.display})


def _vocabulary(value: CodeSystem | ValueSet) -> str:
    elements = {"id": value.id, "version": value.version, "name": value.name}
    return _instance(type(value).__name__, elements)


_WRITTEN: dict[type, Callable[[Any], str]] = {
    bool: lambda value: "true" if value else "false",
    int: str,
    Long: repr,
    Decimal: _decimal,
    str: _string,
    Date: repr,
    DateTime: repr,
    Time: repr,
    Quantity: _quantity,
    Ratio: lambda value: f"{_quantity(value.numerator)}:{_quantity(value.denominator)}",
    Interval: _interval,
    Uncertainty: lambda value: f"Interval[{literal(value.low)}, {literal(value.high)}]",
    list: _list,
    tuple: _list,
    dict: _tuple,
    Code: _code,
    Concept: _concept,
    ValueSet: _vocabulary,
    CodeSystem: _vocabulary,
}
