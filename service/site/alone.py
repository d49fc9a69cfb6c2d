"""One command at a time works on a site's folder."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from service.errors import StoreError


@contextmanager
def alone(data_dir: Path) -> Iterator[None]:
    """Two runs at once would pull into one folder. The lock goes with the process.

    Raises StoreError while another one works.
    """
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(os.open(data_dir / "run.lock", os.O_RDWR | os.O_CREAT, 0o600), "rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            todo = "Wait until it has ended"
            raise StoreError("another run is at work", where=str(data_dir), todo=todo) from None
        yield
