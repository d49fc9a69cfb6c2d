"""The processes that build a store, when one of them dies or what they read is not there."""

import json
import os
import signal
from pathlib import Path

import pytest

from service.errors import StoreError
from service.site.acquisition import AcquiredFile, Acquisition
from service.site.plan import AcquisitionPlan
from service.site.staging import Range, Staged, ranges
from service.site.workers import Setting, Stage, setting_of, workers

PLAN = AcquisitionPlan({"Patient": frozenset({"birthDate"})})


def setting(folder: Path) -> Setting:
    """What the jobs of a build share."""
    pull = Acquisition(folder, "https://ehr.example/fhir", "2026-01-01T00:00:00+00:00", (), ())
    return setting_of(pull, PLAN, folder, {})


def processes() -> list[int]:
    """The workers that this process has started."""
    started = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    told = {int(pid): Path(f"/proc/{pid}/cmdline").read_bytes() for pid in started}
    return [pid for pid, command in told.items() if b"service.site.workers" in command]


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core alone starts no processes")
def test_a_process_that_died_is_said_to_have_died(tmp_path: Path) -> None:
    path = tmp_path / "Patient.ndjson"
    path.write_text(json.dumps({"resourceType": "Patient", "id": "1", "birthDate": "2000-01-01"}))
    jobs = [Stage(part) for part in ranges([AcquiredFile(path, "Patient", 1)] * 8)]
    shared = setting(tmp_path)
    with (
        pytest.raises(StoreError, match="A process that builds the store has died"),
        workers(alone=False) as set_to_work,
    ):
        crew = set_to_work(shared)
        for process in processes():
            os.kill(process, signal.SIGKILL)
        crew.do(jobs, Staged, lambda staged: None)
    assert processes() == []


@pytest.mark.parametrize("alone", [True, False])
def test_a_file_that_became_shorter_is_never_read_as_if_it_were_whole(
    tmp_path: Path, alone: bool
) -> None:
    path = tmp_path / "Patient.ndjson"
    path.write_text(json.dumps({"resourceType": "Patient", "id": "1"}) + "\n")
    job = Stage(Range(0, str(path), "Patient", 0, path.stat().st_size + 1))
    shared = setting(tmp_path)
    with (
        pytest.raises((StoreError, OSError), match="A file of the pull has become shorter"),
        workers(alone=alone) as set_to_work,
    ):
        set_to_work(shared).do([job], Staged, lambda staged: None)
