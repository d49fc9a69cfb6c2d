"""Sticky random rounding to base 3: a keyed function of the set of patients."""

from statistics import fmean

import pytest

from service.disclosure import Marker, Member, Reading
from service.disclosure import rounding as module
from tests.sampling import sampled

KEYS = [f"key {i}".encode() for i in range(3000)]


def patients(count: int) -> list[Member]:
    return [Member(f"p{i}", f"p{i}") for i in range(count)]


def rounded(count: int, base: int = 3) -> list[int]:
    return [shown(patients(count), base, key) for key in KEYS]


def shown(members: list[Member], base: int = 3, key: bytes = b"key") -> int:
    return module.rounded(Marker(key).marks(members), Reading(11, base), key)


@pytest.mark.parametrize(
    ("count", "values"),
    [
        (0, {0}),
        (11, {12}),  # 9 would be below the threshold
        (12, {12}),
        (13, {12, 15}),
        (14, {12, 15}),
        (15, {15}),
        (100, {99, 102}),
    ],
)
def test_a_count_becomes_one_of_the_multiples_around_it(count: int, values: set[int]) -> None:
    assert set(rounded(count)) == values


@pytest.mark.parametrize(("count", "base"), sampled([(13, 3), (14, 3), (103, 5)], 3))
def test_over_keys_it_is_unbiased(count: int, base: int) -> None:
    """The standard error of the mean over 3000 keys is below 0.05."""
    assert fmean(rounded(count, base)) == pytest.approx(count, abs=0.2)


def test_order_does_not_matter_and_membership_does() -> None:
    everyone = patients(13)
    assert shown(everyone) == shown(everyone[::-1])
    values = {shown([*everyone[1:], Member(f"other{i}", f"other{i}")]) for i in range(30)}
    assert values == {12, 15}, "thirteen others may be rounded the other way"


def test_a_record_is_told_from_another_with_the_same_letters() -> None:
    marker = Marker(b"key")
    assert marker.mark(Member("ab", "c")) != marker.mark(Member("a", "bc"))


def test_the_threshold_is_the_least_number_shown() -> None:
    assert {shown(patients(11), 5, key) for key in KEYS[:50]} == {15}
    assert {shown(patients(19), 10, key) for key in KEYS[:50]} == {20}


@pytest.mark.parametrize("count", range(8, 40))
@pytest.mark.parametrize("base", [4, 5])
def test_the_nearest_multiple_can_be_had_instead(count: int, base: int) -> None:
    reading = Reading(8, base, "nearest")
    value = module.rounded(Marker(b"key").marks(patients(count)), reading, b"key")
    assert value == max(base * int(count / base + 0.5), -(-8 // base) * base)


@pytest.mark.parametrize("reading", [Reading(11, 3), Reading(11, 10), Reading(8, 5, "nearest")])
def test_a_reader_takes_a_number_for_all_that_is_rounded_to_it(reading: Reading) -> None:
    counts: dict[int, set[int]] = {}
    for count in range(reading.threshold, 60):
        marks = Marker(b"marks").marks(patients(count))
        for key in KEYS[:40]:
            counts.setdefault(module.rounded(marks, reading, key), set()).add(count)
    for value, behind in counts.items():
        low, high = reading.interval(value)
        assert high > 59 or behind == set(range(low, int(high) + 1))
