"""What a policy would leave of some results: how many rates, and how far off they would be."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from service.disclosure.policy import Policy
from service.disclosure.protection import protect
from service.disclosure.published import Published
from service.disclosure.table import ELIGIBLE, MET, Group, Table


@dataclass(frozen=True)
class Simulation:
    """``points`` could be drawn, ``kept`` of them would be; errors are in percentage points."""

    points: int
    kept: int
    mean_error: float
    largest_error: float

    @property
    def share(self) -> float:
        """Of the points, those that are kept."""
        return self.kept / self.points if self.points else 0.0


def simulate(tables: Sequence[Table], policy: Policy, key: bytes) -> Simulation:
    """Protect the tables as a first release and compare the rates, group by group."""
    return measured(tables, protect(tables, policy, key))


def measured(tables: Sequence[Table], released: Sequence[Published]) -> Simulation:
    """Compare exact rates with those that releases of the same tables show."""
    pairs = [
        (exact, _shown(release, group.id))
        for table, release in zip(tables, released, strict=True)
        for group in table.groups
        if group.told and (exact := _exact(group)) is not None
    ]
    errors = [100 * abs(shown - exact) for exact, shown in pairs if shown is not None]
    mean, largest = (fmean(errors), max(errors)) if errors else (0.0, 0.0)
    return Simulation(len(pairs), len(errors), mean, largest)


def _exact(group: Group) -> float | None:
    counted = group.cells.get(MET, group.cells.get("numerator"))
    if counted is None or not group.cells.get(ELIGIBLE):
        return None
    return len(counted) / len(group.cells[ELIGIBLE])


def _shown(release: Published, group: str) -> float | None:
    code = MET if (group, MET) in release.cells else "numerator"
    above, below = release.cells[group, code], release.cells[group, ELIGIBLE]
    if not isinstance(above, int) or not isinstance(below, int) or not below:
        return None
    return min(above / below, 1.0)
