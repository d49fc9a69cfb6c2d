"""Backup and restore: all tables and the network's secrets in one file, of one moment.

The file is a ZIP: a JSON line a row, so that a backup of SQLite can be restored to PostgreSQL and
the other way round. It holds secrets and password hashes: keep it as you keep those.
"""

import base64
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile

from sqlalchemy import Connection, Table, func, insert, select, text

from service.errors import StoreError
from service.network.config import NetworkConfig
from service.network.database import SCHEMA, open_database
from service.network.keyring import COOKIES, RECEIPTS, open_keyring
from service.network.table import NetworkTable
from service.schema import FIRST

FORMAT = "weir network backup 1"
LEFT_OUT = ("turn", "sign_in")  # of this moment only
ROWS = 500  # inserted at once


def back_up(config: NetworkConfig, path: Path) -> dict[str, int]:
    """Write the backup to a new file; returns how many rows each table has.

    Raises StoreError when the file is there already or cannot be written.
    """
    engine = open_database(config.database)
    open_keyring(config.keys)  # made, if this network never ran
    partial = path.with_name(path.name + ".partial")
    try:
        opened = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        if path.exists():
            raise StoreError("there is a file already", where=str(path))
        snapshot = engine.execution_options(isolation_level=_SNAPSHOT[engine.dialect.name])
        with os.fdopen(opened, "wb") as file, snapshot.begin() as connection:
            counts = _write(connection, config.keys, file)
            file.flush()
            os.fsync(file.fileno())
        partial.rename(path)
    except OSError as error:
        raise StoreError("the backup cannot be written", where=str(path)) from error
    finally:
        partial.unlink(missing_ok=True)
        engine.dispose()
    return counts


def restore(config: NetworkConfig, path: Path) -> dict[str, int]:
    """Fill an empty database and an empty key folder from a backup; all or nothing.

    Raises StoreError when they are not empty, or the file is not a whole backup, or of tables of
    another version.
    """
    try:
        with ZipFile(path) as file:
            counts: dict[str, int] = _manifest(file)
            _restore_keys(file, config.keys)
            engine = open_database(config.database)
            try:
                with engine.begin() as connection:
                    _read(connection, file, counts)
            finally:
                engine.dispose()
    except (OSError, BadZipFile, KeyError, ValueError) as error:
        raise StoreError("this is not a whole backup", where=str(path)) from error
    return counts


_SNAPSHOT = {"sqlite": "SERIALIZABLE", "postgresql": "REPEATABLE READ"}


def _tables() -> list[Table]:
    ordered = NetworkTable.metadata.sorted_tables
    return [table for table in ordered if table.name not in LEFT_OUT]


def _write(connection: Connection, keys: Path, file: Any) -> dict[str, int]:
    counts = {}
    with ZipFile(file, "w", ZIP_DEFLATED) as packed:
        for table in _tables():
            with packed.open(f"tables/{table.name}.jsonl", "w", force_zip64=True) as rows:
                counts[table.name] = 0
                for row in connection.execute(select(table).order_by(*table.primary_key)):
                    rows.write(json.dumps(_packed(dict(row._mapping))).encode() + b"\n")
                    counts[table.name] += 1
        for name in (RECEIPTS, COOKIES):
            packed.writestr(f"keys/{name}", (keys / name).read_bytes())
        manifest = {"format": FORMAT, "schema": SCHEMA, "rows": counts}
        packed.writestr("manifest.json", json.dumps(manifest))
    return counts


def _manifest(file: ZipFile) -> dict[str, int]:
    told = json.loads(file.read("manifest.json"))
    if told.get("format") != FORMAT:
        raise ValueError("another format")
    if told.get("schema", FIRST) != SCHEMA:
        todo = "Restore it with the version of Weir that wrote it"
        raise StoreError("this backup is of another version of Weir's tables", todo=todo)
    return dict(told["rows"])


def _restore_keys(file: ZipFile, folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in (RECEIPTS, COOKIES):
        kept, path = file.read(f"keys/{name}"), folder / name
        if path.exists() and path.read_bytes() != kept:
            todo = "Restore to an empty folder of keys"
            raise StoreError("there are other keys already", where=str(path), todo=todo)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as written:
            written.write(kept)


def _read(connection: Connection, file: ZipFile, counts: Mapping[str, int]) -> None:
    for table in _tables():
        if connection.execute(select(func.count()).select_from(table)).scalar_one():
            todo = "Restore to an empty database"
            raise StoreError("the database is not empty", where=table.name, todo=todo)
        found = 0
        for rows in _batches(file, table.name):
            connection.execute(insert(table), rows)
            found += len(rows)
        if found != counts[table.name]:
            raise ValueError("rows are missing")
        _go_on_counting(connection, table)


def _batches(file: ZipFile, table: str) -> Iterator[list[dict[str, Any]]]:
    rows: list[dict[str, Any]] = []
    with file.open(f"tables/{table}.jsonl") as lines:
        for line in lines:
            row = _unpacked(json.loads(line))
            if table == "submission" and hashlib.sha256(row["body"]).hexdigest() != row["sha256"]:
                raise ValueError("a report is not what was received")
            rows.append(row)
            if len(rows) == ROWS:
                yield rows
                rows = []
    if rows:
        yield rows


def _go_on_counting(connection: Connection, table: Table) -> None:
    """PostgreSQL numbers rows by itself: go on after the highest that was restored."""
    column = table.autoincrement_column
    if connection.dialect.name != "postgresql" or column is None or column.foreign_keys:
        return
    highest = connection.execute(select(func.max(column))).scalar_one() or 0
    if highest:
        statement = text("SELECT setval(pg_get_serial_sequence(:table, :column), :highest)")
        connection.execute(
            statement, {"table": table.name, "column": column.name, "highest": highest}
        )


def _packed(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: {"base64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value
        for name, value in row.items()
    }


def _unpacked(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: base64.b64decode(value["base64"]) if isinstance(value, dict) else value
        for name, value in row.items()
    }
