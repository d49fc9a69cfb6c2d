"""What a pull of changes changes: which patients, and which of what is nobody's own.

The tables live in a workbench: ``fresh``, what arrived (its latest versions); ``gone``, what was
deleted; ``old``, the store as it is; ``mine``, what it holds of those of whom something may be
different; ``pool``, what is nobody's own in it; and ``affected``, the patients of whom something is
different now.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from service.fhir.compartment import SHARED as SHARED_TYPES
from service.fhir.reference import parse_reference
from service.site.acquisition import AcquiredFile
from service.site.division import ROWS, load_records
from service.site.staging import SHARED, private
from service.site.store import Store

Key = tuple[str, str]  # type and id


class _Request(msgspec.Struct, frozen=True):
    method: str = ""
    url: str = ""


class _Entry(msgspec.Struct, frozen=True):
    request: _Request = _Request()


class _Bundle(msgspec.Struct, frozen=True):
    entry: list[_Entry] = []


def deletions(files: Iterable[AcquiredFile], base_url: str) -> Iterator[Key | None]:
    """What was deleted (http://hl7.org/fhir/uv/bulkdata/export.html#response---complete-status).

    None for each line or entry that does not say it so that it can be understood.
    """
    for file in files:
        with file.path.open("rb") as lines:
            for line in lines:
                if not line.isspace():
                    yield from _deleted(line, base_url)


def _deleted(line: bytes, base_url: str) -> Iterator[Key | None]:
    try:
        bundle = msgspec.json.decode(line, type=_Bundle)
    except (ValueError, RecursionError):
        yield None
        return
    for entry in bundle.entry:
        is_deletion = entry.request.method == "DELETE"
        yield parse_reference(entry.request.url, base_url) if is_deletion else None


def attach_store(work: Any, store: Store) -> None:
    """Make ``old`` and ``pool`` of a store."""
    work.execute("CREATE OR REPLACE TEMP TABLE replaced (id VARCHAR)")
    insert(work, "replaced", ([id] for id in sorted(store.replaced)))
    base = [file.path for file in store.files]
    layer = (
        f"read_parquet(['{store.layer.path}'])"
        if store.layer
        else f"read_parquet({base}) WHERE false"
    )
    columns = "patient, fingerprint, type, id, day, shared, json"
    work.execute(
        f"""
        CREATE OR REPLACE TEMP VIEW layered AS SELECT {columns} FROM {layer};
        CREATE OR REPLACE TEMP VIEW old AS
            SELECT {columns} FROM read_parquet({base}) ANTI JOIN replaced ON patient = replaced.id
            UNION ALL SELECT * FROM layered;
        CREATE OR REPLACE TEMP VIEW pool AS
            SELECT type, id, json FROM read_parquet(['{store.shared.path}'])
        """
    )


def insert(work: Any, table: str, rows: Iterable[list[str]]) -> None:
    """Add rows of texts to a table."""
    told = list(rows)
    if told:
        places = ", ".join("?" * len(told[0]))
        work.executemany(f"INSERT INTO {table} VALUES ({places})", told)


def find_affected(
    work: Any, folder: Path, gone: Iterable[Key], merged: Iterable[str], whole: Iterable[str]
) -> None:
    """Make ``fresh``, ``gone`` and ``affected``.

    ``merged`` are patients whom others replace, and those others; ``whole`` are patients of whom
    everything arrived, so that whatever else the store has of them is gone.
    """
    load_records(work, folder, 0, ())
    work.execute("CREATE OR REPLACE TEMP TABLE fresh AS FROM record")
    load_records(work, folder, SHARED, ())
    work.execute("INSERT INTO fresh FROM record")
    work.execute("CREATE OR REPLACE TEMP TABLE gone (type VARCHAR, id VARCHAR)")
    insert(work, "gone", (list(key) for key in gone))
    _find_left(work, whole)
    work.execute("CREATE OR REPLACE TEMP TABLE merged (id VARCHAR)")
    insert(work, "merged", ([id] for id in merged))
    work.execute(
        """
        -- what is nobody's own, and another thing now: changed, deleted, or somebody's own
        CREATE OR REPLACE TEMP TABLE other AS
            SELECT type, id FROM fresh ANTI JOIN pool USING (type, id, json) WHERE patient IS NULL
            UNION SELECT type, id FROM gone
            UNION SELECT type, id FROM fresh WHERE patient IS NOT NULL;
        CREATE OR REPLACE TEMP TABLE touched AS
            SELECT type, id FROM fresh UNION SELECT type, id FROM gone;
        -- a first look at the keys alone: nearly all of the store is in its texts
        CREATE OR REPLACE TEMP TABLE near AS
            SELECT patient AS id FROM old SEMI JOIN touched USING (type, id)
            UNION SELECT patient FROM fresh WHERE patient IS NOT NULL
            UNION SELECT id FROM merged;
        CREATE OR REPLACE TEMP TABLE mine AS FROM old SEMI JOIN near ON patient = near.id;
        CREATE OR REPLACE TEMP TABLE held AS
            SELECT patient, type, id, shared, json FROM mine SEMI JOIN touched USING (type, id);
        CREATE OR REPLACE TEMP TABLE changed AS
            SELECT patient, type, id
            FROM fresh ANTI JOIN (FROM held WHERE NOT shared) USING (patient, type, id, json)
            WHERE patient IS NOT NULL;
        CREATE OR REPLACE TEMP TABLE affected AS
            SELECT patient AS id FROM changed
            UNION SELECT patient FROM held SEMI JOIN changed USING (type, id)
            UNION SELECT patient FROM held SEMI JOIN other USING (type, id) WHERE shared
            UNION SELECT patient FROM held SEMI JOIN gone USING (type, id)
            UNION SELECT held.patient FROM held JOIN fresh USING (type, id)
                WHERE NOT held.shared AND fresh.patient IS NULL
            UNION SELECT id FROM merged
        """
    )


def _find_left(work: Any, whole: Iterable[str]) -> None:
    """Add to ``gone`` what the store has of these patients and did not arrive.

    Of types that are searched by patient: the others arrive only where something refers to them.
    """
    work.execute(
        """
        INSERT INTO gone
        SELECT type, id FROM old ANTI JOIN fresh USING (type, id)
        WHERE NOT shared AND patient IN (SELECT unnest(?::VARCHAR[]))
            AND type NOT IN (SELECT unnest(?::VARCHAR[]))
        """,
        [sorted(whole), sorted(SHARED_TYPES)],
    )


def write_kept(work: Any, folder: Path) -> list[AcquiredFile]:
    """Write what stays of the affected patients, and of what is nobody's own, to files by type."""
    work.execute(
        """
        CREATE OR REPLACE TEMP TABLE stays AS
            SELECT type, json FROM mine ANTI JOIN touched USING (type, id)
            WHERE NOT shared AND patient IN (SELECT id FROM affected)
            UNION ALL SELECT type, json FROM pool ANTI JOIN touched USING (type, id)
        """
    )
    names = work.execute("SELECT DISTINCT type FROM stays ORDER BY type").fetchall()
    files = []
    for (type_name,) in names:
        path = folder / f"kept-{type_name}.ndjson"
        rows = work.execute("SELECT json FROM stays WHERE type = ?", [type_name])
        lines = 0
        with private(path) as file:
            while some := rows.fetchmany(ROWS):
                file.write(b"".join(json.encode() + b"\n" for (json,) in some))
                lines += len(some)
        files.append(AcquiredFile(path, type_name, lines))
    return files


def unaffected(work: Any) -> list[tuple[int, int]]:
    """Range and line of what arrived and is of patients of whom nothing is different."""
    found = work.execute(
        "SELECT part, line FROM fresh WHERE patient IS NOT NULL "
        "AND patient NOT IN (SELECT id FROM affected)"
    )
    return list(found.fetchall())
