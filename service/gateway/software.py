"""The digest of this program's files, so that the ledger says what software sent something."""

from functools import cache
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).parents[1]
KINDS = (".py", ".json", ".html", ".css", ".svg")


@cache
def digest() -> str:
    """SHA-256 over names and contents of all files of the package `service`, in order of name.

    The same files give the same digest wherever they are installed: `weir ledger software` prints
    it, and anyone can compute it from the source.
    """
    whole = sha256()
    for path in sorted(path for path in ROOT.rglob("*") if path.suffix in KINDS):
        of = sha256(path.read_bytes()).hexdigest()
        whole.update(f"{of}  {path.relative_to(ROOT).as_posix()}\n".encode())
    return f"sha256:{whole.hexdigest()}"
