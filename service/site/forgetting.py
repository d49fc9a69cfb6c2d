"""Forgetting: what a site has stored of one patient, or of all, is removed from its disk.

What remains is what holds no patient's data: keys, the audit log with its pseudonyms, what was
released, and how many records there should be, where they are many (see `expectation`). The next
pull brings back whoever is still in the cohort at the EHR.
"""

import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from service.errors import StoreError
from service.site.building import building_folder
from service.site.division import FINGERPRINT, PART, by_month_and_day, copy, drop_unheld, workbench
from service.site.expectation import FILE as EXPECTED
from service.site.expectation import of_many, read_expected
from service.site.placing import place_expected, place_parts, remove_strays
from service.site.quarantine import FILE as QUARANTINE
from service.site.quarantine import Entry
from service.site.recollection import FILE as OUTCOMES
from service.site.staging import private
from service.site.staleness import Told
from service.site.store import FILE, FOLDER, OLDEST, Facts, Index, last_index, open_store
from service.site.survey import UNMAPPED_FILE, UNREVIEWED_FILE
from service.site.turnover import mark
from service.site.unlinking import unlinked
from service.site.verdict_list import FILE as VERDICTS

FOLDERS = ("pull", "pull-of-some", "building")
# What the EHR or its records say in their own words, and what is worked out of them.
WORDS = ("ehr-errors-*", f"{OUTCOMES}*", f"{UNMAPPED_FILE}*", f"{UNREVIEWED_FILE}*")
# What else is kept of the patients; forgetting one of them does not remove it whole.
LISTS = (f"{QUARANTINE}*", f"{FILE}*", f"{VERDICTS}*", OLDEST)
# What a process was writing when it was killed.
HALVES = (f"{QUARANTINE}.part", f"{FILE}.part")
THEIRS = "patient IN (SELECT unnest($ids::VARCHAR[]))"
TODO = "Check the free space and the owner of data_dir, and try again"


@dataclass(frozen=True)
class Forgotten:
    """What came of forgetting a patient: whether something was ``found`` of them.

    ``others``: the ids that were forgotten with theirs, since the EHR says that they are the same
    person's.
    ``unread``: the store could not be read, so nobody knows whom it held, and all of it is gone.
    ``strays``: so are files that no store names, which processes that were killed had left.
    """

    found: bool
    others: tuple[str, ...] = ()
    unread: bool = False
    strays: bool = False


def forget_all(data_dir: Path) -> None:
    """Remove every patient's data. Raises StoreError when something cannot be removed."""
    try:
        (data_dir / FILE).unlink(missing_ok=True)  # first: nobody reads half of a store
        if (data_dir / EXPECTED).exists():
            place_expected(of_many(read_expected(data_dir)), data_dir)
        _remove(data_dir, (*FOLDERS, FOLDER), (*WORDS, *LISTS))
    except OSError as error:
        raise _cannot(data_dir, error) from error


def forget_old(data_dir: Path, days: int, now: datetime | None = None) -> bool:
    """Remove every patient's data if no pull has renewed them for so many days; whether it did."""
    last = last_index(data_dir)
    if last is not None:
        age = (now or datetime.now(UTC)) - datetime.fromisoformat(last.facts.transaction_time)
        if age < timedelta(days=days):
            return False
    forget_all(data_dir)
    return True


def forget_patient(data_dir: Path, id: str) -> Forgotten:
    """Remove one patient's data, and those of all whom the EHR has merged with them.

    Lists that may quote records are removed whole, and kept outcomes too: the next run makes them
    anew. A store that cannot be looked through is removed whole: the next run pulls everything.
    Raises StoreError; then some may be left.
    """
    try:
        _remove(data_dir, FOLDERS, (*WORDS, *HALVES))
        index = _readable(data_dir)
        if index is None and _has_records(data_dir):
            forget_all(data_dir)
            return Forgotten(found=False, unread=True)
        ids = _same_person(index.facts, id) if index is not None else {id}
        quoted = _unquote(data_dir / QUARANTINE, ids)
        # Before there are others: files that are replaced here are no strays of a killed process.
        strays = index is not None and remove_strays(data_dir, index)
        stored = index is not None and _forget_stored(data_dir, index, ids)
        _remove(data_dir, FOLDERS, ())
    except OSError as error:
        raise _cannot(data_dir, error) from error
    return Forgotten(quoted or stored, tuple(sorted(ids - {id})), strays=strays)


