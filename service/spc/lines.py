"""What a chart draws of one phase."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from service.spc.bounds import Bounds
from service.spc.limits import SIGMAS

NO_BOUNDS = Bounds()


@dataclass(frozen=True)
class Lines:
    """The center line, and each subgroup's value and limits, in order.

    ``center`` is None when no subgroup could set it. ``figures`` are what else was estimated on
    the way, by name.
    """

    center: float | None
    values: tuple[float | None, ...]
    bounds: tuple[Bounds, ...]
    figures: Mapping[str, float] = field(default_factory=dict)

    def times(self, factor: float) -> "Lines":
        """The same in another unit, as rates per 1,000."""
        if factor == 1:
            return self
        return replace(
            self,
            center=_times(self.center, factor),
            values=tuple(_times(value, factor) for value in self.values),
            bounds=tuple(own.times(factor) for own in self.bounds),
        )


def bare(values: Sequence[float | None]) -> Lines:
    """Values alone, where no number may set a line."""
    return Lines(None, tuple(values), (NO_BOUNDS,) * len(values))


def around(
    center: float, sigmas: Sequence[float | None], floor: float | None, ceiling: float | None
) -> tuple[Bounds, ...]:
    """Limits 3 standard deviations from the center, within what values can be."""
    return tuple(
        within(center - SIGMAS * sigma, center + SIGMAS * sigma, floor, ceiling)
        if sigma is not None
        else NO_BOUNDS
        for sigma in sigmas
    )


def within(lower: float, upper: float, floor: float | None, ceiling: float | None) -> Bounds:
    """Limits, cut to what values can be."""
    return Bounds(
        lower if floor is None else max(lower, floor),
        upper if ceiling is None else min(upper, ceiling),
    )


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor
