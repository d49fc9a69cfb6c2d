"""The network's own line: counts added over the sites whose numbers may be added.

Only shown counts of the same measure version, logic, value sets and disclosure policy are added.
A hidden count is left out together with its denominator, never taken for zero; what is left out is
named beside the number. A sum over too few of the sites is drawn, but not judged: it can move
because a site fell out, and not because care changed.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from service.network.reading import Basis, Reading
from service.spc.point import State

NOT_COMPARABLE = "not comparable"
NOT_BEGUN = "no report yet"
VERSIONS_DIFFER = "the sites' numbers rest on different versions"


@dataclass(frozen=True)
class Pooled:
    """A network's reading; ``contributors`` are in it, ``left_out`` says why others are not.

    ``partial`` is True when fewer than the wanted share of the reporting sites are in it; ``names``
    are those that its reader may know, by site id.
    """

    reading: Reading
    contributors: tuple[str, ...]
    left_out: Mapping[str, str]
    partial: bool
    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def sites(self) -> tuple[str, ...]:
        """Everybody of whom a number was expected: in the sum or not."""
        return (*self.contributors, *self.left_out)


def pool(
    period: str, readings: Mapping[str, Reading], begun: frozenset[str], share: float
) -> Pooled:
    """Add one period's ``readings`` by site id.

    ``begun`` are the sites that have reported for this period or an earlier one; ``share`` is the
    part of them (0 to 1) that makes the sum whole.
    """
    basis = _prevailing(readings)
    numbers = {
        site: reading
        for site, reading in readings.items()
        if reading.state is State.NUMBER and reading.basis == basis
    }
    left_out = {
        site: _why(reading, site in begun)
        for site, reading in readings.items()
        if site not in numbers
    }
    partial = len(numbers) < share * len(begun)
    reading = _sum(period, numbers, basis) if numbers else _nothing(period, readings)
    return Pooled(reading, tuple(numbers), left_out, partial)


def _prevailing(readings: Mapping[str, Reading]) -> Basis | None:
    """The basis of most numbers; None when no basis has more than any other."""
    bases = Counter(r.basis for r in readings.values() if r.state is State.NUMBER and r.basis)
    ranked = bases.most_common(2)
    if not ranked or (len(ranked) == 2 and ranked[0][1] == ranked[1][1]):
        return None
    return ranked[0][0]


def _sum(period: str, numbers: Mapping[str, Reading], basis: Basis | None) -> Reading:
    return Reading(
        period=period,
        state=State.NUMBER,
        numerator=sum(reading.numerator or 0 for reading in numbers.values()),
        denominator=sum(reading.denominator or 0 for reading in numbers.values()),
        provisional=any(reading.provisional for reading in numbers.values()),
        reasons=tuple(sorted({reason for r in numbers.values() for reason in r.reasons})),
        basis=basis,
        rounding=max(reading.rounding or 0 for reading in numbers.values()) or None,
        versions=max(reading.versions for reading in numbers.values()),
        received=max(reading.received or "" for reading in numbers.values()),
        noise=sum(reading.noise for reading in numbers.values()),
    )


def _nothing(period: str, readings: Mapping[str, Reading]) -> Reading:
    """No number to add: say the strongest thing that the sites say."""
    states = {reading.state for reading in readings.values()}
    if State.NUMBER in states:
        return Reading(period, State.NOT_COMPUTABLE, reasons=(VERSIONS_DIFFER,))
    told = (State.SUPPRESSED, State.NOT_COMPUTABLE, State.MISSING)
    return Reading(period, next((state for state in told if state in states), State.MISSING))


def _why(reading: Reading, has_begun: bool) -> str:
    if reading.state is State.NUMBER:
        return NOT_COMPARABLE
    return reading.state.value if has_begun else NOT_BEGUN
