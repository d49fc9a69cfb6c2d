"""The network's database: its tables, and what they refuse.

What was received, what people entered and the audit are only ever added to. Triggers in the
database itself refuse to change or delete such a row, so that history can be restated but not
rewritten.
"""

from typing import Any

from sqlalchemy import Engine, event, text
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import create_engine

from service.errors import ConfigError, StoreError
from service.network import audit, enrolment, entry, heads, roster, submission
from service.network.people import account, token
from service.network.table import NetworkTable
from service.schema import make_tables

# Another number for other columns, or another meaning of them; not for a table more.
SCHEMA = 1
BUSY_SECONDS = 30
MODELS = (
    audit,
    enrolment,
    entry,
    heads,
    roster,
    submission,
    account,
    token,
)  # importing them defines the tables
ONLY_ADDED = (
    "submission",
    "group_counts",
    "envelope",
    "entry",
    "audit",
    "ledger_head",
    "ledger_new_chain",
    "ledger_key",
)

_SQLITE = """
CREATE TRIGGER IF NOT EXISTS {table}_{verb}_refused BEFORE {verb} ON "{table}"
BEGIN SELECT RAISE(ABORT, 'what was received or recorded is never changed or deleted'); END
"""
_POSTGRESQL_REFUSAL = """
CREATE OR REPLACE FUNCTION weir_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'what was received or recorded is never changed or deleted'; END $$
"""
_POSTGRESQL = """
CREATE OR REPLACE TRIGGER {table}_refused
BEFORE UPDATE OR DELETE OR TRUNCATE ON "{table}" EXECUTE FUNCTION weir_refuse()
"""
FIRST_TURN = "INSERT INTO turn (id, taken) VALUES (1, 0) ON CONFLICT DO NOTHING"
REFUSALS = {
    "sqlite": [
        _SQLITE.format(table=table, verb=verb)
        for table in ONLY_ADDED
        for verb in ("update", "delete")
    ],
    "postgresql": [
        _POSTGRESQL_REFUSAL,
        *(_POSTGRESQL.format(table=table) for table in ONLY_ADDED),
    ],
}


def open_database(url: str) -> Engine:
    """Connect to the database at ``url`` (SQLAlchemy's form) and make its tables if need be.

    Raises ConfigError for a URL that names no known kind of database, StoreError when the
    database cannot be used or is of another version. Neither shows the URL, which may hold a
    password.
    """
    engine = connect(url)
    try:
        with engine.begin() as connection:
            make_tables(connection, NetworkTable.metadata, SCHEMA, "the network's database")
            for statement in (*REFUSALS[engine.dialect.name], FIRST_TURN):
                connection.execute(text(statement))
    except StoreError:
        engine.dispose()
        raise
    except (SQLAlchemyError, OSError) as error:
        todo = "Check that it runs, that the account may make tables, and its free space"
        raise StoreError("the network's database cannot be used", todo=todo) from error
    return engine


def connect(url: str) -> Engine:
    """The engine for a URL; raises ConfigError when it names no known kind of database."""
    try:
        # Parameters stay out of error texts: they are the bodies of reports.
        engine = create_engine(url, hide_parameters=True, pool_pre_ping=True)
        REFUSALS[engine.dialect.name]
    except (SQLAlchemyError, ModuleNotFoundError, KeyError) as error:
        todo = "Use sqlite:///FILE, or postgresql+pg8000://USER@HOST/NAME with weir[postgres]"
        raise ConfigError(
            "the database's URL cannot be used", where="database", todo=todo
        ) from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _configure_sqlite)
    return engine


def _configure_sqlite(connection: Any, record: object) -> None:
    """Readers never block, a commit survives a power cut, writers wait for each other."""
    busy = f"busy_timeout = {BUSY_SECONDS * 1000}"
    for pragma in ("journal_mode = WAL", "synchronous = FULL", busy):
        connection.execute(f"PRAGMA {pragma}")
