"""The site's bookkeeping in one SQLite file: tokens, the audit log and the outbox.

It never holds a record of a patient; those live in the local store.
"""

import os
import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import registry
from sqlmodel import SQLModel, create_engine

from service.errors import StoreError
from service.schema import check_version, make_tables

# Another number for other columns, or another meaning of them; not for a table more.
SCHEMA = 1
NAME = "the site's bookkeeping"
BUSY_SECONDS = 30


class SiteTable(SQLModel, registry=registry()):
    """Base of the site's tables; a registry of their own keeps the network's tables out."""


def open_database(data_dir: Path) -> Engine:
    """Open `data_dir/site.db`, readable by its owner only; make it and its tables if need be.

    Every transaction begins IMMEDIATE, so one that reads and then writes cannot lose its place
    to another process half-way. Keep transactions short: no call out inside one.

    Raises StoreError when the file cannot be opened, is not a database, or is of another version.
    """
    path = data_dir / "site.db"
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": BUSY_SECONDS})
        event.listen(engine, "connect", _configure)
        event.listen(engine, "begin", _begin)
        try:
            with engine.begin() as connection:
                make_tables(connection, SiteTable.metadata, SCHEMA, NAME)
        except StoreError:
            engine.dispose()
            raise
    except (OSError, DatabaseError) as error:
        raise _unusable(path) from error
    return engine


def check_database(data_dir: Path) -> None:
    """Raise StoreError as `open_database` does, for a file that is there; nothing is changed."""
    path = data_dir / "site.db"
    if not path.exists():
        return
    # Immutable: SQLite then makes no files beside it, nor needs a lock.
    address = f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1"
    engine = create_engine("sqlite://", creator=lambda: sqlite3.connect(address, uri=True))
    try:
        with engine.connect() as connection:
            check_version(connection, SiteTable.metadata, SCHEMA, NAME)
    except DatabaseError as error:
        raise _unusable(path) from error
    finally:
        engine.dispose()


def _unusable(path: Path) -> StoreError:
    return StoreError(
        f"{NAME} cannot be opened",
        where=str(path),
        todo="Check the folder's owner, its free space and that the file is a database",
    )


def _configure(connection: Any, record: object) -> None:
    """Prepare a new sqlite3 connection: readers never block, commits survive a power cut."""
    connection.isolation_level = None  # we begin transactions ourselves, see _begin
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
