"""22. Type Operators: conversions. Is, As, Convert and CanConvert are in `type_tests`.

Section numbers are those of https://cql.hl7.org/04-logicalspecification.html. "If the input string
is not formatted correctly, or cannot be interpreted as a valid ... value, the result is null."
"""

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from service.cql.operators import quantity as quantities
from service.cql.operators.date_and_time import date_from, time_from
from service.cql.operators.registry import Context, operator
from service.cql.values import (
    Code,
    Concept,
    Date,
    DateTime,
    Long,
    Quantity,
    Ratio,
    Structured,
    Time,
    Uncertainty,
)
from service.cql.values.datetime import offset_text
from service.cql.values.number import decimal, integer, long
from service.cql.values.ordering import datetime_of
from service.cql.values.precision import HOUR
from service.cql.values.units import convert, is_calendar, is_valid
from service.errors import EvaluationError

_TRUE = frozenset({"true", "t", "yes", "y", "1"})
_FALSE = frozenset({"false", "f", "no", "n", "0"})
_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
_DECIMAL = re.compile(r"[+-]?\d+(?:\.\d+)?", re.ASCII)
_QUANTITY = re.compile(r"\s*([+-]?\d+(?:\.\d+)?)\s*(?:'([^']*)'|([a-z]+))?\s*", re.ASCII)
_COLON = re.compile(r":(?=(?:[^']*'[^']*')*[^']*$)")

# 22.4. CanConvertQuantity, 22.7. ConvertQuantity


@operator("CanConvertQuantity", nulls="propagate")
def can_convert_quantity(operand: Quantity, unit: str) -> bool:
    """Whether the quantity can be told in `unit`."""
    return convert(operand.value, operand.unit, unit) is not None


@operator("ConvertQuantity", nulls="propagate")
def convert_quantity(operand: Quantity, unit: str) -> Quantity | None:
    """The quantity in `unit`; null where the units do not convert."""
    value = convert(operand.value, operand.unit, unit)
    return None if value is None else Quantity(value, unit)


# 22.5. Children, 22.18. Descendants


@operator("Children", nulls="propagate", inputs=("source",))
def children(source: Any) -> list[Any]:
    """The values of all elements, those of lists one by one."""
    if isinstance(source, list):
        return [child for each in source if each is not None for child in children(each)]
    return [each for value in _elements(source) for each in _listed(value)]


@operator("Descendants", "Descendents", nulls="propagate", inputs=("source",))
def descendants(source: Any) -> list[Any]:
    """The children, their children and so on."""
    found = []
    for child in children(source):
        found.append(child)
        found.extend(descendants(child) if child is not None else ())
    return found


def _elements(value: Any) -> list[Any]:
    if isinstance(value, Structured):
        return list(value.elements().values())
    if isinstance(value, Mapping):
        return list(value.values())
    names: Sequence[str] = getattr(type(value), "__match_args__", ())
    return [getattr(value, name) for name in names]


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else (value,)


# 22.19. ToBoolean


@operator("ToBoolean", nulls="propagate")
def to_boolean(operand: Any) -> bool | None:
    """Of true, t, yes, y, 1 and their opposites in any case, of 1 and 0."""
    if isinstance(operand, bool):
        return operand
    if isinstance(operand, str):
        text = operand.lower()
        return True if text in _TRUE else False if text in _FALSE else None
    return {1: True, 0: False}.get(operand)


# 22.20. ToChars


@operator("ToChars", nulls="propagate")
def to_chars(operand: str) -> list[str]:
    """Each character as a string."""
    return list(operand)


# 22.21. ToConcept


@operator("ToConcept", nulls="propagate")
def to_concept(operand: Code | list[Code] | Concept) -> Concept:
    """The Concept of a Code, with its display, or of a list of Codes."""
    if isinstance(operand, Concept):
        return operand
    if isinstance(operand, Code):
        return Concept((operand,), operand.display)
    return Concept(tuple(operand))


# 22.22. ToDate


