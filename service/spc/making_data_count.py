"""NHS England's Making Data Count rules, made for XmR charts.

NHS England, Making Data Count; Reading C, Wainwright C. NHSRplotthedots (R package). In order of
precedence: a point outside the limits (every chart with limits judges that, see `bounds`); 7
points that only rise or only fall; 2 of 3 points, all 3 on one side of the mean, in the outer
third between mean and limit; 7 points on one side of the mean. Here a point on the mean ends a
run. Some users take 6 or 8 points: the lengths are parameters.

On noise these rules signal often (about 15 % of series of 24 points).
"""

from collections.abc import Iterator, Sequence
from itertools import groupby

from service.spc.bounds import Bounds
from service.spc.runs import RunAnalysis, Side, Signal, find_runs, side_of

NAME = "mdc"
TREND, TWO_OF_THREE, SHIFT = "trend", "2 of 3 near a limit", "shift"
LENGTH = 7


def analyse(
    values: Sequence[float],
    center_line: float,
    bounds: Sequence[Bounds] = (),
    *,
    shift: int = LENGTH,
    trend: int = LENGTH,
) -> RunAnalysis:
    """Judge ``values`` in order; signals hold positions in ``values``.

    ``bounds`` are the limits of each value; without them there is no rule of 2 in 3. Raises
    ValueError when every value lies on the center line: then there is nothing to judge.
    """
    runs = find_runs(values, center_line)
    if not runs:
        raise ValueError("no value lies off the center line")
    sides = [side_of(value, center_line) for value in values]
    signals = [
        *(Signal(TREND, at, side) for at, side in _trends(values) if len(at) >= trend),
        *_two_of_three(values, center_line, bounds, sides),
        *(Signal(SHIFT, at, side) for at, side in _unbroken(sides) if len(at) >= shift),
    ]
    return RunAnalysis(
        rules=NAME,
        n_useful=sum(run.length for run in runs),
        longest_run=max(len(at) for at, _ in _unbroken(sides)),
        longest_run_max=shift - 1,
        crossings=len(runs) - 1,
        crossings_min=None,
        signals=tuple(signals),
    )


def _unbroken(steps: Sequence[Side | None]) -> Iterator[tuple[tuple[int, ...], Side]]:
    """Stretches of the same side without a None between; positions in ``steps``."""
    for side, members in groupby(enumerate(steps), key=lambda step: step[1]):
        if side is not None:
            yield tuple(position for position, _ in members), side


def _trends(values: Sequence[float]) -> Iterator[tuple[tuple[int, ...], Side]]:
    """Points that rise, or fall, each above, or below, the one before it."""
    steps = [side_of(after, before) for before, after in zip(values, values[1:], strict=False)]
    for positions, side in _unbroken(steps):
        yield (*positions, positions[-1] + 1), side


def _two_of_three(
    values: Sequence[float],
    center_line: float,
    bounds: Sequence[Bounds],
    sides: Sequence[Side | None],
) -> list[Signal]:
    """One signal a side, with every point near a limit that belongs to such a three."""
    near = [_is_near(value, center_line, own) for value, own in zip(values, bounds, strict=False)]
    found: dict[Side, set[int]] = {"above": set(), "below": set()}
    for first in range(len(near) - 2):
        three = range(first, first + 3)
        close = [at for at in three if near[at]]
        side = sides[first]
        if side is not None and len(close) >= 2 and all(sides[at] == side for at in three):
            found[side].update(close)
    return [Signal(TWO_OF_THREE, tuple(sorted(at)), side) for side, at in found.items() if at]


def _is_near(value: float, center_line: float, bounds: Bounds) -> bool:
    """Whether a value lies in the outer third of the way from the mean to its limit."""
    if bounds.side(value) is not None:
        return False
    for limit in (bounds.lower, bounds.upper):
        way = side_of(limit, center_line) if limit is not None else None
        if limit is not None and way is not None:
            third = center_line + (limit - center_line) * 2 / 3
            if side_of(value, third) == way:
                return True
    return False
