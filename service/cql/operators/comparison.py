"""12. Comparison Operators.

Section numbers are those of https://cql.hl7.org/04-logicalspecification.html. Equality of lists,
intervals, tuples, codes and model elements (19, 20 and 23 refer here) is below too.
"""

from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from service.cql.operators.registry import operator
from service.cql.values import (
    Code,
    CodeSystem,
    Concept,
    Date,
    DateTime,
    Interval,
    Long,
    Quantity,
    Ratio,
    Structured,
    Time,
    Uncertainty,
    ValueSet,
    boundary,
)
from service.cql.values.number import EXACT
from service.cql.values.ordering import compare
from service.cql.values.units import convert_equivalent

Ternary = bool | None


def all_true(answers: "list[Ternary]") -> Ternary:
    """The conjunction: false if one is, else unknown if one is."""
    if False in answers:
        return False
    return None if None in answers else True


# 12.1. Equal


@operator("Equal", nulls="propagate")
def equal(left: Any, right: Any) -> Ternary:
    """`=`; of two values of different types false."""
    kind = type(left)
    if kind is not type(right):
        return _equal_mixed(left, right)
    if kind in _PLAIN:
        return bool(left == right)
    return _equality(kind)(left, right)


def same_or_both_null(left: Any, right: Any) -> Ternary:
    """Equality "with the exception that null elements are considered equal"."""
    if left is None or right is None:
        return True if left is right else None
    return equal(left, right)


def _equality(kind: type) -> Callable[[Any, Any], Ternary]:
    found = _EQUAL.get(kind)
    if found is None:  # and not kept: each session has its own classes of a model
        return _equal_elements if issubclass(kind, Structured) else _equal_mixed
    return found


def _equal_mixed(left: Any, right: Any) -> Ternary:
    kinds = {type(left), type(right)}
    if kinds == {Date, DateTime} or kinds == {int, Uncertainty}:
        return boundary.same(left, right)
    return False


def _equal_lists(left: list[Any], right: list[Any]) -> Ternary:
    if len(left) != len(right):
        return False
    return all_true([same_or_both_null(*pair) for pair in zip(left, right, strict=True)])


def _equal_tuples(left: Mapping[str, Any], right: Mapping[str, Any]) -> Ternary:
    names = left.keys() | right.keys()
    return all_true([same_or_both_null(left.get(name), right.get(name)) for name in names])


def _equal_elements(left: Structured, right: Structured) -> Ternary:
    if left is right:
        return True
    if left.type_name != right.type_name:
        return False
    return _equal_tuples(left.elements(), right.elements())


def _equal_intervals(left: Interval, right: Interval) -> Ternary:
    starts = boundary.same(boundary.first(left), boundary.first(right))
    return all_true([starts, boundary.same(boundary.last(left), boundary.last(right))])


def _equal_ratios(left: Ratio, right: Ratio) -> Ternary:
    numerators = boundary.same(left.numerator, right.numerator)
    return all_true([numerators, boundary.same(left.denominator, right.denominator)])


def _equal_codes(left: Code, right: Code) -> Ternary:
    names = ("code", "system", "version", "display")
    pairs = [(getattr(left, name), getattr(right, name)) for name in names]
    return all_true([same_or_both_null(*pair) for pair in pairs])


def _equal_concepts(left: Concept, right: Concept) -> Ternary:
    codes = _equal_lists(list(left.codes), list(right.codes))
    return all_true([codes, same_or_both_null(left.display, right.display)])


def _equal_vocabularies(left: Any, right: Any) -> Ternary:
    return (left.id, left.version) == (right.id, right.version)


# 12.2. Equivalent


@operator("Equivalent", nulls="handle")
def equivalent(left: Any, right: Any) -> bool:
    """`~`; true or false, never null."""
    if left is None or right is None:
        return left is right
    kind = type(left)
    if kind is not type(right):
        return _equivalent_mixed(left, right)
    found = _EQUIVALENT.get(kind)
    if found is None and issubclass(kind, Structured):
        return _equivalent_elements(left, right)
    return bool(equal(left, right)) if found is None else found(left, right)


def _equivalent_mixed(left: Any, right: Any) -> bool:
    if {type(left), type(right)} == {Code, Concept}:
        return _equivalent_concepts(*(_concept(value) for value in (left, right)))
    return bool(_equal_mixed(left, right))


def _concept(value: Code | Concept) -> Concept:
    return Concept((value,)) if isinstance(value, Code) else value


def _equivalent_strings(left: str, right: str) -> bool:
    return left == right or _folded(left) == _folded(right)


def _folded(text: str) -> str:
    return "".join(" " if character.isspace() else character for character in text).casefold()


