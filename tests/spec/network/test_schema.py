"""A network's database of another version of Weir is refused as it is opened, and not changed."""

import json
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest
from sqlalchemy import Engine, inspect, text

from service.errors import StoreError
from service.network.app import create_app
from service.network.backup import back_up, restore
from service.network.database import SCHEMA, open_database
from service.network.table import NetworkTable
from service.schema import NUMBER
from tests.spec.network.reports import network_config

# The columns of each number. Another column is another number, with what to do in CHANGELOG.md; a
# table more is not: it is made where it is missing.
COLUMNS = {
    1: {
        "account": "name role sites password disabled failures locked_until looked looked_before",
        "audit": "id at who what about detail",
        "enrolment": "id asked site name kid x use measures state decided decided_by",
        "entry": "id at by kind key measure site content taken_back",
        "envelope": "id sha256 signature key_id body",
        "group_counts": (
            "submission position name initial_population denominator denominator_exclusion "
            "denominator_exception numerator numerator_exclusion measure_population "
            "measure_population_exclusion eligible met"
        ),
        "ledger_head": "id site chain seq hash x received statement",
        "ledger_key": "id site x accepted",
        "ledger_new_chain": "id site chain accepted",
        "reader_token": "id label role sites digest expires revoked",
        "sign_in": "digest account expires",
        "site": "id name measures recipients",
        "site_key": "kid site x accepted expires revoked",
        "submission": (
            "id receipt received site measure period revision reason release_key key_id "
            "signature envelope sha256 body measure_version package mapping engine policy "
            "timezone scoring improvement verdict reasons rounding"
        ),
        "turn": "id taken",
    }
}


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    """A network's database as this version makes it."""
    made = open_database(database)
    yield made
    made.dispose()


def change(engine: Engine, *statements: str) -> dict[str, list[str]]:
    """Change a database by hand; the tables and columns that it has then."""
    with engine.begin() as connection:
        for each in statements:
            connection.execute(text(each))
    return tables(engine)


def tables(engine: Engine) -> dict[str, list[str]]:
    found = inspect(engine)
    return {t: [c["name"] for c in found.get_columns(t)] for t in found.get_table_names()}


def test_other_columns_have_another_number() -> None:
    made = NetworkTable.metadata.tables.items()
    assert {n: " ".join(t.columns.keys()) for n, t in made} == COLUMNS[SCHEMA]


def test_the_number_is_kept_once(engine: Engine, database: str) -> None:
    open_database(database).dispose()
    with engine.connect() as connection:
        assert connection.execute(text(f"SELECT version FROM {NUMBER}")).all() == [(SCHEMA,)]


@pytest.mark.parametrize(
    ("number", "todo"), [(SCHEMA + 1, "Bring Weir up to date"), (0, "the version that made it")]
)
def test_another_number_is_refused(engine: Engine, database: str, number: int, todo: str) -> None:
    before = change(engine, f"UPDATE {NUMBER} SET version = {number}", "DROP TABLE sign_in")
    with pytest.raises(StoreError, match="of another version of Weir") as refused:
        create_app(network_config(database))
    assert todo in str(refused.value) and str(SCHEMA) in str(refused.value)
    assert tables(engine) == before, "not even a table that is missing was made"


def test_from_before_the_number_it_is_taken_by_its_columns(engine: Engine, database: str) -> None:
    change(engine, f"DROP TABLE {NUMBER}", "DROP TABLE sign_in")
    open_database(database).dispose()
    assert {NUMBER, "sign_in"} <= tables(engine).keys(), "numbered, and whole"


def test_from_before_the_number_with_other_columns_it_is_refused(
    engine: Engine, database: str
) -> None:
    before = change(engine, f"DROP TABLE {NUMBER}", "ALTER TABLE enrolment DROP COLUMN use")
    with pytest.raises(StoreError, match="of another version of Weir") as refused:
        open_database(database)
    assert "CHANGELOG.md" in str(refused.value)
    assert tables(engine) == before


def test_a_backup_of_another_version_is_not_restored(database: str, tmp_path: Path) -> None:
    config = network_config(database, keys=tmp_path / "keys")
    back_up(config, tmp_path / "backup.zip")
    other = tmp_path / "other.zip"
    with ZipFile(tmp_path / "backup.zip") as whole, ZipFile(other, "w") as changed:
        for name in whole.namelist():
            told = whole.read(name)
            if name == "manifest.json":
                told = json.dumps(json.loads(told) | {"schema": SCHEMA + 1}).encode()
            changed.writestr(name, told)
    empty = network_config(f"sqlite:///{tmp_path}/empty.db", keys=tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="backup is of another version"):
        restore(empty, other)
    assert not (tmp_path / "empty.db").exists() and not (tmp_path / "elsewhere").exists()
