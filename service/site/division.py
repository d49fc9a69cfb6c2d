"""One division of the patients: from its tables of records to its part of the store.

The database does what takes more than looking at one record: it keeps the latest version of each
resource, finds whose patient is missing, follows references to resources that are nobody's own, and
sorts by patient.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from service.site.contained import BETWEEN
from service.site.quarantine import Entry, quoted
from service.site.record_text import LONGEST
from service.site.staging import SHARED, private
from service.site.verdict import Fault

ROWS = 1000  # read at a time
TSV = "delim='\t', quote='', escape='', header=false, auto_detect=false, new_line='\\n'"
RECORD = (
    "{part: 'INT', line: 'BIGINT', type: 'VARCHAR', id: 'VARCHAR', patient: 'VARCHAR', "
    "updated: 'VARCHAR', day: 'VARCHAR', json: 'VARCHAR'}"
)
REFERENCE = "{part: 'INT', line: 'BIGINT', type: 'VARCHAR', id: 'VARCHAR'}"
FINGERPRINT = "hash(type, id, json)"
# No text comes twice in the column that is nearly all of a part.
PART = (
    "COMPRESSION zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE 20000, "
    "STRING_DICTIONARY_PAGE_SIZE_LIMIT 100000"
)
# Of two versions of a resource the one that was changed last stays, or else the one read last.
CHANGED = "try_cast(updated AS TIMESTAMPTZ)"
VERSION = f"(coalesce({CHANGED}, '-infinity'), part, line)"
WHEN = "CASE WHEN day >= $recent THEN day ELSE left(day, 7) END"
LIFTED = f"^([A-Z][A-Za-z]+{BETWEEN}.+){BETWEEN}.+$"  # what was contained has its holder's name
UNDATED = -1  # microseconds of a version of which nothing tells when it was changed
Place = tuple[int, int]  # range and line
Dated = tuple[str, str, int]  # type, day or month, and how many
Counts = dict[str, Counter[str]]  # by type and month or day


class Divided(msgspec.Struct, frozen=True):
    """What a division came to: resources by type, patients, records of unknown patients by range,
    those patients' ids, records by type and day, or month where they are older than the days that
    are counted, and by type how many resources are ``undecided`` (see `load_records`)."""

    resources: dict[str, int]
    patients: int
    strangers: dict[int, int]
    absent: list[str]
    days: list[Dated]
    undecided: dict[str, int]


class Shared(msgspec.Struct, frozen=True):
    """What is nobody's own: resources by type, and how many of them are undecided."""

    resources: dict[str, int]
    undecided: dict[str, int]

    def without(self, resources: Counter[str]) -> "Shared":
        """The same without some of its resources."""
        left = Counter(self.resources) - resources
        return Shared(dict(left), self.undecided)


@contextmanager
def workbench(
    folder: Path, memory: str = "1GB", threads: int | None = None, kept: str = "0MB"
) -> Iterator[Any]:
    """A database in memory that keeps within its limits and reaches nothing but its folder.

    It keeps ``kept`` of the memory that it gives up, to use it again.
    """
    config: dict[str, Any] = {
        "memory_limit": memory,
        "temp_directory": str(folder / "spill"),
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "block_allocator_memory": kept,
    } | ({"threads": threads} if threads else {})
    with duckdb.connect(config=config) as work:
        yield work


def divide(
    work: Any, folder: Path, number: int, recent: str, leave_out: Iterable[Place] = ()
) -> Divided:
    """Write ``part-<number>.parquet`` in the folder, ordered by patient.

    Records are counted by day from ``recent`` on (YYYY-MM-DD).

    Beside it: ``key-<number>.parquet``, a hash of the type and id of each resource, and
    ``nowhere-<number>.parquet``, what is referred to and not in the division. Needs
    ``shared.parquet`` and ``lead.parquet`` (see `gather_shared`).
    """
    (folder / f"strangers-{number}.ndjson").unlink(missing_ok=True)  # when all is divided again
    undecided = load_records(work, folder, number, leave_out)
    work.execute("CREATE OR REPLACE TABLE patient AS SELECT id FROM record WHERE type = 'Patient'")
    absent = _absent(work)
    strangers = _set_aside_strangers(work, folder / f"strangers-{number}.ndjson") if absent else {}
    _note_references(work, folder, number)
    _attach(work, folder)
    _write(work, folder, number)
    counted = work.execute(
        f"SELECT type, {WHEN}, sum(records) FROM "
        "(SELECT type, day, count(*) AS records FROM record GROUP BY type, day) "
        "GROUP BY ALL ORDER BY ALL",
        {"recent": recent},
    ).fetchall()
    resources = merged({name: count} for name, _, count in counted)
    days = [row for row in counted if row[1]]
    patients = resources.get("Patient", 0)
    return Divided(resources, patients, strangers, absent, days, undecided)


def clear(work: Any) -> None:
    """Drop all tables, to make room for the next division."""
    for (table,) in work.execute("SELECT table_name FROM duckdb_tables()").fetchall():
        work.execute(f"DROP TABLE {table}")


