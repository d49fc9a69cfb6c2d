"""The units of what was measured, where a measure compares it with a quantity of its own.

CQL gives null for a comparison of units that do not convert
(https://cql.hl7.org/09-b-cqlreference.html#comparison-operators-1), so that a blood pressure in
"mmHg", which UCUM writes mm[Hg], or a weight without any unit would count for nothing, in silence.
So would a number that is told in words.
"""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import TypeGuard

from service.cql.values.units import finer
from service.site.concepts import Json

UCUM = "http://unitsofmeasure.org"
NO_UNIT = "(no unit)"
LONGEST = 100  # characters of a unit
IN_WORDS = "(a number in words)"  # no unit, and converts to none
_NUMBER = re.compile(r"[\s<>=≤≥~+-]*\d")
Key = tuple[str, str]  # system ("" if a quantity has none) and unit
# Where what was measured stands; Observation is where FHIR has it.
PATHS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "Observation": (("value",), ("component", "value"))
}


def measured(resource: Json, type_name: str) -> Iterator[tuple[str, Json]]:
    """The units of a resource's quantities, each as a concept of one coding, with their paths."""
    for way in PATHS.get(type_name, ()):
        held = [resource]
        for name in way[:-1]:
            items = resource.get(name)
            listed = items if isinstance(items, list) else []
            held = [one for one in listed if isinstance(one, dict)]
        for one in held:
            quantity, words = one.get(f"{way[-1]}Quantity"), one.get(f"{way[-1]}String")
            if is_quantity(quantity):
                yield ".".join((*way, "unit")), {"coding": [_coding(quantity)]}
            elif isinstance(words, str) and _NUMBER.match(words):
                yield ".".join((*way, "unit")), {"coding": [{"code": IN_WORDS}]}


def is_quantity(value: object) -> TypeGuard[Json]:
    """Whether it is a Quantity with a value."""
    return isinstance(value, dict) and isinstance(value.get("value"), int | Decimal)


def unit_key(quantity: Json) -> Key:
    """What says in which unit a quantity is: its code, or else its words, as CQL reads it."""
    code = quantity.get("code") or quantity.get("unit") or NO_UNIT
    return str(quantity.get("system") or ""), str(code)


def converts(unit: str, units: frozenset[str]) -> bool:
    """Whether a quantity of a unit can be compared with one of these; without a unit it is 1."""
    unit = "1" if unit == NO_UNIT else unit
    if len(unit) > LONGEST:
        return False
    return any(unit == one or finer(unit, one) is not None for one in units)


def _coding(quantity: Json) -> Json:
    system, code = unit_key(quantity)
    return {"system": system, "code": code, "display": str(quantity.get("unit") or "")}
