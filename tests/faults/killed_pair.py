"""An engine and a gateway as two processes over one spool, one of which dies where it is told to.

    python -m tests.faults.killed_pair FOLDER URL CASE CASE ...

A CASE is `engine-POINT` or `gateway-POINT`, and for each a folder `FOLDER/<CASE>` with the site's
keys stands ready. Both programs run once in peace, after each other. Then both run at once, the
gateway again and again until the engine has ended, on changed and new data; the one that the CASE
names kills itself (SIGKILL) at its POINT-th step. At last both run in peace until the engine knows
what became of everything. Prints for each CASE how all of them ended, and how many steps the one
took that was to die. What a step is says `killed_site`.
"""

import gc
import json
import sys
from collections.abc import Callable
from pathlib import Path

from service.gateway.delivery import deliver
from service.site.database import open_database
from service.site.keys import site_keys
from service.site.outbox import Outbox
from service.site.push import gateway_of, push
from tests.faults.killed_site import (
    FIRST,
    QUICK,
    SECOND,
    Counts,
    dying_at,
    ended,
    in_a_child,
    started,
)
from tests.faults.test_push import site_config
from tests.releases import package, release

NEVER = 10**6  # a step that no run has
Work = Callable[[], None]


def engine(folder: Path, url: str, data: Counts) -> None:
    """What a run of the engine does once results are there: it leaves releases in the spool."""
    keys = site_keys(folder)
    outbox = Outbox(open_database(folder))
    for period, counts in data.items():
        one = release(period, counts, site=folder.name, key=keys.rounding)
        current = outbox.current(one.measure, one.period)
        outbox.enqueue(
            release(period, counts, site=folder.name, key=keys.rounding, replaces=current)
        )
    alone = site_config(folder, url, folder.name).model_copy(update={"network": None})
    push(alone, outbox, keys)


def gateway(folder: Path, url: str) -> None:
    """A run of the gateway."""
    config = site_config(folder, url, folder.name)
    assert config.network is not None
    deliver(gateway_of(config, config.network, site_keys(folder)), QUICK)


def gateway_until(mark: Path, folder: Path, url: str) -> None:
    """Run the gateway again and again, and once more when the mark is there."""
    over = False
    while not over:
        over = mark.exists()
        gateway(folder, url)


def at_once(case: str, folder: Path, url: str, report: Path) -> list[int]:
    """Both programs at the same time: how engine and gateway ended.

    Where none is to die they run after each other, so that the gateway takes no step in vain.
    """
    dying, _, point = case.partition("-")
    mark = folder / "engine-has-ended"
    works: dict[str, Work] = {
        "engine": lambda: engine(folder, url, SECOND),
        "gateway": lambda: gateway_until(mark, folder, url),
    }
    peaceful = works[dying]
    works[dying] = lambda: dying_at(int(point), peaceful, report)
    if int(point) == NEVER:
        mark.touch()
        return [in_a_child(works["engine"]), in_a_child(works["gateway"])]
    children = {name: started(work) for name, work in works.items()}
    exits = [ended(children["engine"])]
    mark.touch()
    return [*exits, ended(children["gateway"])]


def main(folder: Path, url: str, cases: list[str]) -> None:
    package()
    gc.disable()  # a collection would make steps differ from run to run
    for case in cases:
        home = folder / case
        report = home / "steps"
        peace: dict[str, Work] = {
            "engine": lambda home=home: engine(home, url, SECOND),  # type: ignore[misc]
            "gateway": lambda home=home: gateway(home, url),  # type: ignore[misc]
        }
        first = [in_a_child(lambda home=home: engine(home, url, FIRST))]  # type: ignore[misc]
        first.append(in_a_child(peace["gateway"]))
        killed = at_once(case, home, url, report)
        last = [in_a_child(peace[name]) for name in ("engine", "gateway", "engine")]
        steps = int(report.read_text()) if report.exists() else None
        told = {"case": case, "first": first, "killed": killed, "last": last, "steps": steps}
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
