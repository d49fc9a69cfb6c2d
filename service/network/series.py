"""One line of a run chart: a reporter's readings of a group over time, judged."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from service.network import window
from service.network.config import Annotation, Group, Measure
from service.network.lens import RUN_CHART, Lens
from service.network.pool import Pooled
from service.network.reading import Basis, Reading
from service.spc.chart import Chart, control_chart
from service.spc.subgroup import Subgroup

NETWORK = "network"  # the reporter of what is pooled
MAPPING = "mapping of local codes"


@dataclass(frozen=True)
class Mark:
    """Something that people or versions changed, just before the point at ``position``.

    With ``baseline`` the median is taken from the points before it, and kept. ``site`` is whose
    change it is, if it is not everybody's.
    """

    position: int
    text: str
    baseline: bool = False
    site: str | None = None


@dataclass(frozen=True)
class Goal:
    """What people want to reach: a rate by the period ``by``, aimed at since ``start`` if given."""

    rate: float
    by: str
    start: str | None = None

    def reach(self, periods: Sequence[str]) -> tuple[int, int]:
        """The positions from and to which it holds, within the periods."""
        inside = [at for at, p in enumerate(periods) if (self.start or p) <= p <= self.by]
        return (inside[0], inside[-1]) if inside else (0, len(periods) - 1)


@dataclass(frozen=True)
class Series:
    """A reporter's readings, one a period without holes, and the run chart made of them.

    ``pools`` has one entry a reading for the network's own line, and none for a site's.
    ``changes`` are what people marked; ``minor`` the mappings of local codes that people said to
    change little. Of a ``blinded`` series neither name nor counts are shown. ``lens`` is how it is
    drawn and judged.
    """

    reporter: str
    name: str
    group: Group
    readings: tuple[Reading, ...]
    changes: tuple[Mark, ...]
    pools: tuple[Pooled, ...] = ()
    minor: frozenset[str] = frozenset()
    blinded: bool = False
    lens: Lens = RUN_CHART
    goals: tuple[Goal, ...] = ()

    @cached_property
    def rates(self) -> list[float]:
        """All rates that are drawn."""
        return [reading.rate for reading in self.readings if reading.rate is not None]

    @cached_property
    def breaks(self) -> tuple[Mark, ...]:
        """Where numbers stop being comparable, which starts a new phase.

        That is where the measure's version, logic, value sets or the policy changed; and, for a
        site, where its mapping of local codes changed, unless people said that this one is minor.
        """
        found = []
        basis: Basis | None = None
        mapping: str | None = None
        for position, reading in enumerate(self.readings):
            if reading.basis is None:
                continue
            changed = basis.differs_in(reading.basis) if basis else []
            if mapping not in (None, reading.mapping) and reading.mapping not in self.minor:
                changed.append(MAPPING)
            if changed:
                found.append(Mark(position, ", ".join(changed)))
            basis, mapping = reading.basis, reading.mapping or mapping
        return tuple(found)

    @cached_property
    def numbered(self) -> tuple[Mark, ...]:
        """What is marked on the chart by a number, in time order: changes, and where phases start.

        Of the network's line these are not the changes at single sites.
        """
        own = [mark for mark in self.changes if not self.pools or mark.site is None]
        return tuple(sorted((*own, *self.breaks), key=lambda mark: mark.position))

    @property
    def elsewhere(self) -> tuple[Mark, ...]:
        """Changes at single sites, on the network's line."""
        return tuple(mark for mark in self.changes if self.pools and mark.site is not None)

    @property
    def remappings(self) -> tuple[Mark, ...]:
        """Those of the breaks that another mapping has made."""
        return tuple(mark for mark in self.breaks if MAPPING in mark.text)

    @cached_property
    def chart(self) -> Chart:
        """The readings as points of a chart, judged in phases."""
        subgroups = [self._subgroup(position) for position in range(len(self.readings))]
        baseline = next((mark.position for mark in self.changes if mark.baseline), None)
        breaks = [mark.position for mark in self.breaks]
        lens = self.lens
        return control_chart(
            lens.kind,
            subgroups,
            breaks=breaks,
            baseline=baseline,
            rules=lens.rules,
            method=lens.method,
        )

    def through(self, lens: Lens) -> "Series":
        """The same line seen as another chart.

        Limits that follow each count would tell the counts of a blinded line: it stays as it is.
        """
        if lens == self.lens or (self.blinded and lens.needs_counts):
            return self
        return replace(self, lens=lens)

    def _subgroup(self, position: int) -> Subgroup:
        reading = self.readings[position]
        subgroup = reading.counted() if self.lens.needs_counts else reading.subgroup()
        partial = bool(self.pools) and self.pools[position].partial
        # Too few sites: drawn hollow, like a provisional number, and never judged.
        return replace(subgroup, provisional=subgroup.provisional or partial)


def changes(
    annotations: Iterable[Annotation], measure: Measure, periods: Sequence[str]
) -> tuple[Mark, ...]:
    """The annotations of a measure that fall into its periods, in time order."""
    return tuple(
        Mark(periods.index(period), note.text, note.baseline, note.site)
        for note in sorted(annotations, key=lambda note: note.month)
        if note.measure in (None, measure.url)
        and (period := window.holding(note.month, measure.window)) in periods
    )
