"""16. Arithmetic Operators, on numbers.

Section numbers are those of https://cql.hl7.org/04-logicalspecification.html. "In general,
operations that cause arithmetic overflow or underflow, or otherwise cannot be performed (such as
division by 0) will result in null, rather than a run-time error." Quantities are in `quantity`,
dates and times in `date_arithmetic`; this file chooses between them.
"""

from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from typing import Any

from service.cql.operators import date_arithmetic, quantity
from service.cql.operators.registry import operator
from service.cql.values import Date, DateTime, Long, Quantity, Time, Uncertainty
from service.cql.values.limits import step
from service.cql.values.number import EXACT, decimal, integer, long, whole
from service.errors import EvaluationError

Number = int | Long | Decimal
Arithmetic = Callable[[Any, Any], Any]
_ONE = Decimal(1)


def _binary(name: str, functions: dict[type, Arithmetic], left: Any, right: Any) -> Any:
    """Computes by the type of `left`; of an uncertain number if either operand is one."""
    kind = Uncertainty if type(right) is Uncertainty else type(left)
    function = functions.get(kind)
    if function is None:
        raise EvaluationError(f"{name} is not defined for {type(left).__name__}")
    return function(left, right)


def _unary(name: str, functions: dict[type, Callable[[Any], Any]], operand: Any) -> Any:
    function = functions.get(type(operand))
    if function is None:
        raise EvaluationError(f"{name} is not defined for {type(operand).__name__}")
    return function(operand)


def _or_null(function: Callable[[Decimal, Decimal], Decimal]) -> Arithmetic:
    """Decimal arithmetic whose result is null where it has none."""

    def compute(left: Decimal, right: Decimal) -> Decimal | None:
        try:
            return decimal(function(left, right))
        except ArithmeticError:
            return None

    return compute


# 16.1. Abs


@operator("Abs", nulls="propagate")
def abs_(operand: Any) -> Any:
    """The absolute value; null for the minimum of Integer and Long."""
    return _unary("Abs", _ABS, operand)


_ABS: dict[type, Callable[[Any], Any]] = {
    int: lambda value: integer(abs(value)),
    Long: lambda value: long(abs(value)),
    Decimal: EXACT.abs,
    Quantity: lambda value: Quantity(EXACT.abs(value.value), value.unit),
}

# 16.2. Add


@operator("Add", nulls="propagate")
def add(left: Any, right: Any) -> Any:
    """`+` of numbers and quantities, and of a date or time and a duration."""
    if type(left) is int and type(right) is int:
        return integer(left + right)
    return _binary("Add", _ADD, left, right)


_ADD: dict[type, Arithmetic] = {
    int: lambda left, right: integer(left + right),
    Long: lambda left, right: long(left + right),
    Decimal: _or_null(EXACT.add),
    Quantity: quantity.add,
    Date: date_arithmetic.add,
    DateTime: date_arithmetic.add,
    Time: date_arithmetic.add,
    Uncertainty: lambda left, right: _uncertain(add)(left, right),
}


def _uncertain(function: Arithmetic) -> Arithmetic:
    """What `function`, which has its extremes at the ends, gives over ranges of numbers."""

    def compute(left: Any, right: Any) -> Any:
        results = [function(first, second) for first in _ends(left) for second in _ends(right)]
        return None if None in results else Uncertainty.between(min(results), max(results))

    return compute


def _ends(value: Any) -> tuple[Any, ...]:
    return (value.low, value.high) if type(value) is Uncertainty else (value,)


def _quotients(function: Arithmetic) -> Arithmetic:
    """As `_uncertain`, for division; null where the divisor may be zero."""
    ranges = _uncertain(function)

    def compute(left: Any, right: Any) -> Any:
        ends = _ends(right)
        return None if min(ends) <= 0 <= max(ends) else ranges(left, right)

    return compute


# 16.3. Ceiling


