"""The least and the greatest value of each ordered type, and the step from a value to the next."""

from collections.abc import Callable
from typing import Any

from service.cql.values.date import Date, plus_months
from service.cql.values.datetime import DateTime
from service.cql.values.number import (
    DECIMAL_MAX,
    DECIMAL_MIN,
    DECIMAL_STEP,
    EXACT,
    INTEGER_MAX,
    INTEGER_MIN,
    LONG_MAX,
    LONG_MIN,
    Long,
)
from service.cql.values.precision import MONTH, SPAN, YEAR
from service.cql.values.quantity import Quantity
from service.cql.values.time import Time
from service.errors import EvaluationError

MINIMUM: dict[str, Any] = {
    "Integer": INTEGER_MIN,
    "Long": Long(LONG_MIN),
    "Decimal": DECIMAL_MIN,
    "Quantity": Quantity(DECIMAL_MIN),
    "Date": Date(1, 1, 1),
    "DateTime": DateTime(1, 1, 1, 0, 0, 0, 0),
    "Time": Time(0, 0, 0, 0),
}
MAXIMUM: dict[str, Any] = {
    "Integer": INTEGER_MAX,
    "Long": Long(LONG_MAX),
    "Decimal": DECIMAL_MAX,
    "Quantity": Quantity(DECIMAL_MAX),
    "Date": Date(9999, 12, 31),
    "DateTime": DateTime(9999, 12, 31, 23, 59, 59, 999),
    "Time": Time(23, 59, 59, 999),
}
TYPE_NAME: dict[type, str] = {type(value): name for name, value in MINIMUM.items()}


def step(value: Any, direction: int) -> Any:
    """The value after (`direction` 1) or before (-1) `value` in its type.

    A partial date or time steps by its own precision. Raises ValueError where the type ends and
    EvaluationError for a type without order.
    """
    name = TYPE_NAME.get(type(value))
    if name is None:
        raise EvaluationError(f"Values of type {type(value).__name__} have no successor")
    result = _STEP[name](value, direction)
    if name in ("Integer", "Long", "Decimal") and not MINIMUM[name] <= result <= MAXIMUM[name]:
        raise ValueError("the type ends here")
    return result


def _step_quantity(value: Quantity, direction: int) -> Quantity:
    return Quantity(step(value.value, direction), value.unit)


def _step_date(value: Date, direction: int) -> Date:
    months = _MONTHS.get(value.precision)
    if months is None:
        return Date.of_day(value.first_day + direction)
    return Date.of_day(plus_months(value.first_day, direction * months), value.precision)


def _step_datetime(value: DateTime, direction: int) -> DateTime:
    months = _MONTHS.get(value.precision)
    if months is None:
        low = value.low + direction * SPAN[value.precision]
        return DateTime.of_instant(low, value.offset, value.precision)
    day = plus_months(value.first_day, direction * months)
    return DateTime.of_day(day, 0, value.offset, value.precision)


def _step_time(value: Time, direction: int) -> Time:
    low = value.low + direction * SPAN[value.precision]
    if not MINIMUM["Time"].low <= low <= MAXIMUM["Time"].low:
        raise ValueError("the day ends here")
    return Time.of_milliseconds(low, value.precision)


_MONTHS = {YEAR: 12, MONTH: 1}
_STEP: dict[str, Callable[[Any, int], Any]] = {
    "Integer": lambda value, direction: value + direction,
    "Long": lambda value, direction: Long(value + direction),
    "Decimal": lambda value, direction: EXACT.add(value, direction * DECIMAL_STEP),
    "Quantity": _step_quantity,
    "Date": _step_date,
    "DateTime": _step_datetime,
    "Time": _step_time,
}
