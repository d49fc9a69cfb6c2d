"""Step 2: from the files of a pull to the store.

Every line is read once and becomes a record, or an entry of the quarantine. Patients are divided by
id, so that each division fits into memory however many patients there are, and each becomes a part
of the store (see `division`). All of it happens in a folder beside the store, which is removed at
the end; the store changes at one stroke.
"""

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from math import ceil
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from service.errors import StoreError
from service.progress import progress
from service.site.acquisition import Acquisition
from service.site.division import (
    UNDATED,
    Divided,
    Shared,
    by_month_and_day,
    drop_unheld,
    gather_shared,
    merged,
    workbench,
)
from service.site.expectation import (
    Expected,
    is_of_patients,
    read_expected,
    renewed,
    shortfalls,
)
from service.site.placing import place_store
from service.site.plan import AcquisitionPlan
from service.site.population import Population, read_population
from service.site.quarantine import FILE as QUARANTINE
from service.site.quarantine import Entry
from service.site.record_text import OF_ANY_TYPE
from service.site.staging import SHARED, USUAL, Range, Sizes, Staged, private, ranges
from service.site.staleness import Told, all_holes, kept
from service.site.store import FORMAT, Facts, Store, last_index, open_store
from service.site.turnover import replaced, sample_of
from service.site.vanished import LookUp, what_vanished
from service.site.verdict import Fault, Finding, mostly_lost
from service.site.workers import (
    TODO,
    Divide,
    Found,
    Seek,
    Stage,
    Workers,
    processes,
    setting_of,
    why,
    workers,
)

Places = dict[int, list[tuple[int, int]]]  # division -> ranges and lines of records


def build_store(
    acquisition: Acquisition,
    plan: AcquisitionPlan,
    data_dir: Path,
    sizes: Sizes = USUAL,
    source: str = "",
    look_up: LookUp | None = None,
) -> Store:
    """Build the store of a pull and put it in the place of the last one.

    The same files give the same store; ``source`` names where they are from. With ``look_up`` what
    the last store had and the pull left out is in it, too (see `vanished`). Records that cannot
    be used are counted among the store's findings and listed in ``quarantine.ndjson`` beside it.
    Raises StoreError when the disk is full or the folder cannot be written; then the last store
    stays.
    """
    with building_folder(data_dir) as folder:
        facts, parts, there = _build(acquisition, plan, folder, sizes)
        last = _last(data_dir) if look_up else None
        if last and look_up:
            left_out, found = what_vanished(plan, last, parts, folder, look_up)
            if left_out:
                more = replace(acquisition, files=(*acquisition.files, *left_out))
                folder = folder / "again"
                folder.mkdir(mode=0o700)
                facts, parts, _ = _build(more, plan, folder, sizes)
            facts = msgspec.structs.replace(facts, findings=sorted([*facts.findings, *found]))
        facts = msgspec.structs.replace(facts, source=source)
        facts = expecting(facts, last_expected(data_dir))
        facts = knowing(facts, there, last_members(data_dir))
        place_store(folder, parts, facts, data_dir)
    return open_store(data_dir)


def _last(data_dir: Path) -> Store | None:
    """The store that is there, if it can be read."""
    try:
        last = open_store(data_dir)
        last.fingerprints()
    except StoreError:
        return None
    return last


def last_expected(data_dir: Path) -> Expected:
    """What the store in a folder expects, or what stands beside it when it cannot be read."""
    last = last_index(data_dir)
    return last.facts.expected if last else read_expected(data_dir)


def last_members(data_dir: Path) -> list[int]:
    """The sample of who should be there that the store in a folder has, if it can be read."""
    last = last_index(data_dir)
    return last.facts.members if last else []


def expecting(facts: Facts, last: Expected) -> Facts:
    """The facts of a pull, with what it brought too little of by what was expected."""
    now = facts.brought
    types = facts.elements.keys()
    expected = msgspec.structs.replace(renewed(last, now, types), holes=_holes(facts, last))
    found = [*facts.findings, *shortfalls(expected, now, types)]
    return msgspec.structs.replace(facts, findings=sorted(found), expected=expected)


def _holes(facts: Facts, last: Expected) -> dict[str, list[Told]]:
    """The times without a record, by type; of types that were not pulled, those of the last."""
    today = date.fromisoformat(facts.transaction_time[:10])
    found = dict(last.holes)
    for name in facts.elements:
        days, accepted = facts.days.get(name, {}), last.silent.get(name, "")
        now = all_holes(days, found.get(name, ()), today, accepted)
        found[name] = kept(now, today)
    return {name: of for name, of in sorted(found.items()) if of}


def knowing(facts: Facts, there: Set[int], last: Sequence[int]) -> Facts:
    """The facts of a pull, with what is known of who should be in it; given the marks of who is."""
    expected = facts.expected.patients
    loss = 1 - facts.patients / expected if expected else 0
    others = replaced(last, there, loss)
    if others:
        found = Finding(Fault.OTHERS, "the group", others)
        return msgspec.structs.replace(
            facts, findings=sorted([*facts.findings, found]), members=list(last)
        )
    short = last and any(is_of_patients(each) for each in facts.findings)
    return msgspec.structs.replace(facts, members=list(last) if short else sample_of(there))