@operator("ToDate", nulls="propagate", context=True)
def to_date(context: Context, operand: Any) -> Date | None:
    """Of a DateTime or of text, of which a time is read over."""
    if isinstance(operand, Date | DateTime):
        return date_from(context, operand)
    moment = DateTime.parse(operand)
    return None if moment is None else moment.date()


# 22.23. ToDateTime


@operator("ToDateTime", nulls="propagate", context=True)
def to_date_time(context: Context, operand: Any) -> DateTime | None:
    """Of a Date, without time, or of text; at the evaluation's offset where none is given."""
    if isinstance(operand, DateTime):
        return operand
    if isinstance(operand, Date):
        return datetime_of(operand, context.now.offset)
    return DateTime.parse(operand, context.now.offset)


# 22.24. ToDecimal


@operator("ToDecimal", nulls="propagate")
def to_decimal(operand: Any) -> Any:
    """Of text, a whole number, or a Boolean as 1.0 or 0.0."""
    if isinstance(operand, Decimal):
        return operand
    if isinstance(operand, Uncertainty):
        return operand.map(to_decimal)
    if isinstance(operand, bool):
        return Decimal("1.0") if operand else Decimal("0.0")
    if isinstance(operand, str) and not _DECIMAL.fullmatch(operand):
        return None
    return decimal(Decimal(operand))


# 22.25. ToInteger, 22.27. ToLong


@operator("ToInteger", nulls="propagate")
def to_integer(operand: Any) -> Any:
    """Of text, a Long or a Boolean; null where it is out of range."""
    if isinstance(operand, Uncertainty):
        return operand.map(to_integer)
    number = _whole(operand)
    return None if number is None else integer(number)


@operator("ToLong", nulls="propagate")
def to_long(operand: Any) -> Any:
    """Of text, an Integer or a Boolean; null where it is out of range."""
    if isinstance(operand, Uncertainty):
        return operand.map(to_long)
    number = _whole(operand)
    return None if number is None else long(number)


def _whole(operand: Any) -> int | None:
    if isinstance(operand, str) and not _INTEGER.fullmatch(operand):
        return None
    if isinstance(operand, Decimal) and operand != operand.to_integral_value():
        return None
    return int(operand)


# 22.26. ToList


@operator("ToList", nulls="handle")
def to_list(operand: Any) -> list[Any]:
    """The list of the one value; empty of null."""
    return [] if operand is None else [operand]


# 22.28. ToQuantity


@operator("ToQuantity", nulls="propagate")
def to_quantity(operand: Any) -> Quantity | None:
    """Of text with or without unit, a number, or a ratio as its quotient. Units stay."""
    if isinstance(operand, Quantity):
        return operand
    if isinstance(operand, Ratio):
        return quantities.divide(operand.numerator, operand.denominator)
    if not isinstance(operand, str):
        return Quantity(Decimal(operand))
    parts = _QUANTITY.fullmatch(operand)
    if parts is None:
        return None
    number, unit, word = parts.groups()
    value = decimal(Decimal(number))
    if value is None or (word and not is_calendar(word)) or (unit and not is_valid(unit)):
        return None
    return Quantity(value, word or unit or "1")


# 22.29. ToRatio


@operator("ToRatio", nulls="propagate")
def to_ratio(operand: Any) -> Ratio | None:
    """Of text: two quantities with a colon between."""
    if isinstance(operand, Ratio):
        return operand
    parts = [to_quantity(part) for part in _COLON.split(operand)]
    if len(parts) != 2 or parts[0] is None or parts[1] is None:
        return None
    return Ratio(parts[0], parts[1])


# 22.30. ToString


@operator("ToString", nulls="propagate", context=True)
def to_string(context: Context, operand: Any) -> str:
    """The text that converts back; a DateTime's offset where it is not the evaluation's."""
    if isinstance(operand, DateTime):
        text = str(operand)
        implied = operand.precision >= HOUR and operand.offset == context.now.offset
        return text.removesuffix(offset_text(operand.offset)) if implied else text
    written = _WRITTEN.get(type(operand))
    if written is None:
        raise EvaluationError(f"ToString is not defined for {type(operand).__name__}")
    return written(operand)


