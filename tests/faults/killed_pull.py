"""Pulls in processes of their own, killed where a test says; none outlives it."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ehr import SmallEhr
from tests.faults.proxy import Answer

LONG = 300  # seconds in which even a busy machine pulls four patients


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen[bytes]]]:
    """The processes that a test starts; none outlives it."""
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for process in started:
        process.kill()
        process.communicate()


def start(ehr: SmallEhr, data_dir: Path, *more: str) -> subprocess.Popen[bytes]:
    """A pull in a process of its own; ``more`` as in `tests.faults.pull`."""
    arguments = [str(data_dir), ehr.base_url, str(ehr.keys["ec"]), *more]
    command = [sys.executable, "-m", "tests.faults.pull", *arguments]
    return subprocess.Popen(command, stderr=subprocess.PIPE)


def killed_at(
    ehr: SmallEhr,
    data_dir: Path,
    pattern: str,
    processes: list[subprocess.Popen[bytes]],
    *more: str,
) -> None:
    """Pull in a process that is killed while it waits for the first answer to such a request."""

    def fault(method: str, path: str, given: Answer) -> Answer:
        if matches(f"{method} {path}"):
            processes[-1].kill()
        return given

    matches = re.compile(pattern).search
    with ehr.proxy.fault(fault):
        processes.append(start(ehr, data_dir, *more))
        assert processes[-1].wait(LONG) == -signal.SIGKILL