@operator("Ceiling", nulls="propagate")
def ceiling(operand: Any) -> Any:
    """The first Integer at or above; null when it is none."""
    if type(operand) is Uncertainty:
        return operand.map(ceiling)
    return integer(int(operand.to_integral_value(ROUND_CEILING)))


# 16.4. Divide


@operator("Divide", nulls="propagate")
def divide(left: Any, right: Any) -> Any:
    """`/` of Decimals and quantities, to 8 digits; null by zero."""
    return _binary("Divide", _DIVIDE, left, right)


_DIVIDE: dict[type, Arithmetic] = {
    Decimal: _or_null(EXACT.divide),
    Quantity: quantity.divide,
    int: lambda left, right: divide(Decimal(left), Decimal(right)),
    Long: lambda left, right: divide(Decimal(left), Decimal(right)),
    Uncertainty: lambda left, right: _quotients(divide)(left, right),
}

# 16.5. Exp


@operator("Exp", nulls="propagate")
def exp(operand: Decimal) -> Decimal:
    """e to the power of the operand. Raises EvaluationError where it is no Decimal."""
    return _defined("Exp", _or_null(lambda value, _: EXACT.exp(value))(operand, _ONE))


def _defined(name: str, result: Decimal | None) -> Decimal:
    if result is None:
        raise EvaluationError(f"{name} has no result that is a Decimal")
    return result


# 16.6. Floor


@operator("Floor", nulls="propagate")
def floor(operand: Any) -> Any:
    """The first Integer at or below; null when it is none."""
    if type(operand) is Uncertainty:
        return operand.map(floor)
    return integer(int(operand.to_integral_value(ROUND_FLOOR)))


# 16.8. Log


@operator("Log", nulls="propagate")
def log(operand: Decimal, base: Decimal) -> Decimal | None:
    """The logarithm to `base`; null where it has none."""
    if operand <= 0 or base <= 0:
        return None
    result = _or_null(lambda left, right: EXACT.divide(EXACT.ln(left), EXACT.ln(right)))
    logarithm: Decimal | None = result(operand, base)
    return logarithm


# 16.10. Ln


@operator("Ln", nulls="propagate")
def ln(operand: Decimal) -> Decimal:
    """The natural logarithm. Raises EvaluationError of zero and below."""
    if operand <= 0:
        raise EvaluationError("Ln has no result that is a Decimal")
    return _defined("Ln", decimal(EXACT.ln(operand)))


# 16.13. Modulo


@operator("Modulo", nulls="propagate")
def modulo(left: Any, right: Any) -> Any:
    """`mod`: what is left of truncated division, with the sign of `left`; null by zero."""
    return _binary("Modulo", _MODULO, left, right)


def _remainder(left: int, right: int) -> int | None:
    return None if right == 0 else left - right * _quotient(left, right)


def _quotient(left: int, right: int) -> int:
    """Integer division towards zero."""
    result = abs(left) // abs(right)
    return result if (left < 0) == (right < 0) else -result


_MODULO: dict[type, Arithmetic] = {
    int: lambda left, right: _or_none(_remainder(left, right), integer),
    Long: lambda left, right: _or_none(_remainder(left, right), long),
    Decimal: _or_null(EXACT.remainder),
    Quantity: quantity.modulo,
}


def _or_none(value: int | None, limit: Callable[[int], int | None]) -> int | None:
    return None if value is None else limit(value)


# 16.14. Multiply


@operator("Multiply", nulls="propagate")
def multiply(left: Any, right: Any) -> Any:
    """`*` of numbers and quantities."""
    return _binary("Multiply", _MULTIPLY, left, right)


_MULTIPLY: dict[type, Arithmetic] = {
    int: lambda left, right: integer(left * right),
    Long: lambda left, right: long(left * right),
    Decimal: _or_null(EXACT.multiply),
    Quantity: quantity.multiply,
    Uncertainty: lambda left, right: _uncertain(multiply)(left, right),
}

# 16.15. Negate


