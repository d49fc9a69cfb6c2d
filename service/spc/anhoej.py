"""Anhøj's rules: the default, since they rarely call noise a signal.

A series shows special-cause variation when its longest run is longer than round(log2 n) + 3, or
when it crosses the center line less often than the 5 % quantile of the binomial distribution of
n - 1 trials with probability one half; n counts the useful points.

Anhøj J, Olesen AV. PLoS ONE 2014;9(11):e113825. Anhøj J. PLoS ONE 2015;10(3):e0121349.
Anhøj J, Wentzel-Larsen T. PLoS ONE 2020;15(6):e0233920.
"""

import math
from collections.abc import Sequence

from service.spc.bounds import Bounds
from service.spc.runs import RunAnalysis, Signal, find_runs

NAME = "anhoej"
LONG_RUN = "unusually long run"
FEW_CROSSINGS = "unusually few crossings"


def longest_run_max(n_useful: int) -> int:
    """The longest run expected of ``n_useful`` points (at least 1) of common-cause variation."""
    return round(math.log2(n_useful)) + 3


def crossings_min(n_useful: int) -> int:
    """The fewest crossings expected of ``n_useful`` points (at least 1).

    The smallest k with P(X <= k) >= 0.05 for X ~ Binomial(n - 1, 1/2), in whole numbers so that
    no rounding decides.
    """
    trials = n_useful - 1
    of_all = 2**trials
    ways, more = 0, 1  # arrangements with at most so many crossings, and with exactly so many
    for crossings in range(trials + 1):
        ways += more
        if 20 * ways >= of_all:
            return crossings
        more = more * (trials - crossings) // (crossings + 1)
    raise AssertionError("the distribution function reaches 1")


def analyse(
    values: Sequence[float], center_line: float, bounds: Sequence[Bounds] = ()
) -> RunAnalysis:
    """Judge ``values`` in order; signals hold positions in ``values``, ``bounds`` do not matter.

    Raises ValueError when every value lies on the center line: then there is nothing to judge.
    """
    runs = find_runs(values, center_line)
    if not runs:
        raise ValueError("no value lies off the center line")
    useful = tuple(position for run in runs for position in run.positions)
    run_limit, crossings_limit = longest_run_max(len(useful)), crossings_min(len(useful))
    signals = [Signal(LONG_RUN, r.positions, r.side) for r in runs if r.length > run_limit]
    crossings = len(runs) - 1
    if crossings < crossings_limit:
        signals.append(Signal(FEW_CROSSINGS, useful))
    return RunAnalysis(
        rules=NAME,
        n_useful=len(useful),
        longest_run=max(run.length for run in runs),
        longest_run_max=run_limit,
        crossings=crossings,
        crossings_min=crossings_limit,
        signals=tuple(signals),
    )
