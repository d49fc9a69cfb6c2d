"""16.7. HighBoundary, 16.9. LowBoundary, 16.17. Precision: a value's digits of precision.

A Decimal counts the digits after its point; a date or time all of its digits: 2014-01 has six.
"""

from decimal import ROUND_DOWN, Decimal
from typing import Any

from service.cql.operators.registry import operator
from service.cql.values import Date, DateTime, Time
from service.cql.values.number import EXACT
from service.cql.values.precision import DAY, HOUR

_DATETIME_DIGITS = (4, 6, 8, 10, 12, 14, 17)
_TIME_DIGITS = (2, 4, 6, 9)
_DECIMAL_DIGITS = 8


@operator("HighBoundary", nulls="handle")
def high_boundary(operand: Any, precision: int | None = None) -> Any:
    """The greatest value that `operand` may stand for, to `precision` digits; null beyond those."""
    return None if operand is None else _boundary(operand, precision, high=True)


@operator("LowBoundary", nulls="handle")
def low_boundary(operand: Any, precision: int | None = None) -> Any:
    """The least value that `operand` may stand for, to `precision` digits; null beyond those."""
    return None if operand is None else _boundary(operand, precision, high=False)


@operator("Precision", nulls="propagate")
def precision(operand: Any) -> int:
    """The number of digits of precision."""
    if isinstance(operand, Decimal):
        return _places(operand)
    if isinstance(operand, Time):
        return _TIME_DIGITS[operand.precision - HOUR]
    return _DATETIME_DIGITS[operand.precision]


def _boundary(operand: Any, digits: int | None, high: bool) -> Any:
    if isinstance(operand, int | Decimal):
        return _decimal_boundary(Decimal(operand), digits, high)
    if isinstance(operand, Time):
        index = _index(_TIME_DIGITS, digits)
        value = operand.high if high else operand.low
        return None if index is None else Time.of_milliseconds(value, index + HOUR)
    if isinstance(operand, Date):
        index = _index(_DATETIME_DIGITS[: DAY + 1], digits)
        day = operand.last_day if high else operand.first_day
        return None if index is None else Date.of_day(day, index)
    return _datetime_boundary(operand, digits, high)


def _datetime_boundary(operand: DateTime, digits: int | None, high: bool) -> DateTime | None:
    index = _index(_DATETIME_DIGITS, digits)
    instant = operand.high if high else operand.low
    return None if index is None else DateTime.of_instant(instant, operand.offset, index)


def _index(allowed: tuple[int, ...], digits: int | None) -> int | None:
    """Which precision has so many digits; the finest if None; None if there is none."""
    if digits is None:
        return len(allowed) - 1
    return allowed.index(digits) if digits in allowed else None


def _decimal_boundary(operand: Decimal, digits: int | None, high: bool) -> Decimal | None:
    """Fills the digits that are not given: with nines away from zero, with zeros towards it."""
    wanted = _DECIMAL_DIGITS if digits is None else digits
    if not 0 <= wanted <= _DECIMAL_DIGITS:
        return None
    filled = operand.quantize(Decimal(1).scaleb(-wanted), ROUND_DOWN, EXACT)
    places = _places(operand)
    if wanted <= places or high == (operand < 0):
        return filled
    nines = Decimal(1).scaleb(-places) - Decimal(1).scaleb(-wanted)
    return filled + nines if high else filled - nines


def _places(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
