"""The exact bytes of every release that the gateway ever took, with the engine's signature.

Two files a release, named by the hash of the bytes. They are what is sent, and what can be shown
to anyone who asks what left.
"""

from hashlib import sha256
from pathlib import Path

from service.errors import StoreError
from service.gateway.spool import write_whole

FOLDER = "archive"


class Archive:
    """The files under `data_dir/archive`."""

    def __init__(self, data_dir: Path) -> None:
        self.folder = data_dir / FOLDER
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def keep(self, body: bytes, signature: str) -> None:
        """Have bytes and signature on disk. Raises StoreError."""
        path = self.folder / sha256(body).hexdigest()
        try:
            write_whole(path.with_suffix(".jws"), signature.encode())
            write_whole(path, body)
        except OSError as error:
            todo = "Check the folder's owner and its free space"
            raise StoreError("a release cannot be kept", where=str(path), todo=todo) from error

    def find(self, report: str) -> tuple[bytes, str]:
        """Bytes and signature by the hash, `sha256:<hex>`.

        Raises StoreError when they are missing or are not what was taken.
        """
        path = self.folder / report.removeprefix("sha256:")
        try:
            body, signature = path.read_bytes(), path.with_suffix(".jws").read_text("ascii")
        except (OSError, UnicodeDecodeError) as error:
            raise _not_what_was_taken(path) from error
        if sha256(body).hexdigest() != path.name:
            raise _not_what_was_taken(path)
        return body, signature


def _not_what_was_taken(path: Path) -> StoreError:
    todo = "Nothing more is sent. Restore the gateway's folder from the backup"
    return StoreError("a release is not what was taken", where=str(path), todo=todo)
