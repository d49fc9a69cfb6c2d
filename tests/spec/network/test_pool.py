"""The network's line: what is added, and what must never be."""

from dataclasses import replace

from service.network.pool import Pooled, pool
from service.network.reading import Basis, Reading, missing
from service.spc.point import State

FIRST, SECOND = Basis("1.0.0", "package", "policy"), Basis("1.1.0", "package 2", "policy")


def number(numerator: int, denominator: int, **changes: object) -> Reading:
    plain = Reading("2025-01", State.NUMBER, numerator, denominator, basis=FIRST, versions=1)
    return replace(plain, **changes)  # type: ignore[arg-type]


def without(state: State, denominator: int | None = None) -> Reading:
    return Reading("2025-01", state, None, denominator, basis=FIRST)


def pooled(share: float = 0.9, begun: str = "", **readings: Reading) -> Pooled:
    return pool("2025-01", readings, frozenset(begun.split() or readings), share)


def test_counts_are_added_and_rates_are_not_averaged() -> None:
    found = pooled(a=number(12, 100), b=number(90, 100), c=number(300, 1000))
    assert (found.reading.numerator, found.reading.denominator) == (402, 1200)
    assert found.reading.rate == 0.335
    assert (found.contributors, found.left_out, found.partial) == (("a", "b", "c"), {}, False)


def test_a_suppressed_count_is_no_zero_and_takes_its_denominator_with_it() -> None:
    found = pooled(a=number(30, 60), b=without(State.SUPPRESSED, denominator=60))
    assert (found.reading.numerator, found.reading.denominator) == (30, 60)
    assert found.left_out == {"b": "suppressed"}


def test_who_is_left_out_is_told_with_the_reason() -> None:
    found = pooled(
        begun="a b c",
        a=number(30, 60),
        b=missing("2025-01"),
        c=without(State.NOT_COMPUTABLE),
        d=missing("2025-01"),
    )
    assert found.left_out == {"b": "missing", "c": "not computable", "d": "no report yet"}


def test_a_sum_over_too_few_of_the_reporting_sites_is_partial() -> None:
    sites = {f"site{n}": number(30, 60) for n in range(9)}
    gap = missing("2025-01")
    assert not pooled(**sites, late=gap).partial  # 9 of 10
    assert pooled(**sites, late=gap, later=gap).partial  # 9 of 11
    assert not pooled(begun=" ".join(sites), **sites, new=gap, newer=gap).partial


def test_other_versions_are_never_added() -> None:
    old, new = number(30, 60), number(45, 60, basis=SECOND)
    found = pooled(a=old, b=old, c=new)
    assert (found.reading.denominator, found.reading.basis) == (120, FIRST)
    assert found.left_out == {"c": "not comparable"}


def test_without_a_prevailing_version_there_is_no_sum() -> None:
    found = pooled(a=number(30, 60), b=number(45, 60, basis=SECOND))
    assert (found.reading.state, found.reading.rate) == (State.NOT_COMPUTABLE, None)
    assert "different versions" in found.reading.reasons[0]
    assert found.contributors == ()


def test_without_any_number_the_sum_says_what_the_sites_say() -> None:
    gap, hidden = missing("2025-01"), without(State.SUPPRESSED)
    assert pooled(a=hidden, b=hidden).reading.state is State.SUPPRESSED
    assert pooled(a=hidden, b=gap).reading.state is State.SUPPRESSED
    failed = without(State.NOT_COMPUTABLE)
    assert pooled(a=failed, b=gap).reading.state is State.NOT_COMPUTABLE
    assert pooled(a=gap, b=gap).reading.state is State.MISSING


def test_one_provisional_number_makes_the_sum_provisional() -> None:
    assert pooled(a=number(30, 60), b=number(30, 60, provisional=True)).reading.provisional