@contextmanager
def building_folder(data_dir: Path) -> Iterator[Path]:
    """A new folder to build in, which is removed at the end. What goes wrong is a StoreError."""
    place = data_dir / "building"
    try:
        shutil.rmtree(place, ignore_errors=True)  # a killed run's
        # Some of it stays while a process that outlived that run still writes there: it ends with
        # what it is at, and never writes into this folder, which has a name of its own.
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        yield Path(tempfile.mkdtemp(dir=place))
    except (OSError, duckdb.Error) as error:
        # Not chained: DuckDB repeats what it read.
        told = f"The store cannot be built ({why(error)})"
        raise StoreError(told, where=str(place), todo=TODO) from None
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _build(
    acquisition: Acquisition, plan: AcquisitionPlan, folder: Path, sizes: Sizes
) -> tuple[Facts, list[Path], Set[int]]:
    """The facts of the store, its parts in the order of their patients, and the patients' marks."""
    size = sum(file.path.stat().st_size for file in acquisition.files)
    elements = {name: sorted(of) for name, of in sorted(plan.elements.items())}
    read = ranges(acquisition.files, sizes.range)
    with workers(alone=size < sizes.alone) as set_to_work:
        divisions = _divisions(size, sizes)
        population = read_population(acquisition.files, acquisition.base_url, divisions)
        crew = set_to_work(
            setting_of(acquisition, plan, folder, population.aliases, population.bounds)
        )
        with progress("Reading records", sum(file.lines for file in acquisition.files)) as advance:
            staged = crew.do([Stage(part) for part in read], Staged, _told(advance))
        divided, shared, moved = _divide(crew, folder, population)
        crew.end()
        parts = [folder / f"part-{number}.parquet" for number in range(population.divisions)]
        findings = set_aside(folder, read, staged, divided)
        findings += undecided([shared, *divided], (read[part].type for part in moved))
        with workbench(folder) as work:
            findings += unresolved(work, folder)
            stored = f"FROM read_parquet({[str(path) for path in parts]})"
            shared = shared.without(drop_unheld(work, folder, stored))
    facts = _facts(acquisition, elements, arrived_of(read, staged), divided, shared)
    facts = msgspec.structs.replace(
        facts, aliases=dict(population.aliases), links=list(population.links), size=size
    )
    if population.lost:
        findings.append(Finding(Fault.UNKNOWN_SUCCESSOR, "Patient", population.lost))
    if not facts.patients:
        findings.append(Finding(Fault.NO_PATIENTS, "the pull"))
    findings += [*acquisition.findings, *mostly_lost(findings, facts.arrived)]
    facts = msgspec.structs.replace(facts, findings=sorted(findings))
    return facts, parts, population.marks


