"""Killing the site (kill -9) at every step from protecting to writing down the receipt."""

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from service.gateway.ledger import NAME, read_lines
from service.gateway.row import Answered, Sending, Taken
from service.gateway.verification import Evidence, verify
from service.measure.summary import SummaryGroup, parse
from service.network.submission import Submission
from service.site.database import open_database
from service.site.keys import ROUNDING, site_keys
from service.site.outbox import Outbox
from tests.faults.receiver import Receiver, run_receiver
from tests.faults.test_push import network_config

NEVER = 10**6  # a step that no run has
SURE = 0.95  # of the steps that one run had, those that every run has
ARRIVED = ["2024-01-01", "2024-04-01", "2024-01-01", "2024-07-01"]  # as releases are made


def killed_at(
    folder: Path, points: Sequence[int]
) -> tuple[list[dict[str, Any]], list[list[tuple[str, tuple[SummaryGroup, ...]]]]]:
    """For each point: how the three runs ended, and what the network has in the end."""
    homes = {f"s{point}": folder / f"s{point}" for point in points}
    for home in homes.values():
        (home / "keys").mkdir(parents=True)
        (home / "keys" / ROUNDING).write_bytes(b"r" * 32)  # so that all round alike
    keys = {name: site_keys(home) for name, home in homes.items()}
    with run_receiver(network_config(folder, **keys)) as receiver:
        command = [sys.executable, "-m", "tests.faults.killed_site", str(folder), receiver.url]
        command += [str(point) for point in points]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=1200)
        runs = [json.loads(line) for line in done.stdout.splitlines()]
        return runs, [checked(receiver, home) for home in homes.values()]


def checked(receiver: Receiver, home: Path) -> list[tuple[str, tuple[SummaryGroup, ...]]]:
    """What the network has of a site: that is what the outbox says was sent, once and as it was."""
    outbox = Outbox(open_database(home))
    assert not outbox.queued() and not outbox.refused()
    submissions = receiver.submissions(home.name)
    assert [each.release_key for each in submissions] == [each.key for each in outbox.sent()]
    assert [each.body for each in submissions] == [each.body for each in outbox.sent()]
    assert [each.receipt for each in submissions] == [each.note for each in outbox.sent()]
    _assert_the_ledger_shows(home, submissions)
    reports = [parse(each.body).summary for each in submissions]
    return [(report.period.start.isoformat(), report.groups) for report in reports]


def _assert_the_ledger_shows(home: Path, submissions: Sequence[Submission]) -> None:
    """Everything that arrived was announced before, and has one receipt; and nothing else."""
    folder = home / "gateway"
    verified = verify(folder / NAME, Evidence(archive=folder))
    assert verified.problems == ()
    rows = [line.row.what for line in read_lines(folder / NAME)]
    arrived = [f"sha256:{each.sha256}" for each in submissions]
    assert [row.report for row in rows if isinstance(row, Taken)] == arrived
    assert list(dict.fromkeys(r.report for r in rows if isinstance(r, Sending))) == arrived
    answers = [row for row in rows if isinstance(row, Answered) and row.receipt]
    assert [row.report for row in answers] == arrived
    assert [row.receipt for row in answers] == [each.receipt for each in submissions]


def steps_of_a_run(folder: Path) -> int:
    (run,), (reports,) = killed_at(folder / "count", [NEVER])
    assert run["exits"] == [0, 0, 0]
    assert [start for start, _ in reports] == ARRIVED
    return int(run["steps"])


def assert_the_same_after_a_kill(folder: Path, points: Sequence[int], steps: int) -> None:
    _, (undisturbed,) = killed_at(folder / "undisturbed", [NEVER])
    runs, reports = killed_at(folder / "killed", points)
    # How many steps a run has varies by a few with how the network's answers arrive: a point
    # chosen from the last of one run may lie beyond the end of another.
    certain = sum(point <= SURE * steps for point in points)
    exits = [run["exits"] for run in runs]
    assert exits[:certain] == [[0, -signal.SIGKILL, 0]] * certain
    assert all(each in ([0, -signal.SIGKILL, 0], [0, 0, 0]) for each in exits[certain:])
    assert all(each == undisturbed for each in reports)


@pytest.mark.full
def test_two_hundred_kills_lose_and_double_nothing(tmp_path: Path) -> None:
    """Evenly over all steps of release and send, from the first to the last."""
    steps = steps_of_a_run(tmp_path)
    points = sorted({1 + number * (steps - 1) // 199 for number in range(200)})
    assert len(points) == 200
    assert_the_same_after_a_kill(tmp_path, points, steps)
