"""From one table of whole numbers to another near it, without a solver.

A weighted local search: always the step of one, up or down in one atom, that mends most of what is
out of bounds; where no step mends anything, what is out of bounds comes to weigh more. After
"feasibility jump" (B. Luteberget, G. Sartor, Mathematical Programming Computation 15, 2023).
"""

import numpy as np
from numpy.typing import NDArray

Whole = NDArray[np.int64]
Numbers = NDArray[np.float64]
MOVES = 400  # before a search is given up


def mended(table: Whole, rows: Numbers, low: Numbers, high: Numbers) -> tuple[Whole | None, int]:
    """A table whose sums are within the bounds, and how many moves it took to find; or None.

    ``table`` has n atoms, ``rows`` is m x n of 0 and 1, ``low`` and ``high`` have m entries.
    """
    found, sums, weights = table.astype(np.float64), rows @ table, np.ones(len(rows))
    for moves in range(MOVES):
        under, over = sums < low, sums > high
        wrong = under | over
        if not wrong.any():
            return found.astype(np.int64), moves
        more = (np.where(sums >= high, weights, 0) - np.where(under, weights, 0)) @ rows
        less = (np.where(sums <= low, weights, 0) - np.where(over, weights, 0)) @ rows
        less[found <= 0] = np.inf
        up, down = int(np.argmin(more)), int(np.argmin(less))
        if min(more[up], less[down]) >= 0:
            weights[wrong] += 1
            continue
        atom, step = (up, 1) if more[up] <= less[down] else (down, -1)
        found[atom] += step
        sums = sums + step * rows[:, atom]
    return None, MOVES
