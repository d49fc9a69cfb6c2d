"""Whether every small quantity could be something else, for a reader who has every release.

For a quantity the audit looks for witnesses: whole numbers for all atoms that agree with all that
was said, one witness for each value that the quantity may have. It is safe when there are as many
values as the policy asks for. A linear program (HiGHS) proposes witnesses, and only what agrees in
exact whole-number arithmetic is taken for one: a wrong, tired or failing solver can stop a release,
and can never show a number.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial

import highspy
import numpy as np
from numpy.typing import NDArray

from service.disclosure.proof import Proof
from service.disclosure.system import Mask, Statement, System, bits
from service.errors import DisclosureError

Whole = NDArray[np.int64]
Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]
Find = Callable[[int, int], bool]  # for a quantity and a value: whether a witness was found
STARTS = 4  # known witnesses from which a step is tried
NODES = 100  # of a search tree, where the linear program's corner is not in whole numbers
PRIMAL = 4  # HiGHS simplex_strategy: only the quantity's row changes from one program to the next


# Programs here have no objective, so none is unbounded.
NOTHING_FITS = (
    highspy.HighsModelStatus.kInfeasible,
    highspy.HighsModelStatus.kUnboundedOrInfeasible,
)

GAVE_UP = (
    highspy.HighsModelStatus.kSolutionLimit,
    highspy.HighsModelStatus.kIterationLimit,
)


class Audit:
    """A system under audit. Statements can be hidden and shown again.

    Raises DisclosureError when the solver fails.
    """

    def __init__(self, system: System, candidates: int, threshold: int) -> None:
        self.system = system
        self.quantities = system.small(threshold)
        self._candidates = candidates
        self._hidden: set[int] = set()
        self._known: set[int] = set()
        self.gave_up = False
        self._matrix = _matrix(system, (each.mask for each in system.statements))
        self._sums = _matrix(system, self.quantities)
        self._truth = np.array(system.counts, dtype=np.int64)
        self._witnesses = self._truth.reshape(-1, 1)
        self._solver = _solver(system)

    def hide(self, statement: int) -> None:
        """Take a statement back; every witness stays one."""
        self._hidden.add(statement)
        self._solver.changeRowBounds(statement, 0, highspy.kHighsInf)

    def show(self, statement: int) -> None:
        """Make a statement again; witnesses that contradict it are none any more."""
        self._hidden.discard(statement)
        told = self.system.statements[statement]
        self._solver.changeRowBounds(statement, told.low, min(told.high, highspy.kHighsInf))
        self._witnesses = self._witnesses[:, self._agree(self._witnesses)]

    def narrow(self) -> Iterator[int]:
        """The quantities that have too few possible values, by number."""
        return (each for each in range(len(self.quantities)) if not self.safe(each))

    def safe(self, quantity: int) -> bool:
        """Whether the quantity of that number has enough possible values; looks for them."""
        weights = self._sums[quantity]
        values = set((weights @ self._witnesses).tolist())
        if quantity in self._known or len(values) >= self._candidates:
            return True
        if self._search(quantity, values, self._stepped):
            return True
        row = self._solver.getNumRow()
        atoms = bits(self.quantities[quantity])
        ones = np.ones(len(atoms))
        self._solver.addRow(0, 0, len(atoms), np.array(atoms, dtype=np.int32), ones)
        try:
            return self._search(quantity, values, partial(self._solved, row))
        finally:
            self._solver.deleteRows(1, np.array([row], dtype=np.int32))

    def values(self, quantity: int) -> int:
        """How many values the quantity may have; counting stops where the audit is satisfied."""
        self.safe(quantity)
        return len(set((self._sums[quantity] @ self._witnesses).tolist()))

    def ignore(self, quantities: Collection[int]) -> None:
        """Take these quantities, by number, for known: nothing can be done about them."""
        self._known |= set(quantities)

    def proof(self) -> Proof:
        """What another can check the outcome with, without looking for anything."""
        if any(True for _ in self.narrow()):  # looks again for what was lost while trying
            raise _failure("a quantity that was safe is not")
        examples = self.system.examples
        tables = self._witnesses.T.tolist()
        return Proof(
            tuple(dict(zip(examples, table, strict=True)) for table in tables),
            frozenset(
                frozenset(examples[i] for i in bits(self.quantities[each])) for each in self._known
            ),
        )

    def _search(self, quantity: int, values: set[int], find: Find) -> bool:
        """Values next to the truth first, up and then down, until one cannot be found."""
        truth = int(self._sums[quantity] @ self._truth)
        for step in (1, -1):
            value = truth
            while len(values) < self._candidates and (value := value + step) >= 0:
                if value not in values and not find(quantity, value):
                    break
                values.add(value)
        return len(values) >= self._candidates

    def _solved(self, row: int, quantity: int, value: int) -> bool:
        """Ask the solver for a witness in which the quantity, its last row, has this value."""
        self._solver.changeRowBounds(row, value, value)
        for propose in (self._proposed, self._in_whole_numbers):
            table = propose()
            if table is None:
                return False
            if self._agree(table)[0] and (self._sums[quantity] @ table)[0] == value:
                self._witnesses = np.concatenate([self._witnesses, table], axis=1)
                return True
        raise _failure("what the solver proposes does not agree with what was told")

    def _stepped(self, quantity: int, value: int) -> bool:
        """Find a witness next to one that is known: one more or fewer in an atom, and perhaps the
        reverse in another. Most are found so, without the solver."""
        weights, low, high = self._sums[quantity], *self._made()
        inside = np.flatnonzero(weights)
        outside = np.flatnonzero(weights == 0)
        values = weights @ self._witnesses
        near = np.flatnonzero(np.abs(values - value) == 1)
        for column in near[:STARTS]:
            step = int(value - values[column])
            known = self._witnesses[:, column]
            sums = self._matrix @ known
            for atom in inside[known[inside] + step >= 0]:
                one = (sums + step * self._matrix[:, atom])[:, None]
                others = outside[known[outside] - step >= 0]
                two = one - step * self._matrix[:, others]
                tried = np.concatenate([one, two], axis=1)
                fits: Flags = np.all((tried >= low) & (tried <= high), axis=0)
                if fits.any():
                    found = known.copy()
                    found[atom] += step
                    if not fits[0]:
                        found[others[int(np.argmax(fits)) - 1]] -= step
                    self._witnesses = np.concatenate(
                        [self._witnesses, found.reshape(-1, 1)], axis=1
                    )
                    return True
        return False

    def _proposed(self) -> Whole | None:
        """What the solver has to say, rounded: not yet a witness. None when nothing fits."""
        self._solver.run()
        status = self._solver.getModelStatus()
        if status in NOTHING_FITS:
            return None
        if status in GAVE_UP:
            self.gave_up = True  # what was not found may be there all the same
            return None
        if status != highspy.HighsModelStatus.kOptimal:
            raise _failure(self._solver.modelStatusToString(status))
        values = np.rint(np.array(self._solver.getSolution().col_value))
        table: Whole = values.astype(np.int64).reshape(-1, 1)
        return table

    def _in_whole_numbers(self) -> Whole | None:
        count = len(self.system.counts)
        columns = np.arange(count, dtype=np.int32)
        kinds = (highspy.HighsVarType.kInteger, highspy.HighsVarType.kContinuous)
        integer, continuous = (np.full(count, kind.value, dtype=np.uint8) for kind in kinds)
        self._solver.changeColsIntegrality(count, columns, integer)
        try:
            return self._proposed()
        finally:
            self._solver.changeColsIntegrality(count, columns, continuous)

    def _agree(self, tables: Whole) -> Flags:
        """Which columns agree with every statement that is made."""
        sums, (low, high) = self._matrix @ tables, self._made()
        within = (sums >= low) & (sums <= high)
        return np.asarray(within.all(axis=0) & (tables >= 0).all(axis=0))

    def _made(self) -> tuple[Numbers, Numbers]:
        """The bounds of every statement; one that is hidden says nothing."""
        told = enumerate(self.system.statements)
        bounds = [(0, np.inf) if i in self._hidden else (each.low, each.high) for i, each in told]
        both = np.array(bounds, dtype=np.float64).reshape(-1, 2)
        return both[:, :1], both[:, 1:]


def _failure(what: str) -> DisclosureError:
    return DisclosureError(
        "the audit cannot be done, so nothing is released",
        where=f"HiGHS: {what}",
        todo="Run again; if it stays, send this line to the maintainers",
    )


def _matrix(system: System, masks: Iterable[Mask]) -> Whole:
    rows = [[mask >> i & 1 for i in range(len(system.counts))] for mask in masks]
    return np.array(rows, dtype=np.int64).reshape(len(rows), len(system.counts))


def _solver(system: System) -> highspy.Highs:
    solver = highspy.Highs()  # type: ignore[no-untyped-call]
    settings = {
        "output_flag": False,
        "threads": 1,
        "random_seed": 0,
        "simplex_strategy": PRIMAL,
        "mip_max_nodes": NODES,
    }
    for name, value in settings.items():
        solver.setOptionValue(name, value)
    for _ in system.counts:
        solver.addVar(0, highspy.kHighsInf)
    for told in system.statements:
        _say(solver, told)
    return solver


def _say(solver: highspy.Highs, told: Statement) -> None:
    atoms: Sequence[int] = bits(told.mask)
    ones = np.ones(len(atoms))
    high = min(told.high, highspy.kHighsInf)
    solver.addRow(told.low, high, len(atoms), np.array(atoms, dtype=np.int32), ones)
