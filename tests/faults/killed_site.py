"""A site that protects, keeps and pushes, and dies where it is told to.

    python -m tests.faults.killed_site FOLDER URL POINT POINT ...

For each POINT a folder `FOLDER/<POINT>` with the site's keys stands ready. The program forks for
each run, so that what is slow to start is started once. It makes a first run in peace; a second
one, with changed and new data, that kills itself (SIGKILL) at the POINT-th step; and a third one,
in peace, with the data of the second. A step is a call or a return of the site's own functions, of
the database's statements and commits, or of the client's work on the wire. Prints for each POINT
how many steps the second run took, and whether it died.
"""

import gc
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from service.fhir.patience import Patience
from service.gateway.spool import Spool
from service.site.database import open_database
from service.site.keys import site_keys
from service.site.outbox import Outbox
from service.site.push import collect, push
from tests.faults.test_push import site_config
from tests.releases import package, release

QUICK = Patience(attempts=2, first=0.01, longest=0.01)
FIRST = {"2024-Q1": (90, 15, 20), "2024-Q2": (90, 15, 20)}
SECOND = {"2024-Q1": (90, 15, 40), "2024-Q2": (90, 15, 20), "2024-Q3": (90, 15, 20)}
STEPS = frozenset({"do_begin", "do_execute", "do_commit", "do_rollback"})
ROOMS = ("/service/site/", "/service/gateway/")
WIRE = ("httpcore/_sync/http11.py", "httpcore/_backends/sync.py")
Counts = dict[str, tuple[int, int, int]]


def run(folder: Path, url: str, data: Counts) -> None:
    """What a run of the site does once results are there, engine and gateway after each other."""
    keys = site_keys(folder)
    outbox = Outbox(open_database(folder))
    collect(outbox, Spool(folder / "spool"))
    for period, counts in data.items():
        one = release(period, counts, site=folder.name, key=keys.rounding)
        current = outbox.current(one.measure, one.period)
        outbox.enqueue(
            release(period, counts, site=folder.name, key=keys.rounding, replaces=current)
        )
    push(site_config(folder, url, folder.name), outbox, keys, QUICK)


def in_a_child(work: Callable[[], None]) -> int:
    """Run `work` in a process of its own; its exit status, negative for a signal."""
    return ended(started(work))


def started(work: Callable[[], None]) -> int:
    """Start `work` in a process of its own; its id."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0 if sys.exc_info()[0] is None else 1)
    return child


def ended(child: int) -> int:
    """Wait for a process; its exit status, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def dying_at(point: int, work: Callable[[], None], report: Path) -> None:
    """Run `work` and kill this process at its `point`-th step."""
    steps = 0

    def count(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal steps
        if event in ("call", "return") and is_step(frame):
            steps += 1
            if steps == point:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    report.write_text(str(steps))


def is_step(frame: FrameType) -> bool:
    name = frame.f_code.co_filename
    return (
        any(room in name for room in ROOMS) or frame.f_code.co_name in STEPS or name.endswith(WIRE)
    )


def main(folder: Path, url: str, points: list[int]) -> None:
    package()
    gc.disable()  # a collection would make steps differ from run to run
    for point in points:
        home = folder / f"s{point}"
        report = home / "steps"
        first = in_a_child(lambda home=home: run(home, url, FIRST))  # type: ignore[misc]
        killed = in_a_child(
            lambda home=home, point=point, report=report: dying_at(  # type: ignore[misc]
                point, lambda: run(home, url, SECOND), report
            )
        )
        last = in_a_child(lambda home=home: run(home, url, SECOND))  # type: ignore[misc]
        steps = int(report.read_text()) if report.exists() else None
        told = {"point": point, "exits": [first, killed, last], "steps": steps}
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], [int(point) for point in sys.argv[3:]])