def _readable(data_dir: Path) -> Index | None:
    """What names the files of the store, if all of them can be looked through."""
    try:
        open_store(data_dir).fingerprints()
    except StoreError:
        return None
    return last_index(data_dir)


def _same_person(facts: Facts, id: str) -> Set[str]:
    """The ids of a person who has this one: records that came under one are stored under another.

    Whoever is only said to be the same is forgotten, too; the next run brings them back.
    """
    pairs = [*facts.aliases.items(), *((old, new) for _, old, new in facts.links if old and new)]
    ids = {id}
    while more := {one for pair in pairs if not ids.isdisjoint(pair) for one in pair} - ids:
        ids |= more
    return ids


def _has_records(data_dir: Path) -> bool:
    """Whether there is something of a store, as of an earlier version of Weir, or of none."""
    places = (data_dir / FILE, data_dir / OLDEST, *(data_dir / FOLDER).glob("*"))
    return any(place.is_file() for place in places)


def _remove(data_dir: Path, folders: tuple[str, ...], patterns: tuple[str, ...]) -> None:
    for folder in folders:
        if (data_dir / folder).exists():
            shutil.rmtree(data_dir / folder)
    for pattern in patterns:
        for path in data_dir.glob(pattern):
            path.unlink()


def _unquote(path: Path, ids: Set[str]) -> bool:
    """Leave out of the quarantine's list what names one of the ids, and what nobody can tell whom
    it names: records that are cut off, or no JSON. Whether any did."""
    if not path.exists():
        return False
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    found = False
    with path.open("rb") as lines, private(part) as kept:
        for line in lines:
            named = _names(line, ids)
            found = found or named is True
            if named is False:
                kept.write(line)
    part.replace(path)
    return found


def _names(line: bytes, ids: Set[str]) -> bool | None:
    """Whether an entry of the quarantine names one of the ids; None when that cannot be told."""
    if any(id.encode() in line for id in ids):
        return True
    try:
        record = msgspec.json.decode(line, type=Entry).record
        plain = msgspec.json.encode(msgspec.json.decode(record)) if record is not None else b""
    except (ValueError, RecursionError):
        return None
    return any(id.encode() in plain for id in ids)


def _forget_stored(data_dir: Path, index: Index, ids: Set[str]) -> bool:
    """Write anew the files that hold the patients, and the facts without them."""
    place = data_dir / FOLDER
    with _enough_room(), building_folder(data_dir) as folder, workbench(folder) as work:
        new = {
            name: folder / name
            for name in index.names
            if name != index.shared and _write_rest(work, place / name, folder / name, ids)
        }
        if not new and ids.isdisjoint({*_told(index.facts), *index.replaced}):
            return False
        counts = _counts(work, data_dir, index, ids)
        if new and (unheld := _unheld(work, place, index, new)):
            new[index.shared] = folder / "shared.parquet"
            counts += [(name, None, count) for name, count in unheld.items()]
        facts = _without(index.facts, counts, ids)
        replaced = [each for each in index.replaced if each not in ids]
        changed = msgspec.structs.replace(index, facts=facts, replaced=replaced)
        place_parts(new, changed, data_dir)
    return True


def _told(facts: Facts) -> Set[str]:
    """Whom the facts name."""
    linked = {id for link in facts.links for id in link}
    return {*facts.aliases.keys(), *facts.aliases.values(), *facts.absent, *linked}


def _write_rest(work: Any, file: Path, new: Path, ids: Set[str]) -> bool:
    """Write a file of the store anew without the patients; whether it held them, or linked to
    them."""
    given = {"file": str(file), "ids": sorted(ids)}
    linking = work.execute(
        "SELECT id, json FROM read_parquet($file) WHERE type = 'Patient' "
        f"AND contains(json, '\"link\"') AND NOT {THEIRS}",
        given,
    ).fetchall()
    changed = [(id, left) for id, json in linking if (left := unlinked(json, ids)) is not None]
    held = f"SELECT 1 FROM read_parquet($file) WHERE {THEIRS} LIMIT 1"
    if not changed and not work.execute(held, given).fetchone():
        return False
    rest = f"SELECT * FROM read_parquet($file) WHERE NOT {THEIRS}"
    work.execute(f"CREATE OR REPLACE TEMP TABLE rest AS {rest}", given)
    for row in changed:
        work.execute("UPDATE rest SET json = $2 WHERE type = 'Patient' AND id = $1", row)
        work.execute(
            f"UPDATE rest SET fingerprint = {FINGERPRINT} WHERE type = 'Patient' AND id = ?",
            row[:1],
        )
    copy(work, "FROM rest ORDER BY patient, type, id", new, PART)
    return True


