"""What a pull should bring: about as much as the last one did.

An EHR that sends less than it did says nothing of it: a Group loses its members, a file is cut, a
type is not there any more. So what was there before is remembered, and stays remembered until as
much is there again or a person says that less is right (`weir site accept`).

What is lost little by little would never be much less than the last time. A month that is over
loses nothing but a few corrections, so the months of a period are held to the most that they ever
had. What lies before a period is not: patients who leave a cohort take their past with them.
"""

from collections.abc import Iterator, Mapping, Set
from math import sqrt

import msgspec

from service.site.verdict import Fault, Finding

TOLERATED_LOSS = 0.1  # share of what was there the last time
TOLERATED_SHRINKAGE = 0.05  # of what was ever there of a month that is over


class Expected(msgspec.Struct, frozen=True):
    """How many patients, resources by type, and resources by type and month there should be.

    ``most`` is the most that a type ever had of a month, since a person accepted less.
    """

    patients: int = 0
    resources: dict[str, int] = {}
    months: dict[str, dict[str, int]] = {}
    most: dict[str, dict[str, int]] = {}


def renewed(last: Expected, now: Expected, types: Set[str]) -> Expected:
    """What to expect after a pull of these types: what it brought, or more where it lost much."""
    dated = sorted(types & {*last.months, *now.months})
    before, there, most = last.months, now.months, last.most
    return Expected(
        _kept(last.patients, now.patients),
        _each(_of(last.resources, types), now.resources),
        {name: _each(before.get(name, {}), there.get(name, {})) for name in dated},
        {name: _most(*(of.get(name, {}) for of in (most, before, there))) for name in dated},
    )


def shortfalls(expected: Expected, now: Expected) -> Iterator[Finding]:
    """What a pull lost on the whole."""
    if _lost(expected.patients, now.patients):
        yield Finding(Fault.SHRUNK, "patients", expected.patients - now.patients)
    for name, count in expected.resources.items():
        if _lost(count, now.resources.get(name, 0)):
            yield Finding(Fault.SHRUNK, name, count - now.resources.get(name, 0), name)


def shortfalls_in(
    expected: Expected,
    now: Mapping[str, Mapping[str, int]],
    type_name: str,
    month: str,
    own: bool = False,
) -> Iterator[Finding]:
    """What a pull lost of a type in a month (YYYY-MM) that is over.

    ``own``: the month is one of the period that is judged, not one before it.
    """
    there = now.get(type_name, {}).get(month, 0)
    before = expected.months.get(type_name, {}).get(month, 0)
    most = expected.most.get(type_name, {}).get(month, 0) if own else 0
    if _lost(before, there) or _lost(most, there, TOLERATED_SHRINKAGE):
        missing = max(before, most) - there
        yield Finding(Fault.SHRUNK, f"{type_name} in {month}", missing, type_name)


def _lost(before: int, now: int, tolerated: float = TOLERATED_LOSS) -> bool:
    """Whether more is gone than corrections and chance take away."""
    missing = before - now
    return missing > tolerated * before and missing > sqrt(before)


def _kept(before: int, now: int) -> int:
    return before if _lost(before, now) else now


def _each(before: Mapping[str, int], now: Mapping[str, int]) -> dict[str, int]:
    names = sorted({*before, *now})
    kept = {name: _kept(before.get(name, 0), now.get(name, 0)) for name in names}
    return {name: count for name, count in kept.items() if count}


def _most(*counts: Mapping[str, int]) -> dict[str, int]:
    months = sorted({month for each in counts for month in each})
    return {month: max(each.get(month, 0) for each in counts) for month in months}


def _of(counts: Mapping[str, int], types: Set[str]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if name in types}
