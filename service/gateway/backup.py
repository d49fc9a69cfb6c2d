"""Backup and restore of what must not be lost, in one file and of one moment.

At the engine: the database with outbox and history, and the keys. At the gateway: ledger, archive
and keys. Pulled records, the store of patients and the spool are not in it: they come again. The
file holds secrets: keep it as you keep those.
"""

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile

from service.errors import StoreError
from service.gateway.spool import write_whole

FORMAT = "weir site backup 1"
MANIFEST = "manifest.json"
KEPT = ("*.db", "keys/*", "ledger.ndjson", "archive/*", "reports.jwk.json", "audit.ndjson")
HISTORY = ("site.db", "ledger.ndjson")  # a folder that has one of them is not empty


def back_up(parts: Mapping[str, Path], to: Path) -> int:
    """Write the backup of some folders to a new file; how many files are in it.

    The caller keeps engine and gateway from working meanwhile. Raises StoreError when the file is
    there already or cannot be written.
    """
    if to.exists():
        raise StoreError("there is a file already", where=str(to))
    partial = to.with_name(f".{to.name}.partial")
    try:
        opened = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(opened, "r+b") as file:
            hashes = _pack(parts, file)
            file.flush()
            os.fsync(file.fileno())
        partial.rename(to)
    except (OSError, sqlite3.Error) as error:
        raise StoreError("the backup cannot be written", where=str(to)) from error
    finally:
        partial.unlink(missing_ok=True)
    return len(hashes)


def restore(parts: Mapping[str, Path], source: Path) -> int:
    """Fill empty folders from a backup; how many files.

    Raises StoreError when one has a history already, or the file is not a whole backup of them.
    """
    for folder in parts.values():
        if any((folder / name).exists() for name in HISTORY):
            todo = "Restore to an empty folder, and keep the present one aside"
            raise StoreError("there is a history already", where=str(folder), todo=todo)
    try:
        contents = _unpack(parts, source)
        for path, data in contents:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_whole(path, data)
    except (OSError, BadZipFile, KeyError, ValueError, TypeError) as error:
        raise StoreError("this is not a whole backup of it", where=str(source)) from error
    return len(contents)


def _pack(parts: Mapping[str, Path], file: object) -> dict[str, str]:
    hashes = {}
    with ZipFile(file, "w", ZIP_DEFLATED) as packed:  # type: ignore[call-overload]
        for part, folder in parts.items():
            for path in _files(folder):
                name = f"{part}/{path.relative_to(folder).as_posix()}"
                data = _snapshot(path) if path.suffix == ".db" else path.read_bytes()
                packed.writestr(name, data)
                hashes[name] = sha256(data).hexdigest()
        packed.writestr(MANIFEST, json.dumps({"format": FORMAT, "files": hashes}))
    return hashes


def _unpack(parts: Mapping[str, Path], source: Path) -> list[tuple[Path, bytes]]:
    with ZipFile(source) as packed:
        manifest = json.loads(packed.read(MANIFEST))
        if manifest["format"] != FORMAT:
            raise ValueError("another format")
        found = []
        for name, digest in manifest["files"].items():
            part, _, inside = name.partition("/")
            data = packed.read(name)
            if sha256(data).hexdigest() != digest or ".." in PurePosixPath(inside).parts:
                raise ValueError("a file is not what was backed up")
            found.append((parts[part] / inside, data))
    return found


def _files(folder: Path) -> Iterator[Path]:
    for pattern in KEPT:
        yield from sorted(path for path in folder.glob(pattern) if path.is_file())


def _snapshot(path: Path) -> bytes:
    """A database as of one moment, with what only its journal has."""
    with TemporaryDirectory(dir=path.parent) as aside:
        copy = Path(aside) / "copy.db"
        source, target = sqlite3.connect(path), sqlite3.connect(copy)
        try:
            source.backup(target)
        finally:
            target.close()
            source.close()
        return copy.read_bytes()
