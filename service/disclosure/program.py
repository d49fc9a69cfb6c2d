"""The linear program of an audit: what fits all that was said, and what nothing fits for."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import highspy
import numpy as np

from service.disclosure.mending import Numbers, Whole
from service.errors import DisclosureError

NODES = 100  # of a search tree, where the linear program's corner is not in whole numbers
DUAL = 1  # HiGHS simplex_strategy: the one that gives an argument where nothing fits
NOUGHT = 1e-9

# Programs here have no objective, so none is unbounded.
NOTHING_FITS = (
    highspy.HighsModelStatus.kInfeasible,
    highspy.HighsModelStatus.kUnboundedOrInfeasible,
)

GAVE_UP = (
    highspy.HighsModelStatus.kSolutionLimit,
    highspy.HighsModelStatus.kIterationLimit,
)


class Program:
    """Atoms, at least 0 each, whose sums are between bounds; and one quantity with a value.

    ``gave_up`` says that the last search ended before it was certain that nothing fits. Raises
    DisclosureError when the solver fails.
    """

    def __init__(self, matrix: Whole, low: Numbers, high: Numbers) -> None:
        self.gave_up = False
        self._rows, self._atoms = matrix.shape
        self._solver = _solver()
        for _ in range(self._atoms):
            self._solver.addVar(0, highspy.kHighsInf)
        for row in range(self._rows):
            self._sum(np.flatnonzero(matrix[row]).tolist(), low[row], high[row])

    def bound(self, row: int, low: float, high: float) -> None:
        """Other bounds for a sum."""
        self._solver.changeRowBounds(row, low, high)

    @contextmanager
    def about(self, atoms: Sequence[int]) -> Iterator[None]:
        """Within it, the quantity is the sum of these atoms."""
        self._sum(atoms, 0, highspy.kHighsInf)
        try:
            yield
        finally:
            self._solver.deleteRows(1, np.array([self._rows], dtype=np.int32))

    def at(self, value: int) -> Whole | None:
        """What fits when the quantity has this value, rounded; None when nothing does."""
        self._solver.changeRowBounds(self._rows, value, value)
        return self._run()

    def in_whole_numbers(self) -> Whole | None:
        """As `at`, of the same value, in whole numbers."""
        columns = np.arange(self._atoms, dtype=np.int32)
        kinds = (highspy.HighsVarType.kInteger, highspy.HighsVarType.kContinuous)
        integer, continuous = (np.full(self._atoms, kind.value, dtype=np.uint8) for kind in kinds)
        self._solver.changeColsIntegrality(self._atoms, columns, integer)
        try:
            return self._run()
        finally:
            self._solver.changeColsIntegrality(self._atoms, columns, continuous)

    def against(self) -> list[int]:
        """The sums that together leave no room for the value that was asked for last.

        Without any of them the same argument fails; without one that is not among them it holds.
        All of them where the solver gives no argument.
        """
        _, given, argument = self._solver.getDualRay()  # type: ignore[attr-defined]
        if not given:
            return list(range(self._rows))
        weights = np.abs(np.array(argument))[: self._rows]
        found: list[int] = np.flatnonzero(weights > NOUGHT).tolist()
        return found

    def _run(self) -> Whole | None:
        self.gave_up = False
        self._solver.run()
        status = self._solver.getModelStatus()
        if status in NOTHING_FITS:
            return None
        if status in GAVE_UP:
            self.gave_up = True  # what was not found may be there all the same
            return None
        if status != highspy.HighsModelStatus.kOptimal:
            raise failure(self._solver.modelStatusToString(status))
        table: Whole = np.rint(np.array(self._solver.getSolution().col_value)).astype(np.int64)
        return table

    def _sum(self, atoms: Sequence[int], low: float, high: float) -> None:
        ones = np.ones(len(atoms))
        high = min(high, highspy.kHighsInf)
        self._solver.addRow(low, high, len(atoms), np.array(atoms, dtype=np.int32), ones)


def failure(what: str) -> DisclosureError:
    """The audit cannot go on."""
    return DisclosureError(
        "the audit cannot be done, so nothing is released",
        where=f"HiGHS: {what}",
        todo="Run again; if it stays, send this line to the maintainers",
    )


def _solver() -> highspy.Highs:
    solver = highspy.Highs()  # type: ignore[no-untyped-call]
    settings = {
        "output_flag": False,
        "threads": 1,
        "random_seed": 0,
        "simplex_strategy": DUAL,
        "mip_max_nodes": NODES,
    }
    for name, value in settings.items():
        solver.setOptionValue(name, value)
    return solver