@operator("Negate", nulls="propagate")
def negate(operand: Any) -> Any:
    """Unary `-`; null for the minimum of Integer and Long."""
    return _unary("Negate", _NEGATE, operand)


_NEGATE: dict[type, Callable[[Any], Any]] = {
    int: lambda value: integer(-value),
    Long: lambda value: long(-value),
    Decimal: EXACT.minus,
    Quantity: lambda value: Quantity(EXACT.minus(value.value), value.unit),
    Uncertainty: lambda value: Uncertainty(value.high, value.low).map(negate),
}

# 16.16. Power


@operator("Power", nulls="propagate")
def power(left: Number, right: Number) -> Any:
    """`^`; Integers to a negative power give a Decimal."""
    if isinstance(left, Decimal) or isinstance(right, Decimal) or right < 0:
        return _or_null(EXACT.power)(Decimal(left), Decimal(right))
    limit = long if type(left) is Long else integer
    if abs(left) > 1 and right > 64:
        return None
    return limit(left**right)


# 16.18. Predecessor, 16.21. Successor


@operator("Predecessor", nulls="propagate")
def predecessor(operand: Any) -> Any:
    """The value before. Raises EvaluationError at the type's minimum."""
    return _neighbour(operand, -1)


@operator("Successor", nulls="propagate")
def successor(operand: Any) -> Any:
    """The value after. Raises EvaluationError at the type's maximum."""
    return _neighbour(operand, 1)


def _neighbour(operand: Any, direction: int) -> Any:
    try:
        return step(operand, direction)
    except ValueError as error:
        raise EvaluationError(f"The value has no neighbour: {error}") from None


# 16.19. Round


@operator("Round", nulls="handle", inputs=("operand", "precision"))
def round_(operand: Any, precision: int | None = None) -> Any:
    """The nearest number of `precision` digits after the point, halves away from zero."""
    if operand is None:
        return None
    if isinstance(operand, Quantity):
        return Quantity(round_(operand.value, precision), operand.unit)
    if type(operand) is Uncertainty:
        return operand.map(lambda value: round_(value, precision))
    places = Decimal(1).scaleb(-(precision or 0))
    return EXACT.plus(Decimal(operand).quantize(places, ROUND_HALF_UP, EXACT))


# 16.20. Subtract


@operator("Subtract", nulls="propagate")
def subtract(left: Any, right: Any) -> Any:
    """`-` of numbers and quantities, and of a date or time and a duration."""
    return _binary("Subtract", _SUBTRACT, left, right)


_SUBTRACT: dict[type, Arithmetic] = {
    int: lambda left, right: integer(left - right),
    Long: lambda left, right: long(left - right),
    Decimal: _or_null(EXACT.subtract),
    Quantity: quantity.subtract,
    Date: date_arithmetic.subtract,
    DateTime: date_arithmetic.subtract,
    Time: date_arithmetic.subtract,
    Uncertainty: lambda left, right: _uncertain(subtract)(left, right),
}

# 16.22. Truncate


@operator("Truncate", nulls="propagate")
def truncate(operand: Any) -> Any:
    """The Integer part; null when it is no Integer."""
    if type(operand) is Uncertainty:
        return operand.map(truncate)
    return integer(whole(Decimal(operand)))


# 16.23. TruncatedDivide


@operator("TruncatedDivide", nulls="propagate")
def truncated_divide(left: Any, right: Any) -> Any:
    """`div`: division towards zero; null by zero."""
    return _binary("TruncatedDivide", _TRUNCATED_DIVIDE, left, right)


_TRUNCATED_DIVIDE: dict[type, Arithmetic] = {
    int: lambda left, right: integer(_quotient(left, right)) if right else None,
    Long: lambda left, right: long(_quotient(left, right)) if right else None,
    Decimal: _or_null(quantity.divide_whole),
    Quantity: quantity.truncated_divide,
    Uncertainty: lambda left, right: _quotients(truncated_divide)(left, right),
}
