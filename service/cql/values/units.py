"""Units of quantities: UCUM by the libraries ucumvert and pint, calendar durations by CQL's rules.

The libraries are loaded when two units first differ; every conversion is worked out once. A unit
that is not valid UCUM is comparable only with itself, written the same way.
"""

import re
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ucumvert import PintUcumRegistry

DEFAULT = "1"

# CQL's calendar durations. Week and below are defined to equal the UCUM unit.
_DEFINITE = {
    "week": "wk",
    "day": "d",
    "hour": "h",
    "minute": "min",
    "second": "s",
    "millisecond": "ms",
}
_CALENDAR = {
    **_DEFINITE,
    **{f"{name}s": code for name, code in _DEFINITE.items()},
    "year": "year",
    "years": "year",
    "month": "month",
    "months": "month",
}
# "For time-valued quantities, UCUM definite-time duration quantities above days (and weeks) are
# considered equivalent to their calendar duration counterparts."
_COUNTERPART = {"a": "year", "mo": "month"}
_APPROXIMATE_DAYS = {"year": Decimal(365), "month": Decimal(30)}

_ANNOTATION = re.compile(r"\{[!-z|~]*\}")
_WIDE = Context(prec=40, rounding=ROUND_HALF_EVEN)


def is_calendar(unit: str) -> bool:
    """Whether `unit` is a calendar duration of CQL, singular or plural."""
    return unit in _CALENDAR


def is_of_time(unit: str) -> bool:
    """Whether `unit` measures time, as a calendar duration does, or UCUM's a and mo."""
    return is_calendar(unit) or finer(unit, "s") is not None or finer(unit, "month") is not None


def canonical(unit: str) -> str:
    """`unit` as UCUM; "year" and "month", which UCUM has not, stay words; no unit is '1'."""
    return _CALENDAR.get(unit, unit) or DEFAULT


def convert(value: Decimal, source: str, target: str) -> Decimal | None:
    """`value` of the unit `source` in the unit `target`; None where they do not convert."""
    if source == target:
        return value
    scale = _scale(canonical(source), canonical(target))
    return None if scale is None else _apply(value, scale)


def convert_equivalent(value: Decimal, source: str, target: str) -> Decimal | None:
    """As `convert`, with a year taken as 365 days, a month as 30 days, 'a' and 'mo' as those."""
    source, target = (_COUNTERPART.get(unit, unit) for unit in map(canonical, (source, target)))
    if (exact := convert(value, source, target)) is not None:
        return exact
    if source in _APPROXIMATE_DAYS:
        return convert(value * _APPROXIMATE_DAYS[source], "d", target)
    if target in _APPROXIMATE_DAYS and (days := convert(value, source, "d")) is not None:
        return _apply(days, (_WIDE.divide(1, _APPROXIMATE_DAYS[target]), Decimal(0)))
    return None


def finer(left: str, right: str) -> str | None:
    """The more granular of two units: 'mg' of 'g' and 'mg'; None if they do not convert."""
    if left == right:
        return left
    scale = _scale(canonical(left), canonical(right))
    if scale is None:
        return None
    return left if scale[0] <= 1 else right


def product(left: str, right: str, sign: int = 1) -> str | None:
    """The unit of a product (`sign` 1) or a quotient (-1); None where a unit is not valid."""
    left, right = canonical(left), canonical(right)
    if right == DEFAULT:
        return left
    if left == right and sign < 0:
        return DEFAULT
    factors = _factors(left), _factors(right)
    if factors[0] is None or factors[1] is None:
        return None
    powers = dict(factors[0])
    for atom, power in factors[1]:
        powers[atom] = powers.get(atom, 0) + sign * power
    if any(atom.isdigit() and abs(power) > 1 for atom, power in powers.items()):
        return None  # a power of a plain number has no UCUM code
    return _text(powers)


@cache
def is_valid(unit: str) -> bool:
    """Whether `unit` is a calendar duration or valid UCUM."""
    return is_calendar(unit) or _factors(unit) is not None


def _apply(value: Decimal, scale: tuple[Decimal, Decimal]) -> Decimal:
    """Scaled to 8 digits after the point, or to 15 significant ones where that is finer."""
    factor, offset = scale
    exact = _WIDE.add(_WIDE.multiply(value, factor), offset)
    digits = max(8, 14 - exact.adjusted())
    return _plain(_WIDE.quantize(exact, Decimal(1).scaleb(-digits)))


