"""Arithmetic of quantities (16): the numbers and their units.

"When adding quantities, the dimensions of each quantity must be the same, but not necessarily the
unit. The unit of the result will be the most granular unit of either input." Units that do not fit
give null.
"""

from decimal import ROUND_DOWN, Decimal

from service.cql.values import Quantity
from service.cql.values.number import EXACT, decimal
from service.cql.values.units import convert, finer, product


def add(left: Quantity, right: Quantity) -> Quantity | None:
    """`left + right` in the finer of the two units."""
    if (aligned := _aligned(left, right)) is None:
        return None
    return _quantity(EXACT.add(aligned[0], aligned[1]), aligned[2])


def subtract(left: Quantity, right: Quantity) -> Quantity | None:
    """`left - right` in the finer of the two units."""
    return add(left, Quantity(EXACT.minus(right.value), right.unit))


def multiply(left: Quantity, right: Quantity) -> Quantity | None:
    """`left * right` in the product of the units."""
    unit = left.unit if right.unit == "1" else product(left.unit, right.unit)
    if left.unit == "1":
        unit = right.unit
    return None if unit is None else _quantity(EXACT.multiply(left.value, right.value), unit)


def divide(left: Quantity, right: Quantity) -> Quantity | None:
    """`left / right` in the quotient of the units; null by zero."""
    unit = left.unit if right.unit == "1" else product(left.unit, right.unit, -1)
    if unit is None or not right.value:
        return None
    return _quantity(EXACT.divide(left.value, right.value), unit)


def truncated_divide(left: Quantity, right: Quantity) -> Quantity | None:
    """`left div right` with the unit of `left`; null by zero."""
    value = _in_unit_of(left, right)
    return None if not value else _quantity(divide_whole(left.value, value), left.unit)


def modulo(left: Quantity, right: Quantity) -> Quantity | None:
    """`left mod right` with the unit of `left`; null by zero."""
    value = _in_unit_of(left, right)
    return None if not value else _quantity(EXACT.remainder(left.value, value), left.unit)


def divide_whole(left: Decimal, right: Decimal) -> Decimal:
    """Division towards zero. Raises ArithmeticError by zero."""
    return EXACT.divide(left, right).to_integral_value(ROUND_DOWN)


def _quantity(value: Decimal, unit: str) -> Quantity | None:
    limited = decimal(value)
    return None if limited is None else Quantity(limited, unit)


def _aligned(left: Quantity, right: Quantity) -> tuple[Decimal, Decimal, str] | None:
    """Both values in the finer unit."""
    if left.unit == right.unit:
        return left.value, right.value, left.unit
    unit = finer(left.unit, right.unit)
    if unit is None:
        return None
    first, second = convert(left.value, left.unit, unit), convert(right.value, right.unit, unit)
    return None if first is None or second is None else (first, second, unit)


def _in_unit_of(left: Quantity, right: Quantity) -> Decimal | None:
    """The value of `right` in the unit of `left`; a bare number stays as it is."""
    if right.unit == "1":
        return right.value
    return convert(right.value, right.unit, left.unit)
