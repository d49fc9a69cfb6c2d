"""The site's own secrets: made at first use, readable by their owner only, never sent."""

import os
import secrets
from pathlib import Path

from service.errors import StoreError

SECRET_BYTES = 32


def own_secret(data_dir: Path, name: str) -> bytes:
    """The 256 random bits kept in `data_dir/keys/<name>`, made when they are not there yet.

    Two processes that start at once get the same secret. Raises StoreError when the file cannot
    be read or written, or is not as it was made.
    """
    path = data_dir / "keys" / name
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            _make(path)
        secret = path.read_bytes()
    except OSError as error:
        raise StoreError(
            "a key of the site cannot be kept",
            where=str(path),
            todo="Check the folder's owner and its free space",
        ) from error
    if len(secret) != SECRET_BYTES:
        raise StoreError("a key of the site is damaged", where=str(path), todo="Restore the file")
    return secret


def replace_secret(data_dir: Path, name: str) -> bytes:
    """256 new random bits in `data_dir/keys/<name>`, whatever was there."""
    (data_dir / "keys" / name).unlink(missing_ok=True)
    return own_secret(data_dir, name)


def _make(path: Path) -> None:
    """Write the whole secret aside, then give it its name, unless another process was first."""
    aside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, secrets.token_bytes(SECRET_BYTES))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    try:
        os.link(aside, path)
    except FileExistsError:
        pass
    finally:
        aside.unlink()
