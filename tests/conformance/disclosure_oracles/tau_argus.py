"""Tau-Argus, the statistical offices' program, as pytauargus builds it: tables in, its verdict out.

A table is given in the program's own JJ format: cells with what a reader knows of each before the
table is published, and sums that tie them together.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple


@dataclass(frozen=True)
class Cell:
    """One count: safe (published as it is), unsafe by itself, or hidden for another's sake.

    ``low`` and ``high`` bound it for every reader; ``protection`` is how far below and above the
    count a reader's interval must reach, at least.
    """

    count: int
    low: float
    high: float
    status: Literal["s", "u", "m"] = "s"
    protection: int = 0


class Sum(NamedTuple):
    """A cell that is the sum of others, by their numbers."""

    total: int
    parts: Sequence[int]


def also_hidden(cells: Sequence[Cell], sums: Sequence[Sum], folder: Path) -> set[int]:
    """The cells that it hides beside the unsafe ones, at the least total of hidden counts."""
    from pytauargus._tauargus import HiTaSCtrl

    result = folder / "suppressed.txt"
    table = str(_written(cells, sums, folder))
    with contextlib.chdir(folder):  # it leaves logs where it is started
        code = HiTaSCtrl().full_jj(in_file_jj=table, out_file=str(result), max_time=10)
    assert code == 0, f"tau-Argus gave up with code {code}"
    return {int(line.split()[0]) for line in result.read_text().splitlines() if line.strip()}


def intervals(
    cells: Sequence[Cell], sums: Sequence[Sum], folder: Path
) -> dict[int, tuple[float, float]]:
    """The least and greatest value that a reader of the table can reckon for each hidden cell."""
    from pytauargus._tauargus import audit_jj

    table = str(_written(cells, sums, folder))
    with contextlib.chdir(folder):
        found = audit_jj(table)
    return {each["cell"]: (each["min"], each["max"]) for each in found}


def _written(cells: Sequence[Cell], sums: Sequence[Sum], folder: Path) -> Path:
    lines = ["0", str(len(cells))]
    for number, cell in enumerate(cells):
        need = f"{cell.protection} {cell.protection} 0"
        bounds = f"{cell.low} {cell.high}"
        lines.append(f"{number} {cell.count} {cell.count} {cell.status} {bounds} {need}")
    lines.append(str(len(sums)))
    for total, parts in sums:
        terms = " ".join(f"{part} (1)" for part in parts)
        lines.append(f"0 {1 + len(parts)} : {total} (-1) {terms}")
    path = folder / "table.jj"
    path.write_text("\n".join(lines) + "\n")
    return path
