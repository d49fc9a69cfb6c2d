"""Releases for tests: a real measure, made-up patients, the real policy and protection."""

from collections.abc import Sequence
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from service.disclosure import Group, Member, Policy, Published, Table, parse_policy
from service.measure.completeness import COMPLETE, Completeness
from service.measure.package import MeasurePackage, load_package
from service.measure.period import Period
from service.site.history import Remembered
from service.site.protect import Origin, Outcome, Release, Result, protect

MEASURES = Path(__file__).parents[1] / "measures"
READMISSION = "urn:weir:measure:readmission"
DREAMING = "urn:weir:measure:dreaming"
POLICY = parse_policy(
    f"""
    network = "test"
    version = "1"
    legal_basis = "made-up patients"
    [[release]]
    measure = "{READMISSION}"
    window = "quarter"
    from = "2024-01"
    to = "2025-12"
    [[release]]
    measure = "{DREAMING}"
    window = "month"
    from = "2024-01"
    to = "2025-12"
    """.encode()
)


@cache
def package(name: str = "readmission") -> MeasurePackage:
    return load_package(MEASURES / name)


def origin(
    site: str = "north",
    policy: Policy = POLICY,
    key: bytes = b"r" * 32,
    month: str = "2026-11",
    day: int = 1,
    mapping: str = "none",
) -> Origin:
    return Origin(site, policy, key, mapping, "UTC", date.fromisoformat(f"{month}-{day:02}"))


def table(period: str = "2024-Q1", counts: tuple[int, int, int] = (90, 15, 20)) -> Table:
    """Patients with one stay each, by (denominator, excluded, readmitted); the excluded first."""
    denominator, excluded, numerator = counts
    populations = {
        "initial-population": stays(0, denominator),
        "denominator": stays(0, denominator),
        "denominator-exclusion": stays(0, excluded),
        "numerator": stays(excluded, excluded + numerator),
    }
    days = Period.parse(period)
    group = Group("readmission", populations)
    return Table(READMISSION, package().version, (days.start, days.end), (group,))


def stays(first: int, end: int) -> frozenset[Member]:
    return frozenset(Member(f"patient-{i}", f"Encounter/stay-{i}") for i in range(first, end))


def release(
    period: str = "2024-Q1",
    counts: tuple[int, int, int] = (90, 15, 20),
    *,
    completeness: Completeness = COMPLETE,
    replaces: str | None = None,
    **changes: Any,
) -> Release:
    """A release of the readmission measure; it replaces one of that key, without counts."""
    history = [_without_counts(period, replaces)] if replaces else []
    made = outcome(period, counts, completeness=completeness, history=history, **changes).release
    assert made is not None
    return made


def _without_counts(period: str, key: str) -> Remembered:
    days = Period.parse(period)
    nothing = Published(
        POLICY.network, READMISSION, "1", (days.start, days.end), POLICY.reading, {}, {}
    )
    return Remembered(key, POLICY.hash, "", b"", nothing, counted=False)


def outcome(
    period: str = "2024-Q1",
    counts: tuple[int, int, int] = (90, 15, 20),
    *,
    completeness: Completeness = COMPLETE,
    history: Sequence[Remembered] = (),
    **changes: Any,
) -> Outcome:
    """What becomes of a result of the readmission measure."""
    result = Result(package(), table(period, counts), completeness)
    (made,) = protect([result], origin(**changes), history)
    return made
