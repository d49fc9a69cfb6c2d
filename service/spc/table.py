"""Anyone's table as subgroups: a row a period (or a unit, or a case), read strictly.

Columns ``period`` and ``numerator``, ``denominator`` where the chart has one, and, if wanted,
``provisional`` (yes or no) and ``excluded`` (why); other columns are left alone. An empty
numerator is a missing point, never zero; so are the words ``suppressed``, ``missing`` and ``not
computable``, each for itself.
"""

import csv
import re
from collections.abc import Iterable, Mapping, Sequence

from service.errors import ChartError
from service.spc.kind import Kind
from service.spc.point import State
from service.spc.subgroup import Subgroup

LEAST, MOST = 1e-9, 1e15  # beyond these it is a slip, and sums of squares would overflow
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
GAPS = {str(state): state for state in State if state is not State.NUMBER} | {"": State.MISSING}
YES, NO = {"yes", "true", "1"}, {"", "no", "false", "0"}


def read_table(lines: Iterable[str], kind: Kind) -> list[Subgroup]:
    """The rows below the header; an error names the row, counted from 1.

    Raises ChartError for a table that cannot be read without guessing.
    """
    rows = _cells(lines)
    if not rows:
        raise ChartError("The table is empty", todo="Give period,numerator,denominator")
    header = [name.strip().lower() for name in rows[0]]
    _check_header(header, kind)
    return [_subgroup(header, cells, number) for number, cells in enumerate(rows[1:], start=1)]


def _cells(lines: Iterable[str]) -> list[list[str]]:
    """Rows of cells, parted by the comma, semicolon or tab that the header shows."""
    text = [line for line in lines if line.strip()]
    if not text:
        return []
    separator = next((own for own in (",", ";", "\t") if own in text[0]), ",")
    try:
        return list(csv.reader(text, delimiter=separator, strict=True))
    except csv.Error as error:
        raise ChartError(f"The table is no CSV: {error}") from None


def _check_header(header: Sequence[str], kind: Kind) -> None:
    wanted = ["period", "numerator", *(["denominator"] if kind.denominator else [])]
    for name in wanted:
        if name not in header:
            todo = f"Name the columns {', '.join(wanted)} in the first line"
            raise ChartError(f"There is no column {name}", where="header", todo=todo)
    for name in ("period", "numerator", "denominator", "provisional", "excluded"):
        if header.count(name) > 1:
            raise ChartError(f"There is more than one column {name}", where="header")


def _subgroup(header: Sequence[str], cells: Sequence[str], number: int) -> Subgroup:
    where = f"row {number}"
    if len(cells) != len(header):
        todo = "Write numbers without separators between thousands"
        raise ChartError(
            f"The row has {len(cells)} cells, and the header {len(header)}", where=where, todo=todo
        )
    row = {name: cell.strip() for name, cell in zip(header, cells, strict=True)}
    if not row["period"]:
        raise ChartError("The period is empty", where=where)
    state, numerator, denominator = _counts(row, where)
    return Subgroup(
        period=row["period"],
        numerator=numerator,
        denominator=denominator,
        state=state,
        provisional=_flag(row.get("provisional", ""), where),
        excluded=row.get("excluded") or None,
    )


def _counts(row: Mapping[str, str], where: str) -> tuple[State, float | None, float | None]:
    """A gap in either count is a gap of the row: there is no rate without both."""
    texts = {name: row.get(name, "") for name in ("numerator", "denominator")}
    gaps = [GAPS.get(text.lower()) for text in texts.values() if text]
    gap = next((gap for gap in gaps if gap is not None), None)
    if gap is None and not texts["numerator"]:
        gap = State.MISSING
    numbers = {
        name: None if text.lower() in GAPS else _number(text, name, where)
        for name, text in texts.items()
    }
    if gap is not None:
        return gap, None, numbers["denominator"] or None
    return State.NUMBER, numbers["numerator"], numbers["denominator"]


def _number(text: str, column: str, where: str) -> float:
    if not NUMBER.fullmatch(text):
        todo = "Leave the cell empty for a missing point, or write: suppressed"
        raise ChartError(f"The {column} is not a number", where=where, todo=todo)
    number = float(text)
    if number and not LEAST <= abs(number) <= MOST:
        raise ChartError(f"The {column} is too large or too near zero to chart", where=where)
    return number


def _flag(text: str, where: str) -> bool:
    if text.lower() not in YES | NO:
        raise ChartError("Provisional is yes or no", where=where)
    return text.lower() in YES
