"""Quantity and Ratio."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with a unit: a UCUM code, or a CQL calendar duration in the singular ("year").

    '1' is the default unit. Python's `==` compares both parts as written; the language's equality
    converts units and is in `service.cql.operators.comparison`.
    """

    value: Decimal
    unit: str = "1"


@dataclass(frozen=True, slots=True)
class Ratio:
    """Two quantities, as in a titre 1:128."""

    numerator: Quantity
    denominator: Quantity
