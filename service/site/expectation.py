"""What a pull should bring: about as much as the last one did.

An EHR that sends less than it did says nothing of it: a Group loses its members, a file is cut, a
type is not there any more. So what was there before is remembered, and stays remembered until as
much is there again or a person says that less is right (`weir site accept`).
"""

from collections.abc import Iterator, Mapping, Set
from math import sqrt

import msgspec

from service.site.verdict import Fault, Finding

TOLERATED_LOSS = 0.1  # share of what was there


class Expected(msgspec.Struct, frozen=True):
    """How many patients, resources by type, and resources by type and month there should be."""

    patients: int = 0
    resources: dict[str, int] = {}
    months: dict[str, dict[str, int]] = {}


def renewed(last: Expected, now: Expected, types: Set[str]) -> Expected:
    """What to expect after a pull of these types: what it brought, or more where it lost much."""
    return Expected(
        _kept(last.patients, now.patients),
        _each(_of(last.resources, types), now.resources),
        {
            name: _each(last.months.get(name, {}), now.months.get(name, {}))
            for name in sorted(types & {*last.months, *now.months})
        },
    )


def shortfalls(expected: Expected, now: Expected) -> Iterator[Finding]:
    """What a pull lost on the whole."""
    if _lost(expected.patients, now.patients):
        yield Finding(Fault.SHRUNK, "patients", expected.patients - now.patients)
    for name, count in expected.resources.items():
        if _lost(count, now.resources.get(name, 0)):
            yield Finding(Fault.SHRUNK, name, count - now.resources.get(name, 0), name)


def shortfalls_in(
    expected: Expected, now: Mapping[str, Mapping[str, int]], type_name: str, month: str
) -> Iterator[Finding]:
    """What a pull lost of a type in a month (YYYY-MM)."""
    count = expected.months.get(type_name, {}).get(month, 0)
    missing = count - now.get(type_name, {}).get(month, 0)
    if _lost(count, count - missing):
        yield Finding(Fault.SHRUNK, f"{type_name} in {month}", missing, type_name)


def _lost(before: int, now: int) -> bool:
    """Whether more is gone than corrections and chance take away."""
    missing = before - now
    return missing > TOLERATED_LOSS * before and missing > sqrt(before)


def _kept(before: int, now: int) -> int:
    return before if _lost(before, now) else now


def _each(before: Mapping[str, int], now: Mapping[str, int]) -> dict[str, int]:
    names = sorted({*before, *now})
    kept = {name: _kept(before.get(name, 0), now.get(name, 0)) for name in names}
    return {name: count for name, count in kept.items() if count}


def _of(counts: Mapping[str, int], types: Set[str]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if name in types}