def _unheld(work: Any, place: Path, index: Index, new: Mapping[str, Path]) -> Counter[str]:
    """What the patient's records contained, by type: ``shared.parquet`` beside the new files is
    without it."""
    folder = next(iter(new.values())).parent
    with (place / index.shared).open("rb") as now, private(folder / "shared.parquet") as kept:
        shutil.copyfileobj(now, kept)
    names = [*index.parts, *([index.layer] if index.layer else [])]
    files = [str(new.get(name, place / name)) for name in names]
    return drop_unheld(work, folder, f"FROM read_parquet({files})")


def _counts(
    work: Any, data_dir: Path, index: Index, ids: Set[str]
) -> list[tuple[str, str | None, int]]:
    """What is stored of the patients, by type and day or month."""
    layered = ids & {*index.replaced}
    layer = [index.layer] if index.layer else []
    return [
        row
        for names, of in ((index.parts, ids - layered), (layer, layered))
        if of
        for row in work.execute(
            f"SELECT type, day, count(*) FROM read_parquet($files) WHERE {THEIRS} AND NOT shared "
            "GROUP BY ALL",
            {"files": [str(data_dir / FOLDER / name) for name in names], "ids": sorted(of)},
        ).fetchall()
    ]


def _without(facts: Facts, counts: list[tuple[str, str | None, int]], ids: Set[str]) -> Facts:
    """The facts without patients: they are not expected any more, either.

    Without a source, everything is pulled next: changes would bring back a part of the patients.
    """
    gone: Counter[str] = Counter()
    for name, _, count in counts:
        gone[name] += count
    months, days = by_month_and_day((name, day, count) for name, day, count in counts if day)
    left = _each_less(facts.days, days)
    patients = gone["Patient"]
    forgotten = {mark(id) for id in ids}
    expected = msgspec.structs.replace(
        facts.expected,
        patients=facts.expected.patients - patients,
        resources=_less(facts.expected.resources, gone),
        months=_each_less(facts.expected.months, months),
        most=_each_less(facts.expected.most, months),
        holes=_without_days(facts.expected.holes, days, left),
    )
    return msgspec.structs.replace(
        facts,
        patients=facts.patients - patients,
        resources=_less(facts.resources, gone),
        months=_each_less(facts.months, months),
        days=left,
        expected=expected,
        aliases={old: new for old, new in facts.aliases.items() if ids.isdisjoint((old, new))},
        links=[link for link in facts.links if ids.isdisjoint(link)],
        absent=[each for each in facts.absent if each not in ids],
        source="",
        members=[each for each in facts.members if each not in forgotten],
    )


def _less(counts: Mapping[str, int], gone: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted((+(Counter(counts) - Counter(gone))).items()))


def _each_less(
    months: Mapping[str, Mapping[str, int]], gone: Mapping[str, Mapping[str, int]]
) -> dict[str, dict[str, int]]:
    left = {name: _less(of, gone.get(name, {})) for name, of in months.items()}
    return {name: of for name, of in left.items() if of}


def _without_days(
    holes: Mapping[str, Sequence[Told]],
    gone: Mapping[str, Mapping[str, int]],
    left: Mapping[str, Mapping[str, int]],
) -> dict[str, list[Told]]:
    """The holes but for those after a day of which the patient had all that there was."""
    return {
        name: [
            (day, count)
            for day, count in of
            if day not in gone.get(name, {}) or day in left.get(name, {})
        ]
        for name, of in holes.items()
    }


@contextmanager
def _enough_room() -> Iterator[None]:
    """Writing anew takes room, and files that are sound; removing all takes neither."""
    try:
        yield
    except StoreError as error:
        todo = f"{TODO}, or with --everything: the next run pulls it anew"
        raise StoreError(
            f"The patient was not forgotten. {error.what}", where=error.where, todo=todo
        ) from None


def _cannot(data_dir: Path, error: OSError) -> StoreError:
    told = f"Not all could be removed ({error.strerror})"
    return StoreError(told, where=str(data_dir), todo="Check the owner of data_dir, and try again")