def gather_shared(work: Any, folder: Path, leave_out: Iterable[Place] = ()) -> Shared:
    """Write what is nobody's own (``shared.parquet``), and what it refers to (``lead.parquet``)."""
    undecided = load_records(work, folder, SHARED, leave_out)
    copy(work, "SELECT part, line, type, id, day, json FROM record", folder / "shared.parquet")
    copy(work, "SELECT part, line, type, id FROM reference", folder / "lead.parquet")
    _note_references(work, folder, SHARED)
    counted = work.execute("SELECT type, count(*) FROM record GROUP BY type")
    return Shared(dict(counted.fetchall()), undecided)


def drop_unheld(work: Any, folder: Path, stored: str) -> Counter[str]:
    """Take out of ``shared.parquet`` what was contained in records that are not in the store (see
    `contained`); how many there were, by type.

    ``stored`` is what the store will have of its patients, as SQL.
    """
    path = folder / "shared.parquet"
    work.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE unheld AS
            SELECT type, id FROM read_parquet({_text(path)})
            ANTI JOIN (SELECT type, id FROM ({stored}) WHERE shared) USING (type, id)
            WHERE regexp_matches(id, '{LIFTED}')
                AND regexp_extract(id, '{LIFTED}', 1) NOT IN (
                    SELECT type || '{BETWEEN}' || id FROM read_parquet({_text(path)})
                )
        """
    )
    counted = work.execute("SELECT type, count(*) FROM unheld GROUP BY type").fetchall()
    if not counted:
        return Counter()
    rest = f"FROM read_parquet({_text(path)}) ANTI JOIN unheld USING (type, id)"
    work.execute(f"CREATE OR REPLACE TEMP TABLE held_alone AS {rest}")
    path.unlink()
    copy(work, "FROM held_alone", path)
    return Counter(dict(counted))


def versions(work: Any, folder: Path, number: int, keys: Iterable[int]) -> list[tuple[Any, ...]]:
    """Key, version, range and line of the division's records that have one of these keys."""
    load_records(work, folder, number, ())
    listed = ", ".join(str(key) for key in keys)
    found = work.execute(
        f"SELECT key, coalesce(epoch_us({CHANGED}), {UNDATED}), part, line "
        f"FROM record WHERE key IN ({listed})"
    )
    return list(found.fetchall())


def load_records(
    work: Any, folder: Path, number: int, leave_out: Iterable[Place]
) -> dict[str, int]:
    """Load a division's ``record`` and ``reference``; of each resource the latest version stays.

    Gives by type of how many nothing tells which of several versions that is.
    """
    for name, columns, kept in (
        ("record", RECORD, f"*, hash(type, id) AS key, {FINGERPRINT} AS fingerprint"),
        ("reference", REFERENCE, "*"),
    ):
        files = sorted(str(path) for path in folder.glob(f"{name}-{number}.*.tsv"))
        none = ", ".join(f"NULL::{kind} AS {column}" for column, kind in _columns(columns))
        read = f"read_csv($files, {TSV}, columns={columns}, max_line_size={LONGEST * 2})"
        source = read if files else f"(SELECT {none} WHERE false)"
        given = {"files": files} if files else {}
        work.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT {kept} FROM {source}", given)
    for part, line in leave_out:
        work.execute("DELETE FROM record WHERE part = ? AND line = ?", [part, line])
    twice = "SELECT 1 FROM record GROUP BY key HAVING count(*) > 1 LIMIT 1"
    if not work.execute(twice).fetchone():
        return {}
    undecided = _undecided(work)
    work.execute(
        f"""
        DELETE FROM record USING (
            SELECT type, id, max({VERSION}) AS last
            FROM record GROUP BY type, id HAVING count(*) > 1
        ) AS kept
        WHERE record.type = kept.type AND record.id = kept.id
            AND (record.part, record.line) <> (kept.last[2], kept.last[3])
        """
    )
    return undecided


def _undecided(work: Any) -> dict[str, int]:
    """Resources, by type, of which versions that differ are of one time, or one is of none."""
    found = work.execute(
        f"""
        WITH twice AS (
            SELECT key FROM record GROUP BY key HAVING count(*) > 1
        ), version AS (
            SELECT type, id, patient, json, {CHANGED} AS changed
            FROM record SEMI JOIN twice USING (key)
        ), newest AS (
            SELECT type, id, CASE WHEN count(*) = count(changed) THEN max(changed) END AS changed
            FROM version GROUP BY type, id
        ), tied AS (
            SELECT type, id FROM version JOIN newest USING (type, id)
            WHERE newest.changed IS NULL OR version.changed = newest.changed
            GROUP BY type, id HAVING count(DISTINCT (patient, json)) > 1
        )
        SELECT type, count(*) FROM tied GROUP BY type ORDER BY type
        """
    )
    return dict(found.fetchall())