def _equivalent_decimals(left: Decimal, right: Decimal) -> bool:
    places = min(_places(left), _places(right))
    step = Decimal(1).scaleb(-places)
    return left.quantize(step, ROUND_HALF_UP, EXACT) == right.quantize(step, ROUND_HALF_UP, EXACT)


def _places(value: Decimal) -> int:
    """Digits after the point, without trailing zeros."""
    exponent = value.normalize(EXACT).as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _equivalent_quantities(left: Quantity, right: Quantity) -> bool:
    if left.unit == right.unit:
        return _equivalent_decimals(left.value, right.value)
    factor = convert_equivalent(Decimal(1), left.unit, right.unit)
    if factor is None:
        return False
    unit = right.unit if factor >= 1 else left.unit
    values = [convert_equivalent(each.value, each.unit, unit) for each in (left, right)]
    first, second = values
    return first is not None and second is not None and _equivalent_decimals(first, second)


def _equivalent_ratios(left: Ratio, right: Ratio) -> bool:
    unit = left.numerator.unit, left.denominator.unit
    above = convert_equivalent(right.numerator.value, right.numerator.unit, unit[0])
    below = convert_equivalent(right.denominator.value, right.denominator.unit, unit[1])
    if above is None or below is None:
        return False
    crossed = EXACT.multiply(left.numerator.value, below)
    return crossed == EXACT.multiply(above, left.denominator.value)


def _equivalent_lists(left: list[Any], right: list[Any]) -> bool:
    return len(left) == len(right) and all(map(equivalent, left, right))


def _equivalent_tuples(left: Mapping[str, Any], right: Mapping[str, Any]) -> bool:
    names = left.keys() | right.keys()
    return all(equivalent(left.get(name), right.get(name)) for name in names)


def _equivalent_elements(left: Structured, right: Structured) -> bool:
    if left is right:
        return True
    return left.type_name == right.type_name and _equivalent_tuples(
        left.elements(), right.elements()
    )


def _equivalent_intervals(left: Interval, right: Interval) -> bool:
    return equivalent(left.start, right.start) and equivalent(left.end, right.end)


def _equivalent_instants(left: Any, right: Any) -> bool:
    return left.precision == right.precision and compare(left, right) == 0


def _equivalent_codes(left: Code, right: Code) -> bool:
    return left.code == right.code and left.system == right.system


def _equivalent_concepts(left: Concept, right: Concept) -> bool:
    return any(_equivalent_codes(each, other) for each in left.codes for other in right.codes)


# 12.3. Greater, 12.4. GreaterOrEqual, 12.5. Less, 12.6. LessOrEqual


@operator("Greater", nulls="propagate")
def greater(left: Any, right: Any) -> Ternary:
    """`>`"""
    return boundary.less(right, left)


@operator("GreaterOrEqual", nulls="propagate")
def greater_or_equal(left: Any, right: Any) -> Ternary:
    """`>=`"""
    return boundary.less_or_equal(right, left)


@operator("Less", nulls="propagate")
def less(left: Any, right: Any) -> Ternary:
    """`<`"""
    return boundary.less(left, right)


@operator("LessOrEqual", nulls="propagate")
def less_or_equal(left: Any, right: Any) -> Ternary:
    """`<=`"""
    return boundary.less_or_equal(left, right)


# 12.7. NotEqual


@operator("NotEqual", nulls="propagate")
def not_equal(left: Any, right: Any) -> Ternary:
    """`!=`"""
    answer = equal(left, right)
    return None if answer is None else not answer


_PLAIN = frozenset({bool, int, Long, Decimal, str})
_EQUAL: dict[type, Callable[[Any, Any], Ternary]] = {
    Date: boundary.same,
    DateTime: boundary.same,
    Time: boundary.same,
    Quantity: boundary.same,
    Uncertainty: boundary.same,
    Ratio: _equal_ratios,
    Interval: _equal_intervals,
    list: _equal_lists,
    dict: _equal_tuples,
    Code: _equal_codes,
    Concept: _equal_concepts,
    ValueSet: _equal_vocabularies,
    CodeSystem: _equal_vocabularies,
}
_EQUIVALENT: dict[type, Callable[[Any, Any], bool]] = {
    str: _equivalent_strings,
    Decimal: _equivalent_decimals,
    Date: _equivalent_instants,
    DateTime: _equivalent_instants,
    Time: _equivalent_instants,
    Quantity: _equivalent_quantities,
    Ratio: _equivalent_ratios,
    Interval: _equivalent_intervals,
    list: _equivalent_lists,
    dict: _equivalent_tuples,
    Code: _equivalent_codes,
    Concept: _equivalent_concepts,
}
