"""A site's bookkeeping of another version of Weir is refused as it is opened, and not changed."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from service.errors import StoreError
from service.schema import NUMBER
from service.site import audit, history, outbox, tokens, withdrawing
from service.site.database import SCHEMA, SiteTable, open_database

MODELS = (audit, history, outbox, tokens, withdrawing)  # importing them defines the tables

# The columns of each number. Another column is another number, with what to do in CHANGELOG.md; a
# table more is not: it is made where it is missing.
COLUMNS = {
    1: {
        "access_token": "id label digest created expires revoked",
        "audit_entry": (
            "id at operation action outcome token label measure report_type period subject"
        ),
        "dispatch": "id key measure period number content body sha256 status attempts note",
        "historyentry": (
            "id key network policy measure version first_day last_day content body told marks "
            "counted withdrawn"
        ),
        "proposed_withdrawal": "key token label at",
    }
}


def change(data_dir: Path, *statements: str) -> str:
    """Change site.db by hand; the tables that it has then."""
    with closing(sqlite3.connect(data_dir / "site.db", isolation_level=None)) as connection:
        for each in statements:
            connection.execute(each)
        told = connection.execute("SELECT sql FROM sqlite_master ORDER BY name").fetchall()
    return str(told)


def test_other_columns_have_another_number() -> None:
    made = SiteTable.metadata.tables.items()
    assert {n: " ".join(t.columns.keys()) for n, t in made} == COLUMNS[SCHEMA]


def test_the_number_is_kept(tmp_path: Path) -> None:
    for _ in range(2):
        open_database(tmp_path).dispose()
    with closing(sqlite3.connect(tmp_path / "site.db")) as connection:
        assert connection.execute(f"SELECT version FROM {NUMBER}").fetchall() == [(SCHEMA,)]


@pytest.mark.parametrize(
    ("number", "todo"), [(SCHEMA + 1, "Bring Weir up to date"), (0, "the version that made it")]
)
def test_another_number_is_refused(tmp_path: Path, number: int, todo: str) -> None:
    open_database(tmp_path).dispose()
    before = change(tmp_path, f"UPDATE {NUMBER} SET version = {number}", "DROP TABLE dispatch")
    with pytest.raises(StoreError, match="of another version of Weir") as refused:
        open_database(tmp_path)
    assert todo in str(refused.value)
    assert change(tmp_path) == before, "not even a table that is missing was made"


def test_from_before_the_number_it_is_taken_by_its_columns(tmp_path: Path) -> None:
    open_database(tmp_path).dispose()
    change(tmp_path, f"DROP TABLE {NUMBER}", "DROP TABLE dispatch")
    open_database(tmp_path).dispose()
    assert NUMBER in change(tmp_path) and "dispatch" in change(tmp_path)


def test_from_before_the_number_with_other_columns_it_is_refused(tmp_path: Path) -> None:
    open_database(tmp_path).dispose()
    lacks = "ALTER TABLE historyentry DROP COLUMN withdrawn"
    before = change(tmp_path, f"DROP TABLE {NUMBER}", lacks)
    with pytest.raises(StoreError, match="of another version of Weir"):
        open_database(tmp_path)
    assert change(tmp_path) == before
