"""Putting a finished store in the place of the last one, at one stroke.

The parts get names that no store had before; then one small file, ``store.json``, is replaced. Who
is reading keeps the old parts open to the end, whatever is removed meanwhile.
"""

import os
import shutil
from collections.abc import Mapping, Sequence, Set
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import TypeVar

import msgspec

from service.site.expectation import FILE as EXPECTED
from service.site.expectation import Expected
from service.site.quarantine import FILE as QUARANTINE
from service.site.staging import private
from service.site.staleness import all_holes
from service.site.store import FILE, FOLDER, OLDEST, Facts, Index, open_store, require_index
from service.site.turnover import mark, sample_of
from service.site.verdict import BRINGS_LESS, Fault, Finding

T = TypeVar("T")


def place_store(folder: Path, parts: Sequence[Path], facts: Facts, data_dir: Path) -> None:
    """Move the parts, in the order of their patients, and the quarantine's list out of a folder.

    Raises OSError; then the last store stays.
    """
    shared = folder / "shared.parquet"
    number, names = _move([*parts, shared], data_dir)
    index = Index(number=number, parts=names[:-1], shared=names[-1], facts=facts)
    _put(folder / QUARANTINE, data_dir / QUARANTINE)
    place_index(index, data_dir)
    remove_strays(data_dir, index)


def place_layer(folder: Path, facts: Facts, replaced: list[str], data_dir: Path) -> None:
    """Move a layer out of a folder, and let it stand for these patients.

    Raises OSError; then the last store stays, though the quarantine's list may say more.
    """
    last = require_index(data_dir)
    number, names = _move([folder / "layer.parquet", folder / "shared.parquet"], data_dir)
    with (
        (folder / QUARANTINE).open("rb") as more,
        private(data_dir / QUARANTINE, append=True) as to,
    ):
        shutil.copyfileobj(more, to)
    index = msgspec.structs.replace(
        last, number=number, layer=names[0], shared=names[1], facts=facts, replaced=replaced
    )
    place_index(index, data_dir)
    remove_strays(data_dir, index)


def place_parts(new: Mapping[str, Path], index: Index, data_dir: Path) -> None:
    """Put files in the place of others of a store, whose names are given. Raises OSError."""
    number, names = _move(list(new.values()), data_dir)
    now = dict(zip(new, names, strict=True))
    index = msgspec.structs.replace(
        index,
        number=number,
        parts=[now.get(name, name) for name in index.parts],
        shared=now.get(index.shared, index.shared),
        layer=now.get(index.layer, index.layer) if index.layer else None,
    )
    place_index(index, data_dir)
    remove_strays(data_dir, index)


def _move(files: Sequence[Path], data_dir: Path) -> tuple[int, list[str]]:
    """Give files names that no store had before."""
    place = data_dir / FOLDER
    place.mkdir(mode=0o700, exist_ok=True)
    number = 1 + max((int(path.name[:6]) for path in place.glob(f"{'[0-9]' * 6}-*")), default=0)
    names = [f"{number:06}-{n:03}.parquet" for n in range(len(files))]
    for file, name in zip(files, names, strict=True):
        _put(file, place / name)
    _sync(place)
    return number, names


def place_index(index: Index, data_dir: Path) -> None:
    """Replace ``store.json``, and before it what stands beside it of what is expected.

    Raises OSError; then the last one stays.
    """
    place_expected(index.facts.expected, data_dir)
    _replace(data_dir / FILE, msgspec.json.encode(index))
    _sync(data_dir)


def place_expected(expected: Expected, data_dir: Path) -> None:
    """Replace the file beside the store. Raises OSError; then the last one stays."""
    _replace(data_dir / EXPECTED, msgspec.json.encode(expected))


def _replace(place: Path, text: bytes) -> None:
    new = place.with_name(f"{place.name}.part")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(text + b"\n")
    _put(new, place)


def accept_store(data_dir: Path, zone: tzinfo = UTC) -> list[Finding]:
    """Take what the last pull brought for all that there should be.

    So are the times in which types were silent, or are (see `staleness`), by the site's zone.
    Types that did not come whole for another reason are left out: what shrank of them, or was
    silent, is given.
    Raises StoreError when there is no store.
    """
    index = require_index(data_dir)
    facts = index.facts
    doubted = {each.type for each in facts.findings if each.fault in BRINGS_LESS} - {""}
    shrunk = [each for each in facts.findings if each.fault in (Fault.SHRUNK, Fault.OTHERS)]
    left = [each for each in shrunk if each.type in doubted]
    today = datetime.fromisoformat(facts.transaction_time).astimezone(zone).date()
    expected = facts.expected
    silent = {
        each: all_holes(
            facts.days.get(each, {}),
            expected.holes.get(each, ()),
            today,
            expected.silent.get(each, ""),
        )
        for each in facts.elements
    }
    newest = {each: str(of[-1].after) for each, of in silent.items() if of}
    unasked = {*expected.resources, *expected.months} - facts.elements.keys()
    accepted = Expected(
        facts.patients,
        _but(doubted | unasked, expected.resources, facts.resources),
        _but(doubted | unasked, expected.months, facts.months),
        _but(doubted | unasked, expected.most, {}),
        _but(doubted | unasked, expected.silent, expected.silent | newest),
        _but(doubted | unasked, expected.holes, {}),
    )
    left += [hole.finding(each) for each, of in silent.items() if each in doubted for hole in of]
    kept = [each for each in facts.findings if each not in shrunk or each in left]
    members = sample_of({mark(id) for id, _ in open_store(data_dir).fingerprints()})
    facts = msgspec.structs.replace(facts, findings=kept, expected=accepted, members=members)
    place_index(msgspec.structs.replace(index, facts=facts), data_dir)
    return left


def _but(types: Set[str], before: Mapping[str, T], now: Mapping[str, T]) -> dict[str, T]:
    """What there is now by type, and of some types what there was before."""
    of_others = {name: of for name, of in now.items() if name not in types}
    return of_others | {name: of for name, of in before.items() if name in types}


def remove_strays(data_dir: Path, index: Index) -> bool:
    """Remove parts of earlier stores, and of those that were never finished; whether any were."""
    files = [*(data_dir / FOLDER).iterdir(), data_dir / OLDEST]
    strays = [path for path in files if path.is_file() and path.name not in index.names]
    for path in strays:
        path.unlink(missing_ok=True)
    return bool(strays)


def _put(new: Path, place: Path) -> None:
    """Put a finished file in its place, for good."""
    new.chmod(0o600)
    with new.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(new, place)


def _sync(folder: Path) -> None:
    directory = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