def _divisions(size: int, sizes: Sizes) -> int:
    """How many divisions the patients of a pull have: for each process as many, or else one makes
    the last while the others wait."""
    each = 1 if size < sizes.alone else processes()
    return ceil(size // sizes.division / each) * each


def arrived_of(read: Iterable[Range], staged: Iterable[Staged]) -> Counter[str]:
    """How many lines with something on them arrived, by the type of their file."""
    arrived: Counter[str] = Counter()
    for part, each in zip(read, staged, strict=True):
        arrived[part.type] += each.lines
    return arrived


def _told(advance: Callable[[int], None]) -> Callable[[Staged], None]:
    return lambda staged: advance(staged.lines)


def _divide(
    crew: Workers, folder: Path, population: Population
) -> tuple[list[Divided], Shared, list[int]]:
    """Make the parts of the store; and the ranges of records that two divisions have, of which
    nothing tells whose they are.

    A record that moved to a patient of another division while the pull went on is found last: then
    its older version is left out, and all is divided once more.
    """
    leave_out: Places = {}
    doubtful: list[int] = []
    while True:
        with workbench(folder) as work:
            shared = gather_shared(work, folder, leave_out.get(SHARED, ()))
        jobs = [Divide(number, leave_out.get(number, [])) for number in range(population.divisions)]
        divided = crew.do(jobs, Divided, lambda done: None)
        moved, tied = _moved(crew, folder, population)
        doubtful += tied
        if not moved:
            return divided, shared, doubtful
        for number, places in moved.items():
            leave_out.setdefault(number, []).extend(places)


def _moved(crew: Workers, folder: Path, population: Population) -> tuple[Places, list[int]]:
    """The records of which another division has a later version; and the range of each of which it
    has one that is not told to be later or earlier."""
    with workbench(folder) as work:
        twice = work.execute(
            """
            SELECT DISTINCT key
            FROM (SELECT key, lag(key) OVER (ORDER BY key) AS before FROM read_parquet(?))
            WHERE key = before
            """,
            [str(folder / "key-*.parquet")],
        ).fetchall()
    if not twice:
        return {}, []
    keys = [key for (key,) in twice]
    divisions = [SHARED, *range(population.divisions)]
    found = crew.do([Seek(number, keys) for number in divisions], Found, lambda done: None)
    held = [
        (key, number, (updated, part, line))
        for number, each in zip(divisions, found, strict=True)
        for key, updated, part, line in each.versions
    ]
    latest: dict[int, tuple[int, int, int]] = {}
    times: dict[int, list[int]] = {}
    for key, _, version in held:
        latest[key] = max(version, latest.get(key, version))
        times.setdefault(key, []).append(version[0])
    older: Places = {}
    for key, number, version in held:
        if version != latest[key]:
            older.setdefault(number, []).append(version[1:])
    tied = (key for key, of in times.items() if UNDATED in of or of.count(max(of)) > 1)
    return older, [latest[key][1] for key in tied]


def _facts(
    acquisition: Acquisition,
    elements: dict[str, list[str]],
    arrived: Counter[str],
    divided: Sequence[Divided],
    shared: Shared,
) -> Facts:
    """What is known of the store; its findings are still to come."""
    months, days = by_month_and_day(row for each in divided for row in each.days)
    return Facts(
        format=FORMAT,
        transaction_time=acquisition.transaction_time,
        lines=arrived.total(),
        patients=sum(each.patients for each in divided),
        resources=merged([shared.resources, *(each.resources for each in divided)]),
        elements=elements,
        findings=[],
        arrived=dict(sorted(arrived.items())),
        months={name: dict(sorted(of.items())) for name, of in sorted(months.items())},
        days={name: dict(sorted(of.items())) for name, of in sorted(days.items())},
        absent=sorted(id for each in divided for id in each.absent),
        reconciled=acquisition.transaction_time,
    )


def set_aside(
    folder: Path, read: Sequence[Range], staged: Sequence[Staged], divided: Sequence[Divided]
) -> list[Finding]:
    """Write the quarantine's list, and count what is in it."""
    faults: Counter[tuple[Fault, str, str]] = Counter()
    before = _lines_before(read, staged)
    with private(folder / QUARANTINE) as listed:
        for part, each in zip(read, staged, strict=True):
            name = Path(part.path).name
            for fault, count in each.faults.items():
                faults[fault, name, part.type] += count
            for entry in _entries(folder / f"aside-{part.number}.ndjson"):
                _list(listed.write, entry, name, before[part.number])
        for number, division in enumerate(divided):
            for place, count in division.strangers.items():
                part = read[place]
                faults[Fault.UNKNOWN_PATIENT, Path(part.path).name, part.type] += count
            for entry in _entries(folder / f"strangers-{number}.ndjson"):
                place = int(entry.file)
                _list(listed.write, entry, Path(read[place].path).name, before[place])
    return [Finding(fault, name, count, of) for (fault, name, of), count in faults.items()]


def undecided(made: Iterable[Shared | Divided], moved: Iterable[str] = ()) -> list[Finding]:
    """What nothing tells the latest version of; ``moved`` are the types of records that went from
    one division to another."""
    counts = merged([*(each.undecided for each in made), Counter(moved)])
    return [Finding(Fault.UNDECIDED, name, count, name) for name, count in counts.items()]


def _lines_before(read: Sequence[Range], staged: Sequence[Staged]) -> list[int]:
    """For each range the number of lines of its file that stand before it."""
    counts: list[int] = []
    lines = 0
    for part, each in zip(read, staged, strict=True):
        lines = lines if part.start else 0
        counts.append(lines)
        lines += each.ends
    return counts


def _list(write: Callable[[bytes], int], entry: Entry, file: str, before: int) -> None:
    entry.file, entry.line = file, entry.line + before
    write(msgspec.json.encode(entry) + b"\n")


def _entries(path: Path) -> Iterator[Entry]:
    if path.exists():
        with path.open("rb") as lines:
            for line in lines:
                yield msgspec.json.decode(line, type=Entry)


def unresolved(
    work: Any, folder: Path, elsewhere: str = "SELECT 0::UBIGINT AS key"
) -> list[Finding]:
    """Count what is referred to and nowhere: neither here nor among the keys that a query gives."""
    work.execute(
        """
        CREATE OR REPLACE TEMP TABLE missing AS
        WITH nowhere AS (FROM read_parquet($nowhere)),
        -- few are looked for among many
        there AS (FROM read_parquet($there) SEMI JOIN nowhere USING (key))
        SELECT type, id, key FROM nowhere ANTI JOIN there USING (key)
        """,
        {"nowhere": str(folder / "nowhere-*.parquet"), "there": str(folder / "key-*.parquet")},
    )
    if not work.execute("SELECT 1 FROM missing LIMIT 1").fetchone():
        return []  # that query can be a long one
    found = work.execute(
        f"SELECT type, count(DISTINCT id) FROM missing WHERE key NOT IN ({elsewhere}) GROUP BY type"
    )
    return [
        Finding(Fault.UNRESOLVED_REFERENCE, name, count, "" if name == OF_ANY_TYPE else name)
        for name, count in found.fetchall()
    ]
