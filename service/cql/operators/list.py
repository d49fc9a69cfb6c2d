"""20. List Operators, and the list overloads of the operators that chapter 19 defines for both.

Section numbers are those of https://cql.hl7.org/04-logicalspecification.html. Elements are compared
"using equality semantics, with the exception that null elements are considered equal". Filter,
ForEach, Repeat, Sort by expression and Current are control flow and belong to the compiler.
"""

from collections.abc import Hashable, Iterable, Mapping
from functools import cmp_to_key
from typing import Any

from service.cql.operators.comparison import equal
from service.cql.operators.registry import operator
from service.cql.values import (
    Concept,
    Date,
    DateTime,
    Interval,
    Quantity,
    Ratio,
    Structured,
    Time,
    Uncertainty,
)
from service.cql.values.ordering import sort_order
from service.cql.values.precision import HOUR
from service.errors import EvaluationError

Ternary = bool | None
List = list[Any]

# Membership: In, Contains, Includes, IncludedIn and their proper forms


def has(source: Iterable[Any], element: Any) -> Ternary:
    """Whether `element` is in `source`; unknown where only an uncertain date may be it."""
    if element is None:
        return any(each is None for each in source)
    unknown = False
    for each in source:
        if each is not None and (answer := equal(each, element)) is not False:
            if answer:
                return True
            unknown = True
    return None if unknown else False


def has_besides(source: List, element: Any) -> Ternary:
    """Whether `element` is in `source` and "it is not the only element in the list"."""
    answer = has(source, element)
    if answer is False:
        return False
    others = [_differs(each, element) for each in source]
    other = True if True in others else None if None in others else False
    return False if other is False else answer and other


def _differs(left: Any, right: Any) -> Ternary:
    if right is None:
        return left is not None
    answer = None if left is None else equal(left, right)
    return None if answer is None else not answer


def includes_all(left: List, right: Iterable[Any]) -> Ternary:
    """Whether every element of `right` is in `left`."""
    unknown = False
    for each in right:
        answer = has(left, each)
        if answer is False:
            return False
        unknown = unknown or answer is None
    return None if unknown else True


def includes_all_and_more(left: List, right: List) -> Ternary:
    """As `includes_all`, of a strictly larger list."""
    return includes_all(left, right) if len(left) > len(right) else False


# Sets: Union, Intersect, Except


def unique(source: Iterable[Any]) -> List:
    """The first of each element that is known to be equal to others."""
    if type(source) is list and len(source) < 2:
        return source
    seen: dict[Hashable, List] = {}
    result = []
    for each in source:
        alike = seen.setdefault(_bucket(each), [])
        if not any(_same(each, other) for other in alike):
            alike.append(each)
            result.append(each)
    return result


def both(left: List, right: List) -> List:
    """The elements of `left` that are in `right`, each once."""
    other = _buckets(right)
    return unique(each for each in left if _found(each, other))


def only_first(left: List, right: List) -> List:
    """The elements of `left` that are not in `right`, each once."""
    other = _buckets(right)
    return unique(each for each in left if not _found(each, other))


def _buckets(source: List) -> dict[Hashable, List]:
    result: dict[Hashable, List] = {}
    for each in source:
        result.setdefault(_bucket(each), []).append(each)
    return result


def _found(element: Any, buckets: Mapping[Hashable, List]) -> bool:
    return any(_same(element, other) for other in buckets.get(_bucket(element), ()))


def _same(left: Any, right: Any) -> bool:
    if left is None or right is None:
        return left is right
    return equal(left, right) is True


def _bucket(value: Any) -> Any:
    """A key that equal values share, so that only values in one bucket need comparing."""
    if isinstance(value, Structured):
        return value.identity
    if isinstance(value, Mapping):
        return frozenset((name, _bucket(each)) for name, each in value.items() if each is not None)
    if isinstance(value, list):
        return tuple(map(_bucket, value))
    kind: Any = type(value)
    if isinstance(value, Date | DateTime) and value.precision < HOUR:
        return Date, value.precision, value.first_day
    if isinstance(value, DateTime | Time):
        return kind, value.precision, value.low
    if isinstance(value, Interval | Quantity | Ratio | Uncertainty | Concept):
        return kind
    return kind, value


# 20.3. Distinct


@operator("Distinct", nulls="propagate")
def distinct(operand: List) -> List:
    """The elements without their repetitions."""
    return unique(operand)


# 20.7. Exists


@operator("Exists", nulls="handle")
def exists(operand: List | None) -> bool:
    """Whether there is an element that is not null."""
    return operand is not None and any(each is not None for each in operand)


# 20.9. First


@operator("First", nulls="propagate", inputs=("source",))
def first(source: List) -> Any:
    """The first element; null of an empty list."""
    return source[0] if source else None


# 20.10. Flatten


@operator("Flatten", nulls="propagate")
def flatten(operand: List) -> List:
    """The elements of the lists in the list; a null among them has none."""
    return [each for inner in operand if inner is not None for each in inner]


# 20.15. IndexOf


@operator("IndexOf", nulls="propagate", inputs=("source", "element"))
def index_of(source: List, element: Any) -> int:
    """Where the element first is, from 0; -1 if nowhere."""
    return next((index for index, each in enumerate(source) if _same(each, element)), -1)


# 20.17. Last


@operator("Last", nulls="propagate", inputs=("source",))
def last(source: List) -> Any:
    """The last element; null of an empty list."""
    return source[-1] if source else None


# 17.8. Length, of lists


@operator("Length<List>", nulls="handle")
def length(operand: List | None) -> int:
    """The number of elements; 0 of null."""
    return 0 if operand is None else len(operand)


# 20.24. SingletonFrom


@operator("SingletonFrom", nulls="propagate")
def singleton_from(operand: List) -> Any:
    """The only element; null of an empty list. Raises EvaluationError where there are more."""
    if len(operand) > 1:
        raise EvaluationError("singleton from: the list has more than one element")
    return operand[0] if operand else None


# 20.25. Slice


@operator("Slice", nulls="handle", inputs=("source", "startIndex", "endIndex"))
def slice_(source: List | None, start: int | None, end: int | None = None) -> List | None:
    """The elements from index `start` to before `end`; none where an index is negative."""
    if source is None:
        return None
    if (start or 0) < 0 or (end or 0) < 0:
        return []
    return source[start:end]


# 20.26. Sort


def sort(values: List, keys: List, descending: bool = False) -> List:
    """`values` in the order of `keys`, which are parallel; nulls first, descending last.

    Stable, so sorting by several keys is sorting by the last first.
    """
    ranks = [_rank(key) for key in keys]
    order = sorted(range(len(values)), key=ranks.__getitem__, reverse=descending)
    return [values[index] for index in order]


def _order(left: Any, right: Any) -> int:
    if left is None or right is None:
        return int(left is not None) - int(right is not None)
    return sort_order(left, right)


_rank = cmp_to_key(_order)

# 20.27. Times


@operator("Times", nulls="propagate")
def times(left: List, right: List) -> List:
    """Every pair of a tuple of `left` and one of `right`, as one tuple."""
    return [{**first, **second} for first in left for second in right]
