"""Killing the engine or the gateway (kill -9) while both work on one spool, each in its process."""

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from service.measure.summary import SummaryGroup
from service.site.keys import ROUNDING, site_keys
from tests.faults.killed_pair import NEVER
from tests.faults.receiver import run_receiver
from tests.faults.test_push import network_config
from tests.faults.test_push_kill import ARRIVED, checked

EACH = 12  # kills of each program
SURE = 0.8  # of the steps of runs after each other, those that runs at once have at least
Reports = list[tuple[str, tuple[SummaryGroup, ...]]]


def killed(folder: Path, cases: Sequence[str]) -> tuple[list[dict[str, Any]], list[Reports]]:
    """For each case: how the runs ended, and what the network has in the end.

    It is checked that this is what the outbox says was sent, and what the ledger shows.
    """
    homes = [folder / case for case in cases]
    for home in homes:
        (home / "keys").mkdir(parents=True)
        (home / "keys" / ROUNDING).write_bytes(b"r" * 32)  # so that all round alike
    keys = {home.name: site_keys(home) for home in homes}
    with run_receiver(network_config(folder, **keys)) as receiver:
        command = [sys.executable, "-m", "tests.faults.killed_pair", str(folder), receiver.url]
        done = subprocess.run([*command, *cases], stdout=subprocess.PIPE, check=True, timeout=1200)
        runs = [json.loads(line) for line in done.stdout.splitlines()]
        return runs, [checked(receiver, home) for home in homes]


@pytest.mark.full
def test_either_program_can_be_killed_and_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    """Evenly over the steps of each, while the other goes on."""
    names = ("engine", "gateway")
    runs, (undisturbed, again) = killed(tmp_path / "count", [f"{name}-{NEVER}" for name in names])
    assert [start for start, _ in undisturbed] == ARRIVED
    assert again == undisturbed
    assert all(run["killed"] == [0, 0] for run in runs)
    cases = [
        f"{name}-{1 + number * int(SURE * run['steps']) // EACH}"
        for name, run in zip(names, runs, strict=True)
        for number in range(EACH)
    ]
    runs, reports = killed(tmp_path / "killed", cases)
    for run in runs:
        died = [-signal.SIGKILL if run["case"].startswith(name) else 0 for name in names]
        assert (run["first"], run["killed"], run["last"]) == ([0, 0], died, [0, 0, 0]), run["case"]
    assert all(each == undisturbed for each in reports)