def _columns(columns: str) -> Iterator[tuple[str, str]]:
    for pair in columns.strip("{}").split(", "):
        name, kind = pair.split(": ")
        yield name, kind.strip("'")


def _absent(work: Any) -> list[str]:
    """The patients who did not arrive and whose records did, in order; makes ``absent`` of them."""
    work.execute(
        "CREATE OR REPLACE TEMP TABLE absent AS SELECT DISTINCT patient AS id FROM record "
        "WHERE patient IS NOT NULL AND patient NOT IN (SELECT id FROM patient)"
    )
    return [id for (id,) in work.execute("SELECT id FROM absent ORDER BY id").fetchall()]


def _set_aside_strangers(work: Any, path: Path) -> dict[int, int]:
    """List records of patients who did not arrive, and leave them out; their number by range."""
    stranger = "patient IN (SELECT id FROM absent)"
    found = work.execute(
        f"SELECT part, line, json FROM record WHERE {stranger} ORDER BY part, line"
    )
    counts: dict[int, int] = {}
    while rows := found.fetchmany(ROWS):
        with private(path, append=True) as file:
            for part, line, json in rows:
                entry = Entry(str(part), line + 1, Fault.UNKNOWN_PATIENT, quoted(json.encode()))
                file.write(msgspec.json.encode(entry) + b"\n")
                counts[part] = counts.get(part, 0) + 1
    work.execute(f"DELETE FROM record WHERE {stranger}")
    return counts


def _note_references(work: Any, folder: Path, number: int) -> None:
    """Write the keys of what is here, and what is referred to and not here.

    Other patients need not be here: none asked for them.
    """
    copy(work, "SELECT key FROM record", folder / f"key-{number}.parquet")
    # Few refer to anything, and to few things: these are held, and the records pass by.
    nowhere = """
        WITH target AS (
            SELECT DISTINCT reference.type, reference.id
            FROM record JOIN reference USING (part, line) WHERE reference.type <> 'Patient'
        ), there AS (SELECT type, id FROM record SEMI JOIN target USING (type, id))
        SELECT type, id, hash(type, id) AS key FROM target ANTI JOIN there USING (type, id)
    """
    copy(work, nowhere, folder / f"nowhere-{number}.parquet")


def _attach(work: Any, folder: Path) -> None:
    """Find for each patient what is nobody's own and that their records lead to."""
    shared, lead = (f"read_parquet({_text(folder / name)})" for name in SHARED_FILES)
    work.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE attached AS
            WITH RECURSIVE
            shared AS (SELECT part, line, type, id FROM {shared}),
            inner_lead AS (
                SELECT lead.part, lead.line, shared.part AS to_part, shared.line AS to_line
                FROM {lead} AS lead JOIN shared USING (type, id)
            ),
            outer_lead AS (
                SELECT reference.part, reference.line,
                    shared.part AS to_part, shared.line AS to_line
                FROM reference JOIN shared USING (type, id)
            ),
            reached(patient, part, line) AS (
                SELECT record.patient, outer_lead.to_part, outer_lead.to_line
                FROM outer_lead JOIN record USING (part, line)
                UNION
                SELECT reached.patient, inner_lead.to_part, inner_lead.to_line
                FROM reached JOIN inner_lead USING (part, line)
            )
            FROM reached
        """
    )


SHARED_FILES = ("shared.parquet", "lead.parquet")


def _write(work: Any, folder: Path, number: int) -> None:
    """The fingerprint of a row changes with the resource, and with nothing else."""
    shared = f"read_parquet({_text(folder / 'shared.parquet')})"
    query = f"""
        SELECT patient, fingerprint, type, id, day, false AS shared, json FROM record
        UNION ALL
        SELECT attached.patient, {FINGERPRINT}, lent.type, lent.id, lent.day, true, lent.json
        FROM attached JOIN {shared} AS lent USING (part, line)
        ORDER BY patient, type, id
    """
    copy(work, query, folder / f"part-{number}.parquet", PART)


def copy(work: Any, query: str, path: Path, options: str = "COMPRESSION lz4") -> None:
    """Write what a query gives to a Parquet file, for its owner only."""
    work.execute(f"COPY ({query}) TO {_text(path)} (FORMAT parquet, {options})")
    path.chmod(0o600)


def by_month_and_day(rows: Iterable[Dated]) -> tuple[Counts, Counts]:
    """Records by type and month, and by type and day those of which a day is given."""
    months: Counts = {}
    days: Counts = {}
    for name, day, count in rows:
        months.setdefault(name, Counter())[day[:7]] += count
        if len(day) > 7:
            days.setdefault(name, Counter())[day] += count
    return months, days


def _text(path: Path) -> str:
    """A path as SQL."""
    return "'" + str(path).replace("'", "''") + "'"


def merged(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Counts added up, in order of their names."""
    total: dict[str, int] = {}
    for each in counts:
        for name, count in each.items():
            total[name] = total.get(name, 0) + count
    return dict(sorted(total.items()))
