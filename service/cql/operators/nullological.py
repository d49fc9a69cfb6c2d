"""14. Nullological Operators.

Section numbers are those of https://cql.hl7.org/04-logicalspecification.html. 14.1. Null is a
constant and belongs to the compiler.
"""

from typing import Any

from service.cql.operators.registry import operator

# 14.2. Coalesce


@operator("Coalesce", nulls="handle")
def coalesce(*operands: Any) -> Any:
    """The first operand that is not null; of a single list, its first element that is not."""
    if len(operands) == 1 and isinstance(operands[0], list):
        operands = tuple(operands[0])
    return next((operand for operand in operands if operand is not None), None)


# 14.3. IsFalse


@operator("IsFalse", nulls="handle")
def is_false(operand: bool | None) -> bool:
    """True of false only."""
    return operand is False


# 14.4. IsNull


@operator("IsNull", nulls="handle")
def is_null(operand: Any) -> bool:
    """True of null only."""
    return operand is None


# 14.5. IsTrue


@operator("IsTrue", nulls="handle")
def is_true(operand: bool | None) -> bool:
    """True of true only."""
    return operand is True
