"""A server or program in a process of its own, which is stopped at the end whatever happens."""

import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

from service.fhir.http import open_client

START_SECONDS = 180.0
STOP_SECONDS = 10.0
TOLD_LINES = 5


@contextmanager
def started(
    command: Sequence[str], log: Path, folder: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command in a folder, its output added to the log."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        _stop(process)


def answers(process: subprocess.Popen[bytes], url: str) -> bool:
    """Wait until the process serves an address; False if it ends before, or takes too long."""
    deadline = time.monotonic() + START_SECONDS
    with open_client() as client:
        while process.poll() is None and time.monotonic() < deadline:
            try:
                if client.get(url).is_success:
                    return True
            except httpx.TransportError:
                pass
            time.sleep(0.1)
    return False


def last_words(log: Path) -> str:
    """The end of a log, in one line."""
    return " / ".join(log.read_text(errors="replace").splitlines()[-TOLD_LINES:])


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
