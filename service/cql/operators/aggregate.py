"""21. Aggregate Operators.

Section numbers are those of https://cql.hl7.org/04-logicalspecification.html. "Unless noted ...,
aggregate operators deal with missing information by excluding elements which have no value", and
over an empty list the result is null.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import reduce
from typing import Any

from service.cql.operators.arithmetic import add, divide, multiply
from service.cql.operators.comparison import equal, less
from service.cql.operators.conversion import to_decimal
from service.cql.operators.list import sort
from service.cql.operators.registry import operator
from service.cql.values import Quantity
from service.cql.values.number import EXACT, decimal
from service.cql.values.units import convert

Source = Sequence[Any] | None


def _values(source: Source) -> list[Any]:
    return [value for value in source or () if value is not None]


def _folded(function: Callable[[Any, Any], Any], values: list[Any]) -> Any:
    """The values combined one after the other; null once that is null, and of no value."""

    def combine(left: Any, right: Any) -> Any:
        return None if left is None else function(left, right)

    return reduce(combine, values) if values else None


# 21.1. AllTrue


@operator("AllTrue", nulls="handle", inputs=("source",))
def all_true(source: Source) -> bool:
    """Whether no element is false."""
    return False not in _values(source)


# 21.2. AnyTrue


@operator("AnyTrue", nulls="handle", inputs=("source",))
def any_true(source: Source) -> bool:
    """Whether an element is true."""
    return True in _values(source)


# 21.3. Avg


@operator("Avg", nulls="handle", inputs=("source",))
def avg(source: Source) -> Any:
    """The mean, a Decimal or Quantity."""
    values = _measured(source)
    return None if not values else _divided(_folded(add, values), len(values))


def _measured(source: Source) -> list[Any]:
    """The values as Decimals or quantities."""
    values = _values(source)
    return [value if isinstance(value, Quantity) else to_decimal(value) for value in values]


def _divided(total: Any, count: int) -> Any:
    if total is None:
        return None
    return divide(
        total, Quantity(Decimal(count)) if isinstance(total, Quantity) else Decimal(count)
    )


# 21.4. Count


@operator("Count", nulls="handle", inputs=("source",))
def count(source: Source) -> int:
    """The number of elements that are not null."""
    return len(_values(source))


# 21.5. GeometricMean


@operator("GeometricMean", nulls="handle", inputs=("source",))
def geometric_mean(source: Source) -> Decimal | None:
    """The nth root of the product of n Decimals; null where it has none."""
    values = [Decimal(value) for value in _values(source)]
    if not values:
        return None
    try:
        product = reduce(EXACT.multiply, values)
        return decimal(EXACT.power(product, EXACT.divide(1, len(values))))
    except ArithmeticError:
        return None


# 21.6. Product


@operator("Product", nulls="handle", inputs=("source",))
def product(source: Source) -> Any:
    """The product; of quantities, of their values, in the unit of the first."""
    values = _values(source)
    if not values or not isinstance(values[0], Quantity):
        return _folded(multiply, values)
    return _with_numbers(values, lambda numbers: _folded(multiply, numbers))


def _with_numbers(values: list[Any], function: Callable[[list[Decimal]], Any]) -> Any:
    """Applies `function` to the numbers; quantities are brought to the unit of the first."""
    if not values or not isinstance(values[0], Quantity):
        return function([Decimal(value) for value in values])
    unit = values[0].unit
    numbers = [convert(value.value, value.unit, unit) for value in values]
    if None in numbers:
        return None
    result = function([number for number in numbers if number is not None])
    return None if result is None else Quantity(result, unit)


# 21.7. Max, 21.9. Min


@operator("Max", nulls="handle", inputs=("source",))
def max_(source: Source) -> Any:
    """The greatest value; null where uncertainty leaves open which."""
    return _extreme(source, lambda best, value: less(best, value))


@operator("Min", nulls="handle", inputs=("source",))
def min_(source: Source) -> Any:
    """The least value; null where uncertainty leaves open which."""
    return _extreme(source, lambda best, value: less(value, best))


def _extreme(source: Source, better: Callable[[Any, Any], bool | None]) -> Any:
    values = _values(source)
    if not values:
        return None
    best = values[0]
    for value in values[1:]:
        if better(best, value):
            best = value
    return best if all(better(best, value) is False for value in values) else None


# 21.8. Median


@operator("Median", nulls="handle", inputs=("source",))
def median(source: Source) -> Any:
    """The middle value, or the mean of the two in the middle."""
    values = _measured(source)
    if not values:
        return None
    ordered = sort(values, values)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return _divided(add(ordered[middle - 1], ordered[middle]), 2)


# 21.10. Mode


@operator("Mode", nulls="handle", inputs=("source",))
def mode(source: Source) -> Any:
    """The most frequent value; of equally frequent ones, that which comes first."""
    values = _values(source)
    counts = [sum(equal(value, other) is True for other in values) for value in values]
    return values[counts.index(max(counts))] if values else None


# 21.11. PopulationVariance, 21.12. PopulationStdDev, 21.14. StdDev, 21.15. Variance


@operator("PopulationVariance", nulls="handle", inputs=("source",))
def population_variance(source: Source) -> Any:
    """The mean square distance from the mean, in the unit of the values."""
    return _with_numbers(_values(source), lambda numbers: _limited(_spread(numbers, 0)))


@operator("PopulationStdDev", nulls="handle", inputs=("source",))
def population_std_dev(source: Source) -> Any:
    """The root of the population variance."""
    return _with_numbers(_values(source), lambda numbers: _root(_spread(numbers, 0)))


@operator("StdDev", nulls="handle", inputs=("source",))
def std_dev(source: Source) -> Any:
    """The root of the sample variance; null of one value."""
    return _with_numbers(_values(source), lambda numbers: _root(_spread(numbers, 1)))


@operator("Variance", nulls="handle", inputs=("source",))
def variance(source: Source) -> Any:
    """The square distances from the mean over one less than their number; null of one value."""
    return _with_numbers(_values(source), lambda numbers: _limited(_spread(numbers, 1)))


def _spread(numbers: list[Decimal], less_by: int) -> Decimal | None:
    if len(numbers) <= less_by:
        return None
    mean = EXACT.divide(reduce(EXACT.add, numbers), len(numbers))
    squares = [EXACT.power(EXACT.subtract(number, mean), 2) for number in numbers]
    return EXACT.divide(reduce(EXACT.add, squares), len(numbers) - less_by)


def _limited(value: Decimal | None) -> Decimal | None:
    return None if value is None else decimal(value)


def _root(value: Decimal | None) -> Decimal | None:
    return None if value is None else decimal(EXACT.sqrt(value))


# 21.13. Sum


@operator("Sum", nulls="handle", inputs=("source",))
def sum_(source: Source) -> Any:
    """The sum; null where it overflows or units do not fit."""
    return _folded(add, _values(source))
