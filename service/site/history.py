"""Everything that this site ever released, and whom it was about: what protection is weighed by.

One history serves all networks of a site. Patients are in it as keyed marks, which tell nobody
without the site's rounding key who they are. Nothing is ever deleted from it.
"""

import json
import struct
import zlib
from calendar import monthrange
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property

from sqlalchemy import Engine
from sqlmodel import Field, Session, col, select

from service.disclosure import Hidden, Mark, Name, Published, Reading
from service.errors import StoreError
from service.measure.completeness import Completeness
from service.measure.summary import parse
from service.site.database import SiteTable

MARKS = struct.Struct(">QQ")


class HistoryEntry(SiteTable, table=True):
    """One release: its bytes, how its numbers are read, and the marks of whom they count.

    ``told`` is JSON; ``marks`` are the members and for each the cells that it is in, compressed.
    ``counted`` is False for a release without counts, ``withdrawn`` True for one that took earlier
    numbers back.
    """

    id: int | None = Field(default=None, primary_key=True)
    key: str = Field(unique=True)
    network: str = Field(index=True)
    policy: str
    measure: str
    version: str
    first_day: str
    last_day: str
    content: str
    body: bytes
    told: str
    marks: bytes
    counted: bool
    withdrawn: bool = False


@dataclass(frozen=True)
class Remembered:
    """One release as it was made."""

    key: str
    policy: str  # hash
    content: str
    body: bytes
    published: Published
    counted: bool
    withdrawn: bool = False

    @cached_property
    def last_day(self) -> date:
        """The last day on which it can have been made: a report states the month alone."""
        first = date.fromisoformat(f"{parse(self.body).month}-01")
        return first.replace(day=monthrange(first.year, first.month)[1])

    @cached_property
    def completeness(self) -> Completeness:
        """The verdict that was told."""
        return parse(self.body).summary.completeness


class History:
    """All releases of a site, of all networks, the oldest first."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def all(self) -> list[Remembered]:
        """Every release. Raises StoreError when one of them cannot be read."""
        with Session(self._engine) as session:
            rows = session.exec(select(HistoryEntry).order_by(col(HistoryEntry.id))).all()
            return [_remembered(row) for row in rows]

    def append(self, release: Remembered) -> None:
        """Remember a release before it is sent; one that is remembered already is left alone."""
        with Session(self._engine) as session, session.begin():
            known = select(HistoryEntry.id).where(HistoryEntry.key == release.key)
            if session.exec(known).first() is None:
                session.add(_entry(release))


def _entry(release: Remembered) -> HistoryEntry:
    published = release.published
    told = {
        "reading": [published.reading.threshold, published.reading.base, published.reading.method],
        "cells": [
            [*name, cell if isinstance(cell, int) else None]
            for name, cell in published.cells.items()
        ],
    }
    return HistoryEntry(
        key=release.key,
        network=published.network,
        policy=release.policy,
        measure=published.measure,
        version=published.version,
        first_day=published.period[0].isoformat(),
        last_day=published.period[1].isoformat(),
        content=release.content,
        body=release.body,
        told=json.dumps(told),
        marks=_packed(list(published.members.values())),
        counted=release.counted,
        withdrawn=release.withdrawn,
    )


def _remembered(row: HistoryEntry) -> Remembered:
    try:
        told = json.loads(row.told)
        cells = {(g, c): Hidden.SUPPRESSED if n is None else int(n) for g, c, n in told["cells"]}
        members = _unpacked(row.marks, list(cells))
        threshold, base, method = told["reading"]
        published = Published(
            row.network,
            row.measure,
            row.version,
            (date.fromisoformat(row.first_day), date.fromisoformat(row.last_day)),
            Reading(threshold, base, method),
            cells,
            members,
        )
    except (ValueError, KeyError, zlib.error, struct.error) as error:
        raise StoreError(
            "the history of releases cannot be read",
            where=f"site.db, release {row.key}",
            todo="Restore site.db from the backup; without its history nothing is released",
        ) from error
    return Remembered(
        row.key, row.policy, row.content, row.body, published, row.counted, row.withdrawn
    )


def _packed(cells: Sequence[frozenset[Mark]]) -> bytes:
    """The marks in order, then for each the cells that it is in as a little bit field."""
    within: dict[Mark, int] = {}
    for i, members in enumerate(cells):
        for mark in members:
            within[mark] = within.get(mark, 0) | 1 << i
    width = -(-len(cells) // 8)
    records = (MARKS.pack(*mark) + within[mark].to_bytes(width) for mark in sorted(within))
    return zlib.compress(b"".join(records))


def _unpacked(packed: bytes, names: Sequence[Name]) -> Mapping[Name, frozenset[Mark]]:
    data, width = zlib.decompress(packed), -(-len(names) // 8)
    step = MARKS.size + width
    cells: list[set[Mark]] = [set() for _ in names]
    for at in range(0, len(data), step):
        mark = Mark(*MARKS.unpack_from(data, at))
        where = int.from_bytes(data[at + MARKS.size : at + step])
        for i, cell in enumerate(cells):
            if where >> i & 1:
                cell.add(mark)
    return {name: frozenset(cell) for name, cell in zip(names, cells, strict=True)}
