"""Funnel plots: units side by side, each within limits for its own size. They rank nobody.

Spiegelhalter DJ. Funnel plots for comparing institutional performance. Stat Med 2005;24:1185-202.
Verburg IWM et al. Guidelines on constructing funnel plots for quality indicators. Stat Methods Med
Res 2018;27:3350-66. First see on a chart over time that each unit is stable, and take a recent
period only.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from service.errors import ChartError
from service.spc import quantile
from service.spc.attributes import BINOMIAL, POISSON, Family, rounding_variance, sigma
from service.spc.bounds import Bounds
from service.spc.kind import Kind, P, U, check
from service.spc.lines import NO_BOUNDS, within
from service.spc.overdispersion import WINSORISED, Overdispersion, overdispersion
from service.spc.point import State
from service.spc.power import COULD_SHOW, chance_of_point
from service.spc.subgroup import Subgroup

INNER, OUTER = 0.95, 0.998  # what the two pairs of limits hold
OUTSIDE = "outside 99.8 % limits"


@dataclass(frozen=True)
class FunnelPoint:
    """A unit: its value, and the 95 % and 99.8 % limits for its size.

    Only a unit beyond ``outer`` signals; one in twenty lies beyond ``inner`` by chance. ``power``
    is the chance (0 to 1) that the unit would signal if its events were twice as many as the
    target; None where there is no number.
    """

    name: str
    size: float | None
    value: float | None
    inner: Bounds
    outer: Bounds
    power: float | None
    state: State
    provisional: bool
    excluded: str | None
    signals: tuple[str, ...]


@dataclass(frozen=True)
class Funnel:
    """``target`` is the rate that units are compared with; ``widened`` says whether the limits
    leave room for over-dispersion. ``spread`` is None when units show no scatter to measure.
    """

    target: float
    points: tuple[FunnelPoint, ...]
    spread: Overdispersion | None
    widened: bool
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Scale:
    """Where values of every rate scatter alike: arcsine of a proportion, root of a rate."""

    onto: Callable[[float], float]
    back: Callable[[float], float]
    exact: Callable[[float, float, float], float]


def binomial_limit(tail: float, size: float, target: float) -> float:
    """The limit that leaves ``tail`` below it: the binomial quantile by ``size``."""
    if size != int(size):
        raise ChartError("Exact limits of a proportion need whole denominators")
    return quantile.binomial(tail, int(size), target) / size


def poisson_limit(tail: float, size: float, target: float) -> float:
    """The limit that leaves ``tail`` below it, for ``size`` opportunities or expected events.

    From chi-square: half its quantile of 2 E degrees below the target, of 2 (E + 1) above, by E
    expected events (Spiegelhalter 2005, appendix).
    """
    expected = target * size
    if tail < 0.5:
        return quantile.chi_square(tail, 2 * expected) / 2 / size
    return quantile.chi_square(tail, 2 * (expected + 1)) / 2 / size


def _angle(proportion: float) -> float:
    return math.asin(math.sqrt(min(proportion, 1.0)))


def _proportion(angle: float) -> float:
    return math.sin(min(max(angle, 0.0), math.pi / 2)) ** 2


def _square(root: float) -> float:
    return max(root, 0.0) ** 2


SCALES = {
    P: _Scale(_angle, _proportion, binomial_limit),
    U: _Scale(math.sqrt, _square, poisson_limit),
}
FAMILIES = {P: BINOMIAL, U: POISSON}


def funnel(
    kind: Kind,
    units: Sequence[Subgroup],
    *,
    target: float | None = None,
    widen: bool = False,
    winsorise: float = WINSORISED,
    multiply: float = 1.0,
) -> Funnel:
    """Compare ``units``, each named by its ``period``, on proportions (P) or rates (U).

    For standardized ratios give U, observed events as numerators, expected events as denominators
    and a ``target`` of 1. Without a ``target`` it is the pooled rate of final units that nobody
    excluded. Limits are exact; with ``widen`` they leave room for over-dispersion where there is
    any. Values, limits and the target are given back ``multiply`` times as large. Raises
    ChartError for a unit that does not fit, and when there is nothing to compare with.
    """
    if kind not in SCALES:
        raise ChartError("A funnel compares proportions (p) or rates (u)")
    check(kind, units)
    aim = _pooled(units) if target is None else target
    family = FAMILIES[kind]
    if aim < 0 or (family.ceiling is not None and aim > family.ceiling):
        raise ChartError("The target is not a rate that this funnel can have")
    spread = _spread(kind, units, aim, winsorise)
    widened = widen and spread is not None and spread.tau2 > 0
    tau2 = spread.tau2 if spread and widened else None
    points = tuple(_times(_point(kind, unit, aim, tau2), multiply) for unit in units)
    rare = "failures" if family.ceiling is not None and aim > family.ceiling / 2 else "events"
    notes = tuple(_notes(points, spread, widened, rare))
    return Funnel(aim * multiply, points, spread, widened, notes)


def _pooled(units: Sequence[Subgroup]) -> float:
    judged = [unit for unit in units if unit.judged]
    if not judged:
        raise ChartError("No unit has a final number to compare with", todo="Give a target")
    events = math.fsum(unit.numerator or 0.0 for unit in judged)
    return events / math.fsum(unit.denominator or 0.0 for unit in judged)


def _spread(
    kind: Kind, units: Sequence[Subgroup], target: float, winsorise: float
) -> Overdispersion | None:
    """The scatter of the judged units; None where the target leaves none to expect."""
    onto = SCALES[kind].onto
    measured = [
        (onto(unit.value), own)
        for unit in units
        if unit.judged
        and unit.value is not None
        and (own := _scaled_sigma(kind, unit, target)) is not None
    ]
    if not measured:
        return None
    scores = [(value - onto(target)) / own for value, own in measured]
    return overdispersion(scores, [own for _, own in measured], winsorise)


def _scaled_sigma(kind: Kind, unit: Subgroup, target: float) -> float | None:
    """A unit's standard deviation on the scale of `SCALES`: 1 / (2 sqrt n), and rounding."""
    family = FAMILIES[kind]
    own, of_one = sigma(unit, target, family), family.variance(target)
    if own is None or of_one == 0:
        return None
    return own / (2 * math.sqrt(of_one))


def _point(kind: Kind, unit: Subgroup, target: float, tau2: float | None) -> FunnelPoint:
    family = FAMILIES[kind]
    inner, outer = (_limits(kind, unit, target, tau2, share) for share in (INNER, OUTER))
    value = unit.value if unit.value is None else _capped(unit.value, family)
    beyond = unit.final and value is not None and outer.side(value) is not None
    power = None
    if value is not None and unit.denominator is not None:
        power = chance_of_point(family, unit.denominator, target, outer)
    return FunnelPoint(
        name=unit.period,
        size=unit.denominator,
        value=value,
        inner=inner,
        outer=outer,
        power=power,
        state=unit.state,
        provisional=unit.provisional,
        excluded=unit.excluded,
        signals=(OUTSIDE,) if beyond else (),
    )


def _times(point: FunnelPoint, factor: float) -> FunnelPoint:
    """The same in another unit, as rates per 1,000."""
    return replace(
        point,
        value=None if point.value is None else point.value * factor,
        inner=point.inner.times(factor),
        outer=point.outer.times(factor),
    )


def _capped(value: float, family: Family) -> float:
    # Rounding can put a numerator above its denominator.
    return value if family.ceiling is None else min(value, family.ceiling)


def _limits(kind: Kind, unit: Subgroup, target: float, tau2: float | None, share: float) -> Bounds:
    """The limits that hold a ``share`` of units of this size."""
    if unit.denominator is None:
        return NO_BOUNDS
    tail = (1 - share) / 2
    if target == 0:
        return Bounds(0.0, 0.0)
    if tau2 is not None:
        return _widened(kind, unit, target, tau2, tail)
    exact = SCALES[kind].exact
    lower, upper = (exact(own, unit.denominator, target) for own in (tail, 1 - tail))
    extra = -quantile.Z(tail) * math.sqrt(rounding_variance(unit, target))
    if extra:
        lower = target - math.hypot(target - lower, extra)
        upper = target + math.hypot(upper - target, extra)
    return within(lower, upper, 0.0, FAMILIES[kind].ceiling)


def _widened(kind: Kind, unit: Subgroup, target: float, tau2: float, tail: float) -> Bounds:
    """Limits with the variance between units added, on the scale where they are even."""
    scale = SCALES[kind]
    own = _scaled_sigma(kind, unit, target) or 0.0
    reach = -quantile.Z(tail) * math.sqrt(own**2 + tau2)
    middle = scale.onto(target)
    return Bounds(scale.back(middle - reach), scale.back(middle + reach))


def _notes(
    points: Sequence[FunnelPoint], spread: Overdispersion | None, widened: bool, rare: str
) -> list[str]:
    numbers = [point for point in points if point.value is not None]
    found = []
    if spread is not None and spread.tau2 > 0 and not widened:
        found.append(
            f"The units differ more than chance makes them (phi = {spread.phi:.2f}): consider "
            "limits that leave room for over-dispersion."
        )
    small = sum(point.power is not None and point.power < COULD_SHOW for point in numbers)
    if small:
        found.append(
            f"{small} of {len(numbers)} units are too small: a doubling of their {rare} would lie "
            f"outside the limits with a chance of less than {COULD_SHOW:.0%}."
        )
    if any(point.state is State.SUPPRESSED for point in points):
        found.append("Suppressed units are not drawn, and are no zeros.")
    return found
