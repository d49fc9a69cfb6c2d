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
from pathlib import Path

import msgspec

from service.site.verdict import Fault, Finding

FILE = "expected.json"
PATIENTS = "patients"
MANY = 11  # records: fewer are not kept without the store

TOLERATED_LOSS = 0.1  # share of what was there the last time
TOLERATED_SHRINKAGE = 0.05  # of what was ever there of a month that is over


class Expected(msgspec.Struct, frozen=True):
    """How many patients, resources by type, and resources by type and month there should be.

    ``most`` is the most that a type ever had of a month, since a person accepted less; ``silent``
    the newest day of types of which a person accepted that there was nothing after it for a while,
    or since; so it is with all days before; ``holes`` the times without any that nobody accepted
    (see `staleness`), which the days that are counted will not show for ever.
    """

    patients: int = 0
    resources: dict[str, int] = {}
    months: dict[str, dict[str, int]] = {}
    most: dict[str, dict[str, int]] = {}
    silent: dict[str, str] = {}
    holes: dict[str, list[tuple[str, int]]] = {}


def renewed(last: Expected, now: Expected, types: Set[str]) -> Expected:
    """What to expect after a pull of these types: what it brought, or more where it lost much.

    Of other types what was there stays expected, for when a measure needs them again.
    """
    dated = sorted({*last.months, *now.months})
    before, most = last.months, last.most
    there = {name: now.months.get(name, {}) if name in types else before[name] for name in dated}
    unasked = {name: count for name, count in last.resources.items() if name not in types}
    return Expected(
        _kept(last.patients, now.patients),
        _each(last.resources, now.resources | unasked),
        {name: _each(before.get(name, {}), there[name]) for name in dated},
        {name: _most(*(of.get(name, {}) for of in (most, before, there))) for name in dated},
        last.silent,
        last.holes,
    )


def shortfalls(expected: Expected, now: Expected, types: Set[str]) -> Iterator[Finding]:
    """What a pull of these types lost on the whole."""
    if is_lost(expected.patients, now.patients):
        yield Finding(Fault.SHRUNK, PATIENTS, expected.patients - now.patients)
    for name, count in expected.resources.items():
        if name in types and is_lost(count, now.resources.get(name, 0)):
            yield Finding(Fault.SHRUNK, name, count - now.resources.get(name, 0), name)


def is_of_patients(finding: Finding) -> bool:
    """Whether it says that patients are missing."""
    return (finding.fault, finding.where) == (Fault.SHRUNK, PATIENTS)


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
    if is_lost(before, there) or is_lost(most, there, TOLERATED_SHRINKAGE):
        missing = max(before, most) - there
        yield Finding(Fault.SHRUNK, f"{type_name} in {month}", missing, type_name)


def is_lost(before: int, now: int, tolerated: float = TOLERATED_LOSS) -> bool:
    """Whether more is gone than corrections and chance take away."""
    missing = before - now
    return missing > tolerated * before and missing > sqrt(before)


def _kept(before: int, now: int) -> int:
    return before if is_lost(before, now) else now


def _each(before: Mapping[str, int], now: Mapping[str, int]) -> dict[str, int]:
    names = sorted({*before, *now})
    kept = {name: _kept(before.get(name, 0), now.get(name, 0)) for name in names}
    return {name: count for name, count in kept.items() if count}


def _most(*counts: Mapping[str, int]) -> dict[str, int]:
    months = sorted({month for each in counts for month in each})
    return {month: max(each.get(month, 0) for each in counts) for month in months}


def read_expected(data_dir: Path) -> Expected:
    """What the file beside the store says; nothing when there is none that can be read."""
    try:
        return msgspec.json.decode((data_dir / FILE).read_bytes(), type=Expected)
    except (OSError, ValueError):  # msgspec's errors and Unicode's are ValueErrors
        return Expected()


def of_many(expected: Expected) -> Expected:
    """What is expected without small numbers, which could be of one patient each."""
    resources = _large(expected.resources)
    months, most = (
        {name: of for name, counts in each.items() if (of := _large(counts))}
        for each in (expected.months, expected.most)
    )
    silent = {name: day for name, day in expected.silent.items() if name in resources}
    patients = expected.patients if expected.patients >= MANY else 0
    holes = {
        name: [(day, count) for day, count in of if day[:7] in months.get(name, {})]
        for name, of in expected.holes.items()
    }
    return Expected(patients, resources, months, most, silent, holes)


def _large(counts: Mapping[str, int]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count >= MANY}
