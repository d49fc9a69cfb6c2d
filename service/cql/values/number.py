"""Integer, Long and Decimal: limits and the rounding to what the types can hold.

Integer is Python's int, Long the subclass below, Decimal Python's Decimal with 8 digits after the
point. A result outside its type's limits is null (None). `DECIMAL_MAX` is the `maximum Decimal` of
28 digits; "implementations must support at least the 28 digits of precision", and results of 28
digits before the point are kept.
"""

from decimal import ROUND_DOWN, ROUND_HALF_UP, Context, Decimal

INTEGER_MIN, INTEGER_MAX = -(2**31), 2**31 - 1
LONG_MIN, LONG_MAX = -(2**63), 2**63 - 1
DECIMAL_STEP = Decimal("0.00000001")
DECIMAL_MAX = Decimal("99999999999999999999.99999999")
DECIMAL_MIN = -DECIMAL_MAX
DECIMAL_LIMIT = Decimal(10) ** 28

# Wide enough that a product of two Decimals is exact before it is brought to 8 digits.
EXACT = Context(prec=60)


class Long(int):
    """A CQL Long: 64 bits, written 1L."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"{int(self)}L"


def integer(value: int) -> int | None:
    """`value` as an Integer, null when it overflows."""
    return value if INTEGER_MIN <= value <= INTEGER_MAX else None


def long(value: int) -> Long | None:
    """`value` as a Long, null when it overflows."""
    return Long(value) if LONG_MIN <= value <= LONG_MAX else None


def decimal(value: Decimal) -> Decimal | None:
    """`value` with at most 8 digits after the point (half up), null when it overflows."""
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int):  # NaN and the infinities
        return None
    if not -DECIMAL_LIMIT <= value <= DECIMAL_LIMIT:
        return None
    return value.quantize(DECIMAL_STEP, ROUND_HALF_UP, EXACT) if exponent < -8 else value


def whole(value: Decimal) -> int:
    """The integer part of `value`."""
    return int(value.to_integral_value(ROUND_DOWN))
