"""What one request delivers: a single report, or a transaction Bundle of reports.

Each report keeps its exact bytes and its row, so that an error can say which one is meant. The
frame of a Bundle is closed like the reports in it: nothing of a patient fits into it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from service.errors import RefusedError
from service.measure.summary import SummaryReport, parse

MOST_REPORTS = 500
TODO = "Send one MeasureReport, or a transaction Bundle that creates MeasureReports"


class _Frame(msgspec.Struct, forbid_unknown_fields=True):
    pass


class _Request(_Frame):
    method: Literal["POST"]
    url: Literal["MeasureReport"]


class _Entry(_Frame):
    resource: msgspec.Raw
    request: _Request


class _Bundle(_Frame):
    resourceType: Literal["Bundle"]
    type: Literal["transaction"]
    entry: list[_Entry]


@dataclass(frozen=True)
class Row:
    """One report of a delivery, and where in the body it stands."""

    report: SummaryReport
    where: str

    def at(self, path: str) -> str:
        """The place of an element of this report, in FHIRPath."""
        return self.where + path.removeprefix("MeasureReport")


def single(body: bytes) -> Row:
    """The report that the whole body is; raises RefusedError."""
    return Row(parse(body), "MeasureReport")


def bundle(body: bytes) -> list[Row]:
    """The reports of a transaction; raises RefusedError that names the entry."""
    try:
        json.loads(body, object_pairs_hook=_distinct)
        framed = msgspec.json.decode(body, type=_Bundle)
    except (ValueError, RecursionError) as error:
        raise RefusedError("the body is not such a Bundle", where="Bundle", todo=TODO) from error
    if not 1 <= len(framed.entry) <= MOST_REPORTS:
        raise RefusedError(f"a Bundle has 1 to {MOST_REPORTS} entries", where="Bundle.entry")
    rows = [_row(bytes(entry.resource), at) for at, entry in enumerate(framed.entry)]
    if len({row.report.key for row in rows}) != len(rows):
        raise RefusedError("a report stands twice in the Bundle", where="Bundle.entry")
    return rows


def _row(body: bytes, at: int) -> Row:
    where = f"Bundle.entry[{at}].resource"
    try:
        return Row(parse(body), where)
    except RefusedError as error:
        place = (error.where or "").removeprefix("MeasureReport")
        told = where + (place if place.startswith((".", "[")) or not place else f" ({place})")
        raise RefusedError(error.what, where=told, todo=error.todo) from error


def _distinct(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """A key that stands twice could hide what it had first."""
    entries = dict(pairs)
    if len(entries) != len(pairs):
        raise ValueError("an element stands twice")
    return entries
