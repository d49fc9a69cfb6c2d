"""Anhøj's rules: their limits, by the formula, and what is just no signal."""

import pytest

from service.spc.anhoej import FEW_CROSSINGS, analyse, crossings_min, longest_run_max

# n: (longest run, fewest crossings), from the formula of PLoS ONE 2014;9(11):e113825.
LIMITS = {
    10: (6, 2),
    12: (7, 3),
    15: (7, 4),
    20: (7, 6),
    24: (8, 8),
    28: (8, 9),
    30: (8, 10),
    40: (8, 14),
    44: (8, 16),
    60: (9, 23),
    64: (9, 25),
    100: (10, 41),
}


@pytest.mark.parametrize(("n", "limits"), LIMITS.items())
def test_limits(n: int, limits: tuple[int, int]) -> None:
    assert (longest_run_max(n), crossings_min(n)) == limits


def test_the_run_limit_rounds_and_never_floors() -> None:
    # log2(24) is 4.58: a run of 8 is still expected, 9 are not.
    steady = [1.0, -1.0] * 8
    assert not [s for s in analyse(steady + [1.0] * 8, 0).signals if s.rule.endswith("run")]
    assert [s for s in analyse(steady[1:] + [1.0] * 9, 0).signals if s.rule.endswith("run")]


def test_as_many_crossings_as_chance_gives_at_least_are_no_signal() -> None:
    def runs(lengths: list[int]) -> list[float]:
        return [(-1.0) ** at for at, length in enumerate(lengths) for _ in range(length)]

    assert analyse(runs([3, 3, 3, 3, 3, 3, 2, 2, 2]), 0).signals == ()  # 8 crossings of 24 points
    (signal,) = analyse(runs([3] * 8), 0).signals
    assert (signal.rule, signal.length) == (FEW_CROSSINGS, 24)