def _quantity_text(operand: Quantity) -> str:
    unit = operand.unit if is_calendar(operand.unit) else f"'{operand.unit}'"
    return f"{operand.value:f} {unit}"


def _decimal_text(operand: Decimal) -> str:
    text = f"{operand:f}"
    return text if "." in text else f"{text}.0"


def _ratio_text(operand: Ratio) -> str:
    return f"{_quantity_text(operand.numerator)}:{_quantity_text(operand.denominator)}"


_WRITTEN: dict[type, Callable[[Any], str]] = {
    str: str,
    bool: lambda operand: "true" if operand else "false",
    int: str,
    Long: lambda operand: str(int(operand)),
    Decimal: _decimal_text,
    Quantity: _quantity_text,
    Ratio: _ratio_text,
    Date: str,
    Time: str,
}

# 22.31. ToTime


@operator("ToTime", nulls="propagate", context=True)
def to_time(context: Context, operand: Any) -> Time | None:
    """Of text, or the time of a DateTime."""
    if isinstance(operand, Time):
        return operand
    return time_from(context, operand) if isinstance(operand, DateTime) else Time.parse(operand)


# 22.8. ConvertsToBoolean to 22.17. ConvertsToTime


@operator("ConvertsToBoolean", nulls="propagate")
def converts_to_boolean(operand: Any) -> bool:
    """Whether ToBoolean has a value."""
    return isinstance(operand, _PLAIN) and to_boolean(operand) is not None


@operator("ConvertsToDate", nulls="propagate", context=True)
def converts_to_date(context: Context, operand: Any) -> bool:
    """Whether ToDate has a value."""
    return isinstance(operand, str | Date | DateTime) and to_date(context, operand) is not None


@operator("ConvertsToDateTime", nulls="propagate", context=True)
def converts_to_date_time(context: Context, operand: Any) -> bool:
    """Whether ToDateTime has a value."""
    return isinstance(operand, str | Date | DateTime) and to_date_time(context, operand) is not None


@operator("ConvertsToDecimal", nulls="propagate")
def converts_to_decimal(operand: Any) -> bool:
    """Whether ToDecimal has a value and loses no digit for it."""
    if not isinstance(operand, _PLAIN) or (value := to_decimal(operand)) is None:
        return False
    return not isinstance(operand, str) or value == Decimal(operand)


@operator("ConvertsToInteger", nulls="propagate")
def converts_to_integer(operand: Any) -> bool:
    """Whether ToInteger has a value."""
    return isinstance(operand, _PLAIN) and to_integer(operand) is not None


@operator("ConvertsToLong", nulls="propagate")
def converts_to_long(operand: Any) -> bool:
    """Whether ToLong has a value."""
    return isinstance(operand, _PLAIN) and to_long(operand) is not None


@operator("ConvertsToQuantity", nulls="propagate")
def converts_to_quantity(operand: Any) -> bool:
    """Whether ToQuantity has a value."""
    if isinstance(operand, bool):
        return False
    return isinstance(operand, (*_PLAIN, Quantity, Ratio)) and to_quantity(operand) is not None


@operator("ConvertsToRatio", nulls="propagate")
def converts_to_ratio(operand: Any) -> bool:
    """Whether ToRatio has a value."""
    return isinstance(operand, str | Ratio) and to_ratio(operand) is not None


@operator("ConvertsToString", nulls="propagate")
def converts_to_string(operand: Any) -> bool:
    """Whether ToString is defined for the value."""
    return type(operand) in _WRITTEN or isinstance(operand, DateTime)


@operator("ConvertsToTime", nulls="propagate", context=True)
def converts_to_time(context: Context, operand: Any) -> bool:
    """Whether ToTime has a value."""
    return isinstance(operand, str | Time | DateTime) and to_time(context, operand) is not None


_PLAIN = (bool, int, Decimal, str)
