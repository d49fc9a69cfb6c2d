"""The run-chart rules of Perla, Provost and Murray, as IHI teaches them.

Perla RJ, Provost LP, Murray SK. The run chart. BMJ Qual Saf 2011;20:46-51: a shift of 6 useful
points on one side, a trend of 5 points, too few or too many runs. Their fourth rule, an
astronomical point, is a person's judgement and is not automated.

On noise these rules signal often (about 40 % of series of 24 points, mostly by trend).
"""

import math
from collections.abc import Sequence
from fractions import Fraction

from service.spc.bounds import Bounds
from service.spc.runs import RunAnalysis, Side, Signal, find_runs, side_of

NAME = "perla"
SHIFT, TREND = "shift", "trend"
FEW_RUNS, MANY_RUNS = "too few runs", "too many runs"
SHIFT_LENGTH, TREND_LENGTH = 6, 5


def runs_limits(n_useful: int) -> tuple[int, int]:
    """The fewest and the most runs expected of ``n_useful`` points (at least 2), 5 % two-sided.

    Swed FS, Eisenhart C. Ann Math Stat 1943;14:66-87, for as equal numbers above and below as
    ``n_useful`` allows, computed exactly: printed copies of the table differ from each other. The
    lower limit is the smallest r with P(R <= r) > 0.025, the upper its mirror image.
    """
    below, above = n_useful // 2, n_useful - n_useful // 2
    total, tail = math.comb(n_useful, below), 0
    for runs in range(2, n_useful + 1):
        tail += _arrangements(runs, below, above)
        if Fraction(tail, total) > Fraction(25, 1000):
            return runs, n_useful + 2 - runs
    raise AssertionError("the distribution function reaches 1")


def _arrangements(runs: int, below: int, above: int) -> int:
    """In how many orders the points make exactly so many runs."""
    half = runs // 2
    if runs % 2 == 0:
        return 2 * math.comb(below - 1, half - 1) * math.comb(above - 1, half - 1)
    return math.comb(below - 1, half - 1) * math.comb(above - 1, half) + math.comb(
        below - 1, half
    ) * math.comb(above - 1, half - 1)


def analyse(
    values: Sequence[float],
    center_line: float,
    bounds: Sequence[Bounds] = (),
    *,
    shift: int = SHIFT_LENGTH,
    trend: int = TREND_LENGTH,
) -> RunAnalysis:
    """Judge ``values`` in order; signals hold positions in ``values``, ``bounds`` do not matter.

    Raises ValueError when every value lies on the center line: then there is nothing to judge.
    """
    runs = find_runs(values, center_line)
    if not runs:
        raise ValueError("no value lies off the center line")
    useful = tuple(position for run in runs for position in run.positions)
    fewest, most = runs_limits(len(useful)) if len(useful) > 1 else (1, 1)
    signals = [Signal(SHIFT, run.positions, run.side) for run in runs if run.length >= shift]
    signals += [
        Signal(TREND, positions, side)
        for positions, side in find_trends(values)
        if len(positions) >= trend
    ]
    if not fewest <= len(runs) <= most:
        signals.append(Signal(FEW_RUNS if len(runs) < fewest else MANY_RUNS, useful))
    return RunAnalysis(
        rules=NAME,
        n_useful=len(useful),
        longest_run=max(run.length for run in runs),
        longest_run_max=shift - 1,
        crossings=len(runs) - 1,
        crossings_min=fewest - 1,
        crossings_max=most - 1,
        signals=tuple(signals),
    )


def find_trends(values: Sequence[float]) -> list[tuple[tuple[int, ...], Side]]:
    """Points that only rise or only fall, and which way; one equal to its neighbor is left out."""
    found: list[tuple[tuple[int, ...], Side]] = []
    for position in range(1, len(values)):
        way = side_of(values[position], values[position - 1])
        if way is None:
            continue
        if found and found[-1][1] == way:
            found[-1] = ((*found[-1][0], position), way)
        else:
            found.append(((position - 1, position), way))
    return found
