"""Whether every small quantity could be something else, for a reader who has every release.

For a quantity the audit looks for witnesses: whole numbers for all atoms that agree with all that
was said, one witness for each value that the quantity may have. It is safe when there are as many
values as the policy asks for. Most witnesses are found next to one that is known; where none is, a
linear program (HiGHS) proposes one or shows that there is none. Only what agrees in exact
whole-number arithmetic is taken for a witness: a wrong, tired or failing solver can stop a release,
and can never show a number.

The search has a budget of steps. Once they are spent, what is not proven is not safe.
"""

from collections.abc import Callable, Collection, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.disclosure.mending import Whole, mended
from service.disclosure.program import Program, failure
from service.disclosure.proof import Proof
from service.disclosure.system import Mask, System, bits

Find = Callable[[int], bool]  # for a value of a quantity: whether a witness was found

# A step is a move of the search in a system of this many numbers (sums times atoms), about 50
# microseconds. Steps are counted and not timed: the same data have the same outcome everywhere.
SIZE = 50_000
PROGRAM, TREE = 1_000, 5_000  # what a linear program, and one in whole numbers, cost in moves
LOOKS = 5  # quantities that are looked at again in the time of a step
STEPS = 2_000_000  # for releases that are weighed together: a minute or two


class Audit:
    """A system under audit. Statements can be hidden and shown again.

    Raises DisclosureError when the solver fails.
    """

    def __init__(self, system: System, candidates: int, threshold: int, steps: int = STEPS) -> None:
        self.system = system
        self.quantities = system.small(threshold)
        self.gave_up = False  # a witness was not found, and may be there all the same
        self.thorough = False  # whether to ask for whole numbers where that takes many seconds
        self._candidates = candidates
        self._left = steps
        self._hidden: set[int] = set()
        self._known: set[int] = set()
        self._rows = {mask: row for row, mask in enumerate(system.said)}
        self._matrix = _matrix(system)
        bounds = [self._bounds(mask) for mask in self._rows]
        self._low, self._high = np.array(bounds, dtype=np.float64).reshape(-1, 2).T.copy()
        self._truth = np.array(system.counts, dtype=np.int64)
        self._witnesses = self._truth[:, None]
        self._against: set[int] = set()  # rows: why the last quantity has no more values
        self._program = Program(self._matrix, self._low, self._high)

    @property
    def spent(self) -> bool:
        """Whether no step is left."""
        return self._left <= 0

    @property
    def witnesses(self) -> Whole:
        """Atoms x witnesses. Those that were kept from before a statement was made are taken back
        when it is hidden again."""
        return self._witnesses

    @witnesses.setter
    def witnesses(self, kept: Whole) -> None:
        self._witnesses = kept[:, self._agree(kept)]

    def hide(self, statement: int) -> None:
        """Take a statement back; every witness stays one."""
        self._hidden.add(statement)
        self._tell(self.system.statements[statement].mask)

    def show(self, statement: int) -> None:
        """Make a statement again; witnesses that contradict it are none any more."""
        self._hidden.discard(statement)
        self._tell(self.system.statements[statement].mask)
        self.witnesses = self._witnesses

    def narrow(self) -> Iterator[int]:
        """The quantities that have too few possible values, by number."""
        return (each for each in range(len(self.quantities)) if not self.safe(each))

    def safe(self, quantity: int) -> bool:
        """Whether the quantity of that number has enough possible values; looks for them."""
        values = self._values(quantity)
        if quantity in self._known or len(values) >= self._candidates:
            return True
        if self.spent:
            return False
        self._against.clear()
        if self._search(quantity, values, lambda value: self._beside(quantity, value)):
            return True
        with self._program.about(bits(self.quantities[quantity])):
            return self._search(quantity, values, lambda value: self._solved(quantity, value))

    def values(self, quantity: int) -> int:
        """How many values the quantity may have, at least; counting stops where the audit is
        satisfied."""
        self.safe(quantity)
        return len(self._values(quantity))

    def blamed(self, statement: int) -> bool:
        """Whether taking the statement back may help the quantity that was last not safe."""
        return self._rows[self.system.statements[statement].mask] in self._against

    def narrow_again(self) -> bool:
        """Whether some quantity is narrow now that all were safe before; looking takes steps."""
        self._left -= len(self.quantities) // LOOKS
        return any(True for _ in self.narrow())

    def ignore(self, quantities: Collection[int]) -> None:
        """Take these quantities, by number, for known: nothing can be done about them."""
        self._known |= set(quantities)

    def free(self, quantity: int, cells: Collection[int]) -> set[int]:
        """Hide all of ``cells`` that count one atom of a quantity. Returns what was hidden.

        Unless earlier releases count it, it may then have any size, and no search is needed.
        """
        told = self.system.statements
        about = {
            atom: {each for each in cells if told[each].mask >> atom & 1}
            for atom in bits(self.quantities[quantity])
        }
        gone: set[int] = set()
        for atom in sorted(about, key=lambda each: len(about[each])):
            for each in about[atom] - gone:
                self.hide(each)
            gone |= about[atom]
            sizes = np.zeros((len(self._truth), self._candidates), dtype=np.int64)
            sizes[atom] = np.arange(self._candidates)
            self.witnesses = np.concatenate([self._witnesses, self._truth[:, None] + sizes], axis=1)
            if self.safe(quantity):
                break
        return gone

    def proof(self) -> Proof:
        """What another can check the outcome with, without looking for anything."""
        if any(True for _ in self.narrow()):  # looks again for what was lost while trying
            raise failure("a quantity that was safe is not")
        examples = self.system.examples
        tables = self._witnesses.T.tolist()
        return Proof(
            tuple(dict(zip(examples, table, strict=True)) for table in tables),
            frozenset(
                frozenset(examples[i] for i in bits(self.quantities[each])) for each in self._known
            ),
        )

    def _values(self, quantity: int) -> set[int]:
        """Those that a witness is known for."""
        sizes = self._witnesses[bits(self.quantities[quantity])].sum(axis=0)
        return set(sizes.tolist())

    def _search(self, quantity: int, values: set[int], find: Find) -> bool:
        """Values next to the truth first, up and then down, until one cannot be found."""
        truth = int(self._truth[bits(self.quantities[quantity])].sum())
        for step in (1, -1):
            value = truth
            while len(values) < self._candidates and (value := value + step) >= 0:
                if value not in values and not find(value):
                    break
                values.add(value)
        return len(values) >= self._candidates

    def _beside(self, quantity: int, value: int) -> bool:
        """Find a witness near one that is known."""
        sizes = self._witnesses[bits(self.quantities[quantity])].sum(axis=0)
        nearest = int(np.argmin(np.abs(sizes - value)))
        return self._mended(self._witnesses[:, nearest], quantity, value)

    def _mended(self, table: Whole, quantity: int, value: int) -> bool:
        """Find a witness near a table in which the quantity has this value."""
        if self.spent:
            return False
        row = np.zeros((1, len(self._truth)))
        row[0, bits(self.quantities[quantity])] = 1
        told = np.isfinite(self._high)  # a row that is hidden says nothing
        rows = np.concatenate([self._matrix[told], row])
        low, high = (np.append(of[told], value) for of in (self._low, self._high))
        found, moves = mended(table, rows, low, high)
        self._spend(1 + moves)
        return found is not None and self._is_witness(found, quantity, value)

    def _solved(self, quantity: int, value: int) -> bool:
        """Ask the solver for a witness; where it finds none, note which rows are against it."""
        if self.spent:
            return False
        self._spend(PROGRAM)
        table = self._program.at(value)
        if table is None:
            self._against.update(self._program.against())
            return False
        if self._is_witness(table, quantity, value) or self._mended(table, quantity, value):
            return True
        table = self._in_whole_numbers()
        if table is None:
            self._against.update(self._about(quantity))
            return False
        if not self._is_witness(table, quantity, value):
            raise failure("what the solver proposes does not agree with what was told")
        return True

    def _in_whole_numbers(self) -> Whole | None:
        if self._matrix.size > SIZE and not self.thorough:
            self.gave_up = True
            return None
        self._spend(TREE)
        table = self._program.in_whole_numbers()
        self.gave_up |= self._program.gave_up
        return table

    def _about(self, quantity: int) -> Iterator[int]:
        """The rows that count some of the quantity."""
        atoms = self.quantities[quantity]
        return (row for mask, row in self._rows.items() if mask & atoms)

    def _is_witness(self, table: Whole, quantity: int, value: int) -> bool:
        """Keep the table, if it is a witness of this value."""
        fits = self._agree(table[:, None])[0]
        if not fits or table[bits(self.quantities[quantity])].sum() != value:
            return False
        self._witnesses = np.concatenate([self._witnesses, table[:, None]], axis=1)
        return True

    def _agree(self, tables: Whole) -> NDArray[np.bool_]:
        """Which columns agree with every statement that is made."""
        sums = self._matrix @ tables
        within = (sums >= self._low[:, None]) & (sums <= self._high[:, None])
        return np.asarray(within.all(axis=0) & (tables >= 0).all(axis=0))

    def _tell(self, mask: Mask) -> None:
        row, (low, high) = self._rows[mask], self._bounds(mask)
        self._low[row], self._high[row] = low, high
        self._program.bound(row, low, high)

    def _bounds(self, mask: Mask) -> tuple[int, float]:
        """What the statements that are made say of a sum; nothing, where all are hidden."""
        said = [each for each in self.system.said[mask] if each not in self._hidden]
        told = [self.system.statements[each] for each in said]
        least = max((each.low for each in told), default=0)
        return least, min((each.high for each in told), default=np.inf)

    def _spend(self, moves: int) -> None:
        self._left -= moves * (1 + self._matrix.size // SIZE)


def _matrix(system: System) -> Whole:
    """One row for each distinct sum that is said, one column for each atom."""
    rows: list[list[Any]] = [
        [mask >> i & 1 for i in range(len(system.counts))] for mask in system.said
    ]
    return np.array(rows, dtype=np.int64).reshape(len(rows), len(system.counts))
