"""Killed at any moment, or out of room: the last store stays whole, and the next run is right."""

import subprocess
import time
from pathlib import Path

import pytest

from service.cql.record import PatientRecord
from service.errors import StoreError
from service.site.acquire import acquire
from service.site.building import build_store
from service.site.store import open_store
from tests.ehr import PLAN, QUICK, SmallEhr, assert_no_canary
from tests.faults.killed_pull import LONG, killed_at, processes, start

__all__ = ["processes"]  # the fixture

STEPS = {
    "sign-in": "/auth/token",
    "kick-off": r"\$export",
    "status": "GET .*bulk-status",
    "first file": "bulk-files.*Encounter",
    "last file": "bulk-files.*Patient",
    "delete": "DELETE",
    "read": "GET .*/Location/ward",
}
full = pytest.mark.full


@pytest.fixture(scope="module")
def truth(ehr: SmallEhr, tmp_path_factory: pytest.TempPathFactory) -> list[PatientRecord]:
    """What an undisturbed run gives."""
    folder = tmp_path_factory.mktemp("truth")
    store = build_store(acquire(ehr.config(folder), PLAN, QUICK), PLAN, folder)
    return list(store.patients())


def the_next_run_is_right(ehr: SmallEhr, data_dir: Path, truth: list[PatientRecord]) -> None:
    """Run again, undisturbed."""
    acquisition = acquire(ehr.config(data_dir), PLAN, QUICK)
    store = build_store(acquisition, PLAN, data_dir)
    acquisition.discard()
    assert list(store.patients()) == truth
    left = {path.name for path in data_dir.iterdir()}
    assert left == {"store", "store.json", "expected.json", "quarantine.ndjson"}


@pytest.mark.parametrize(
    "step",
    [pytest.param(s, marks=() if s == "last file" else full) for s in STEPS],
)
def test_killed_during_the_pull(
    ehr: SmallEhr,
    tmp_path: Path,
    truth: list[PatientRecord],
    processes: list[subprocess.Popen[bytes]],
    step: str,
) -> None:
    killed_at(ehr, tmp_path, STEPS[step], processes)
    with pytest.raises(StoreError, match="no store"):
        open_store(tmp_path)
    the_next_run_is_right(ehr, tmp_path, truth)


@pytest.mark.parametrize(
    "delay", [0.05, *(pytest.param(n / 100, marks=full) for n in (0, 1, 2, 3, 7, 9, 12, 15))]
)
def test_killed_while_the_store_is_built(
    ehr: SmallEhr,
    tmp_path: Path,
    truth: list[PatientRecord],
    processes: list[subprocess.Popen[bytes]],
    delay: float,
) -> None:
    processes.append(start(ehr, tmp_path))
    while not (tmp_path / "building").exists() and processes[0].poll() is None:
        time.sleep(0.001)
    time.sleep(delay)
    processes[0].kill()
    processes[0].wait()
    if (tmp_path / "store.json").exists():  # it was quicker
        assert list(open_store(tmp_path).patients()) == truth
    the_next_run_is_right(ehr, tmp_path, truth)


@pytest.mark.parametrize(
    "largest",
    [
        pytest.param(100, marks=pytest.mark.full, id="a read"),
        pytest.param(1500, marks=pytest.mark.full, id="a file"),
        pytest.param(5000, marks=pytest.mark.full, id="the records"),
    ],
)
def test_without_room_the_last_store_stays(
    ehr: SmallEhr,
    tmp_path: Path,
    truth: list[PatientRecord],
    processes: list[subprocess.Popen[bytes]],
    largest: int,
) -> None:
    the_next_run_is_right(ehr, tmp_path, truth)
    processes.append(start(ehr, tmp_path, str(largest)))
    _, told = processes[0].communicate(timeout=LONG)
    assert b"StoreError" in told and b"free space" in told
    assert_no_canary(told.decode())
    assert list(open_store(tmp_path).patients()) == truth
    the_next_run_is_right(ehr, tmp_path, truth)
