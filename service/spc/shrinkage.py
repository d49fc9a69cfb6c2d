"""Small units' rates drawn toward the network's, from sums that no single unit can be read from.

Empirical Bayes with a beta prior, by the method of moments: Dimick JB, Staiger DO, Birkmeyer JD.
Health Serv Res 2010;45:1614-29; Spiegelhalter, Stat Med 2005;24:1185-202. Every unit adds its own
five numbers to the network's sums; from these follow the common rate, the over-dispersion and the
prior exactly as from the units' counts. Where small units are worse because they are small, what
is drawn toward the mean hides it.
"""

import math
from dataclasses import dataclass

from service.errors import ChartError


@dataclass(frozen=True)
class Sums:
    """Sums over units of 1, n, y, y^2 / n and n^2, for y events in n cases."""

    units: int
    cases: float
    events: float
    events2_by_cases: float
    cases2: float

    @classmethod
    def of(cls, events: float, cases: float) -> "Sums":
        """One unit's share. Raises ChartError unless 0 <= ``events`` <= ``cases``, above 0."""
        if not 0 <= events <= cases or cases == 0:
            raise ChartError("A unit has cases, and at most as many events")
        return cls(1, cases, events, events**2 / cases, cases**2)

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(
            self.units + other.units,
            self.cases + other.cases,
            self.events + other.events,
            self.events2_by_cases + other.events2_by_cases,
            self.cases2 + other.cases2,
        )


@dataclass(frozen=True)
class Prior:
    """What is known of a unit before its own cases: ``rate``, worth as many cases as ``weight``.

    ``phi`` is the over-dispersion (about 1 by chance alone), ``tau2`` the variance of the units'
    true rates. Without any, ``weight`` is infinite: the units are alike.
    """

    rate: float
    phi: float
    tau2: float
    weight: float

    def estimate(self, events: float, cases: float) -> float:
        """A unit's rate, drawn toward the common one: (y + M rate) / (n + M)."""
        if math.isinf(self.weight):
            return self.rate
        return (events + self.weight * self.rate) / (cases + self.weight)


def prior(sums: Sums) -> Prior:
    """The common rate and the spread of the units' true rates.

    phi = sum n (y/n - rate)^2 / (rate (1 - rate)) / k; tau2 is DerSimonian and Laird's; the
    weight is rate (1 - rate) / tau2 - 1.
    """
    rate = sums.events / sums.cases
    scatter = rate * (1 - rate)
    if scatter == 0 or sums.units < 2:
        return Prior(rate, 0.0, 0.0, math.inf)
    deviations = sums.events2_by_cases - 2 * rate * sums.events + rate**2 * sums.cases
    squares = deviations / scatter
    room = (sums.cases - sums.cases2 / sums.cases) / scatter
    tau2 = max(0.0, (squares - (sums.units - 1)) / room)
    weight = max(0.0, scatter / tau2 - 1) if tau2 else math.inf
    return Prior(rate, squares / sums.units, tau2, weight)
