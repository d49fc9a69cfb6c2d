"""What to know of a phase before reading anything into it, in sentences."""

from collections.abc import Iterator
from dataclasses import dataclass

from service.spc.attributes import SIGMA_Z, Family, few_expected
from service.spc.bounds import Bounds
from service.spc.kind import RUN, Kind
from service.spc.limits import Limits, Method
from service.spc.lines import Lines
from service.spc.phase import TRIAL
from service.spc.power import COULD_SHOW, POINTS, chance_of_any, chance_of_point
from service.spc.small_numbers import MOST_ZEROS, believable_size, usable_size
from service.spc.span import Span

OVERDISPERSED = 1.5  # sigma_z this large is hardly chance with 20 points or more


@dataclass(frozen=True)
class _Judged:
    """A judged point of a chart of counts."""

    size: float
    value: float
    bounds: Bounds


def notes_on(kind: Kind, span: Span, lines: Lines, method: Method) -> tuple[str, ...]:
    """Sentences on a phase with a center line; ``lines`` are in the data's own unit."""
    if lines.center is None:
        return ()
    found = [*_baseline(kind, span, lines), *_rounding(kind, span)]
    if kind.family is not None:
        points = _judged(kind.family, span, lines)
        found += _counts(kind, kind.family, points, lines, method)
    return tuple(found)


def _baseline(kind: Kind, span: Span, lines: Lines) -> Iterator[str]:
    points = sum(span.baseline)
    if kind is RUN:
        return
    if all(bounds.upper is None for bounds in lines.bounds):
        yield "There are no limits: no two neighboring numbers give a moving range."
    elif points < TRIAL:
        yield f"Trial limits: they rest on {points} points, and {TRIAL} are needed to trust them."


def _rounding(kind: Kind, span: Span) -> Iterator[str]:
    if kind.counts and any(subgroup.noise for subgroup in span.subgroups):
        yield "The limits include the scatter that rounding adds to the counts."


def _judged(family: Family, span: Span, lines: Lines) -> list[_Judged]:
    return [
        _Judged(size, value, bounds)
        for subgroup, value, bounds in zip(span.subgroups, lines.values, lines.bounds, strict=True)
        if subgroup.judged and value is not None and (size := family.size(subgroup)) is not None
    ]


def _counts(
    kind: Kind, family: Family, points: list[_Judged], lines: Lines, method: Method
) -> Iterator[str]:
    center = lines.center or 0.0
    rate = center if family.ceiling is None else min(center, family.ceiling - center)
    if not points or rate <= 0:
        return
    yield from _overdispersion(kind, lines)
    yield from _normality(family, points, center, method)
    if family.ratio:
        yield from _sizes(points, rate)
    yield from _zeros(points)
    yield from _power(family, points, center)


def _overdispersion(kind: Kind, lines: Lines) -> Iterator[str]:
    sigma_z = lines.figures.get(SIGMA_Z)
    if sigma_z is not None and sigma_z >= OVERDISPERSED and kind.denominator:
        yield (
            f"Neighboring points differ {sigma_z:.1f} times as much as chance makes them: "
            f"consider a {kind.name}-prime chart."
        )


def _normality(
    family: Family, points: list[_Judged], center: float, method: Method
) -> Iterator[str]:
    few = sum(few_expected(point.size, center, family) for point in points)
    if few and method.limits is Limits.THREE_SIGMA:
        yield (
            f"Fewer than 5 cases are expected in {few} of {len(points)} points, where 3 sigma "
            "limits mislead: take exact limits."
        )


def _sizes(points: list[_Judged], rate: float) -> Iterator[str]:
    small = sum(point.size < usable_size(rate) for point in points)
    if small:
        yield (
            f"{small} of {len(points)} subgroups are smaller than {usable_size(rate):.0f}, where "
            "not one event is expected: take longer periods."
        )
    doubtful = sum(
        point.size < believable_size(rate) and point.bounds.side(point.value) is not None
        for point in points
    )
    if doubtful:
        yield (
            f"Too small to be believed, with fewer than {believable_size(rate):.0f}: "
            f"{doubtful} of the points outside the limits."
        )


def _zeros(points: list[_Judged]) -> Iterator[str]:
    zeros = sum(point.value == 0 for point in points)
    if zeros > MOST_ZEROS * len(points):
        yield f"{zeros} of {len(points)} points are zero: a g or t chart shows more."


def _power(family: Family, points: list[_Judged], center: float) -> Iterator[str]:
    latest = points[-POINTS:]
    chance = chance_of_any(
        chance_of_point(family, point.size, center, point.bounds) for point in latest
    )
    if chance < COULD_SHOW:
        what = "the rate" if family.ceiling is None or center <= 0.5 else "the share of failures"
        yield (
            f"These limits could not have shown a doubling: had {what} doubled, one of the last "
            f"{len(latest)} points would lie outside with a chance of {chance:.0%} only."
        )