def _plain(value: Decimal) -> Decimal:
    """`value` without trailing zeros and without an exponent."""
    bare = value.normalize(_WIDE)
    return bare.quantize(Decimal(1)) if bare.as_tuple().exponent > 0 else bare  # type: ignore[operator]


@cache
def _scale(source: str, target: str) -> tuple[Decimal, Decimal] | None:
    """Factor and offset from one canonical unit to the other; None where they do not convert."""
    if source == target:
        return Decimal(1), Decimal(0)
    if {source, target} == {"year", "month"}:
        return (Decimal(12) if source == "year" else _WIDE.divide(1, 12)), Decimal(0)
    if _arbitrary(source) != _arbitrary(target):
        return None
    return _pint_scale(source, target)


def _pint_scale(source: str, target: str) -> tuple[Decimal, Decimal] | None:
    from pint import PintError

    if (left := _pint(source)) is None or (right := _pint(target)) is None:
        return None
    with localcontext(_WIDE):
        try:
            zero, one = (_magnitude(Decimal(n), left, right) for n in (0, 1))
        except (PintError, ArithmeticError, TypeError):
            return None
        return one - zero, zero


def _magnitude(value: Decimal, left: Any, right: Any) -> Decimal:
    """`value` times the unit `left` as a multiple of the unit `right`."""
    quantity = _registry().Quantity(value * Decimal(left.magnitude), left.units)
    return Decimal(quantity.to(right.units).magnitude) / Decimal(right.magnitude)


@cache
def _registry() -> "PintUcumRegistry":
    from ucumvert import PintUcumRegistry

    return PintUcumRegistry(non_int_type=Decimal)


@cache
def _pint(unit: str) -> Any | None:
    """The unit as a pint quantity; None where it is not valid UCUM."""
    from lark.exceptions import LarkError
    from pint import PintError
    from ucumvert.parser import InvalidUcumError

    bare = _ANNOTATION.sub("", unit) or DEFAULT
    try:
        return _registry().from_ucum(bare)
    except (InvalidUcumError, LarkError, PintError):
        return None


@cache
def _factors(unit: str) -> tuple[tuple[str, int], ...] | None:
    """The unit as powers of its atoms, annotations left out: (("g", 1), ("cm", -3))."""
    from lark import Tree
    from lark.exceptions import LarkError
    from ucumvert.parser import InvalidUcumError, get_ucum_parser, parse_ucum

    bare = _ANNOTATION.sub("", unit) or DEFAULT
    if unit in ("year", "month"):
        return ((unit, 1),)
    try:
        tree = parse_ucum(bare, get_ucum_parser())
    except (InvalidUcumError, LarkError):
        return None
    powers: dict[str, int] = {}
    assert isinstance(tree, Tree)
    _collect(tree, 1, powers)
    return tuple((atom, power) for atom, power in powers.items() if power and atom != DEFAULT)


def _collect(node: Any, power: int, powers: dict[str, int]) -> None:
    """Adds the atoms below a node of the UCUM grammar's tree to `powers`."""
    if node.data == "simple_unit":
        atom = "".join(node.children)
        powers[atom] = powers.get(atom, 0) + power
    elif node.data == "annotatable":
        _collect(node.children[0], power * int(node.children[1]), powers)
    else:
        sign = 1
        for child in node.children:
            if child == "/":
                sign = -1
            elif hasattr(child, "data"):
                _collect(child, power * sign, powers)
                sign = 1


def _text(powers: dict[str, int]) -> str:
    """Powers of atoms as a UCUM code: {"g": 1, "cm": -3} is g/cm3."""
    over = [_power(atom, power) for atom, power in powers.items() if power > 0]
    under = [f"/{_power(atom, -power)}" for atom, power in powers.items() if power < 0]
    return ".".join(over) + "".join(under) or DEFAULT


def _power(atom: str, power: int) -> str:
    return atom if power == 1 else f"{atom}{power}"


@cache
def _arbitrary(unit: str) -> tuple[tuple[str, int], ...]:
    """The arbitrary atoms of a unit ([iU], [arb'U]...), which convert to nothing else."""
    found = []
    for atom, power in _factors(unit) or ():
        name = next((each for each in _arbitrary_atoms() if atom.endswith(each)), None)
        if name is not None:
            found.append((name, power))
    return tuple(sorted(found))


@cache
def _arbitrary_atoms() -> tuple[str, ...]:
    from ucumvert.xml_util import get_units_with_full_definition

    units = get_units_with_full_definition()
    return tuple(unit.code_cs for unit in units if unit.is_arbitrary)
