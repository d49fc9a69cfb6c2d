"""The Bernoulli CUSUM: case by case, evidence that events became more or less likely.

Neuburger J, Walker K, Sherlaw-Johnson C, van der Meulen J, Cromwell DA. Comparison of control
charts for monitoring clinical performance using binary data. BMJ Qual Saf 2017;26:919-28. Single
cases never leave a site: this runs on its own data, or on a table.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from service.errors import ChartError
from service.spc.runs import Side

ODDS_RATIO = 2.0  # a doubling of the odds upward, a halving downward
LIMIT = 3.5


@dataclass(frozen=True)
class CusumPoint:
    """The two sums after a case: ``upper`` at least 0, ``lower`` at most 0, None for a gap.

    ``signal`` says which sum reached its limit; it starts again from 0 with the next case.
    """

    upper: float | None
    lower: float | None
    signal: Side | None = None


def bernoulli_cusum(
    outcomes: Iterable[bool | None],
    target: float,
    *,
    odds_ratio: float = ODDS_RATIO,
    limit: float = LIMIT,
) -> list[CusumPoint]:
    """Sum log-likelihood ratios over ``outcomes`` in order, True for an event, None if unknown.

    ``target`` is the expected chance of an event, between 0 and 1. An event adds ln(p1 / p0), any
    other case ln((1 - p1) / (1 - p0)), where p1 has ``odds_ratio`` (above 1) times the odds of p0
    for the upper sum, and as many times less for the lower one.
    """
    if not 0 < target < 1:
        raise ChartError("A CUSUM needs an expected rate between 0 and 1")
    if odds_ratio <= 1 or limit <= 0:
        raise ChartError("A CUSUM needs an odds ratio above 1 and a limit above 0")
    worse, better = _weights(target, odds_ratio), _weights(target, 1 / odds_ratio)
    points: list[CusumPoint] = []
    upper = lower = 0.0
    for event in outcomes:
        if event is None:
            points.append(CusumPoint(None, None))
            continue
        upper = max(0.0, upper + worse[event])
        lower = min(0.0, lower - better[event])
        points.append(CusumPoint(upper, lower, _signal(upper, lower, limit)))
        upper = 0.0 if upper >= limit else upper
        lower = 0.0 if lower <= -limit else lower
    return points


def _weights(target: float, odds_ratio: float) -> tuple[float, float]:
    """What a case without and with an event adds."""
    rest = math.log1p(target * (odds_ratio - 1))
    return -rest, math.log(odds_ratio) - rest


def _signal(upper: float, lower: float, limit: float) -> Side | None:
    if upper >= limit:
        return "above"
    return "below" if lower <= -limit else None
