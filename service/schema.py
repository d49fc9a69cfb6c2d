"""Of which version a database's tables are: looked at before anything in them is used.

A table is never changed in place. One that is missing is made; a database whose tables have other
columns, or mean something else by them, has another number, and is refused before it is touched.
"""

from sqlalchemy import Connection, MetaData, inspect, text

from service.errors import StoreError

NUMBER = "schema_version"  # a table of one row
FIRST = 1  # of databases that were made before the number was kept


def make_tables(connection: Connection, metadata: MetaData, version: int, name: str) -> None:
    """Make the tables that are missing, in an empty database or one of this version.

    Raises StoreError when it is of another version; then nothing in it is changed.
    """
    check_version(connection, metadata, version, name)
    connection.execute(text(f"CREATE TABLE IF NOT EXISTS {NUMBER} (version INTEGER PRIMARY KEY)"))
    if connection.execute(text(f"SELECT version FROM {NUMBER}")).first() is None:
        connection.execute(text(f"INSERT INTO {NUMBER} VALUES ({version})"))
    metadata.create_all(connection)


def check_version(connection: Connection, metadata: MetaData, version: int, name: str) -> None:
    """Raise StoreError when a database is of another version. Nothing is changed."""
    known = _version(connection, metadata, version)
    if known != version:
        raise _another(known, version, name)


def _version(connection: Connection, metadata: MetaData, version: int) -> int | None:
    """The number that is kept, or follows from what is there; None where none does."""
    inspector = inspect(connection)
    there = set(inspector.get_table_names())
    if NUMBER in there:
        kept = connection.execute(text(f"SELECT version FROM {NUMBER}")).scalar()
        return version if kept is None else int(kept)
    ours = [table for name, table in metadata.tables.items() if name in there]
    if not ours:
        return version  # it is empty
    same = all(
        {column["name"] for column in inspector.get_columns(table.name)} == {*table.columns.keys()}
        for table in ours
    )
    return FIRST if same else None


def _another(known: int | None, version: int, name: str) -> StoreError:
    what = f"{name} is of another version of Weir"
    where = f"its tables are {known or 'older than any number'}, this version's are {version}"
    todo = "Nothing in it was changed. "
    if known and known > version:
        todo += "Bring Weir up to date"
    else:
        todo += "Go on with the version that made it; CHANGELOG.md says how to upgrade"
    return StoreError(what, where=where, todo=todo)
