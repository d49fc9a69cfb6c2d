"""The Office for National Statistics' cell-key method agrees with Weir's rounding.

Their function looks up each count's change in a table, by the count and by a key that depends on
whom it counts. Weir's rounding is such a table with a key of its own, so the two agree cell by cell
where theirs is given that key.
"""

import hmac
import math
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import pytest

from service.disclosure import Hidden, Mark, Marker, Member, Reading, parse_policy, protect
from service.disclosure.rounding import rounded
from tests.conformance.disclosure_oracles.crossed import CODE, Crossed

KEY = b"one hospital's secret for rounding"
POLICY = """
network = "oracle"
version = "1"
legal_basis = "published rules"
{}
[[release]]
measure = "urn:crossed"
window = "month"
from = "2026-01"
to = "2026-12"
"""
KEYS = 768  # of a table for base 3: a third of them is 256
BY_SIZE = Crossed({(f"{n} patients",): n for n in [*range(1, 61), *range(745, 756), 1003]})
ALIKE = Crossed({(f"{n} patients, set {i}",): n for n in range(1, 61) for i in range(5)})


@pytest.fixture(scope="module")
def base_3() -> Any:
    """Stats New Zealand's random rounding to base 3 as such a table, with Weir's threshold of 11.

    A count goes to the nearer multiple in two of three cases, and to the other one in the third.
    """
    import pandas

    rows = [
        {"pcv": count, "ckey": key, "pvalue": change(count, key)}
        for count in range(1, 751)
        for key in range(KEYS)
    ]
    return pandas.DataFrame(rows)


def change(count: int, key: int) -> int:
    if count < 11:
        return -count
    if count == 11:
        return 1  # 9 is below the threshold
    down, up = -(count % 3), -count % 3
    nearer, other = sorted((down, up), key=abs)
    if nearer == other:
        return 0
    thirds = {up: 1, down: 2} if up == other else {up: 2, down: 1}
    return up if key < thirds[up] * KEYS // 3 else down


def theirs(
    people: Mapping[str, Collection[int]], table: Any, threshold: int
) -> dict[str, int | None]:
    """What their function publishes of each place's people, who are given as their record keys."""
    import pandas
    from cell_key_perturbation.create_perturbed_table import create_perturbed_table

    rows = [{"place": place, "key": key} for place, keys in people.items() for key in keys]
    found = create_perturbed_table(
        pandas.DataFrame(rows), table, [], ["place"], "key", threshold=threshold
    )
    counts = zip(found["place"], found["count"], strict=True)
    return {place: None if pandas.isna(count) else int(count) for place, count in counts}


def weirs(crossed: Crossed, lines: str) -> dict[str, int | None]:
    """What Weir tells of each place under a policy with these lines."""
    [release] = protect([crossed.table], parse_policy(POLICY.format(lines).encode()), KEY)
    cells = {place: release.cells[crossed.name((place,))] for (place,) in crossed.inner}
    return {place: None if cell is Hidden.SUPPRESSED else cell for place, cell in cells.items()}


def test_rounding_to_the_nearest_5_is_their_published_table() -> None:
    from cell_key_perturbation.utils.generate_test_ptable import generate_ptable_10_5_rule

    people = {place: [255] * n for (place,), n in BY_SIZE.inner.items()}
    published = theirs(people, generate_ptable_10_5_rule(), threshold=10)
    assert weirs(BY_SIZE, 'profile = "nhs"\nthreshold = 10') == published


def test_keyed_rounding_is_a_table_of_theirs(base_3: Any) -> None:
    groups = {group.id: group.populations[CODE] for group in ALIKE.table.groups}
    people = {place: record_keys(groups[place]) for (place,) in ALIKE.inner}
    ours = weirs(ALIKE, 'profile = "denominator-only"')
    assert ours == theirs(people, base_3, threshold=11)
    assert len({ours[f"13 patients, set {i}"] for i in range(5)}) == 2


def record_keys(members: Iterable[Member]) -> list[int]:
    """Keys that add up to what Weir draws for the set, in the table's range."""
    marks = Marker(KEY).marks(members)
    text = f"ck|{sum(mark.unit for mark in marks) % 2**64}|{len(marks)}"
    draw = int.from_bytes(hmac.digest(KEY, text.encode(), "sha256")[:8], "big")
    return [draw * KEYS // 2**64, *[0] * (len(marks) - 1)]


def test_the_same_people_have_the_same_number_under_any_label(base_3: Any) -> None:
    people = {f"set {i}": [(37 * i + 11 * j) % KEYS for j in range(13)] for i in range(20)}
    renamed = {f"also {place}": keys[::-1] for place, keys in people.items()}
    once, again = (theirs(each, base_3, threshold=11) for each in (people, renamed))
    assert list(once.values()) == [again[f"also {place}"] for place in once]
    assert set(once.values()) == {12, 15}
    marks = [[Mark(key, key) for key in keys] for keys in people.values()]
    numbers = [rounded(each, Reading(11, 3), KEY) for each in marks]
    assert numbers == [rounded(each[::-1], Reading(11, 3), KEY) for each in marks]
    assert set(numbers) == {12, 15}


@pytest.mark.parametrize("count", [12, 13, 14, 100, 101, 102])
def test_changes_are_spread_as_in_the_table(count: int, base_3: Any) -> None:
    changes = base_3.loc[base_3["pcv"] == count, "pvalue"]
    assert changes.mean() == 0
    assert changes.var(ddof=0) == pytest.approx(count % 3 * (3 - count % 3))
    marks = [Mark(i, i) for i in range(count)]
    drawn = [rounded(marks, Reading(11, 3), b"%d" % i) - count for i in range(1000)]
    for size in (-2, -1, 0, 1, 2):
        share = float((changes == size).mean())
        sigma = math.sqrt(share * (1 - share) / len(drawn))
        assert abs(drawn.count(size) / len(drawn) - share) <= 4 * sigma


def test_nobody_stays_nobody(base_3: Any) -> None:
    import pandas
    from cell_key_perturbation.create_perturbed_table import create_perturbed_table

    rows = [{"sex": sex, "age": age, "key": 5} for sex, age in (("f", "old"), ("m", "young"))]
    found = create_perturbed_table(
        pandas.DataFrame(rows * 20), base_3, [], ["sex", "age"], "key", threshold=0
    )
    nobody = found[(found["sex"] == "f") & (found["age"] == "young")]
    assert nobody["count"].tolist() == [0]
    assert {rounded([], Reading(11, 3), b"%d" % i) for i in range(100)} == {0}
