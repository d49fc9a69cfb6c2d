"""`weir demo`: the main job on two made-up hospitals, end to end."""

import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from service.demo.demo import MEASURES, SEED, Demo, set_up
from service.demo.programs import run_sites
from service.demo.tables import measure_table

INTERRUPTED = 130  # as a shell tells it


def demo(
    once: Annotated[bool, typer.Option("--once", help="Stop after printing.")] = False,
    folder: Annotated[Path, typer.Option(help="Where everything is written.")] = Path("demo-data"),
    seed: Annotated[int, typer.Option(help="Which story the made-up records tell.")] = SEED,
) -> None:
    """Two hospitals' EHRs, the site program beside each, and the network that they report to.

    Prints what the network then shows, and serves its pages until Ctrl-C.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with set_up(folder, seed) as running:
            complete = run_sites(running.sites)
            _show(running, complete)
            if not once:
                _wait()
    except KeyboardInterrupt:
        sys.stderr.write("Stopped before the end\n")
        sys.exit(INTERRUPTED)


def _wait() -> None:
    """Until Ctrl-C; the servers are in processes of their own."""
    sys.stderr.write("Serving until Ctrl-C\n")
    with suppress(KeyboardInterrupt):
        threading.Event().wait()


def _show(running: Demo, complete: Sequence[bool]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    for measure in MEASURES:
        console.print(measure_table(running.feed(measure)), "")
    console.print("Counts are rounded to a multiple of 3, and none of 1 to 10 is shown.")
    for site, whole in zip(running.sites, complete, strict=True):
        verdict = "complete" if whole else f"provisional; see {site.log}"
        console.print(f"{site.center.title}: {verdict}; its EHR is {site.ehr_url}")
    console.print(f"The network's pages: {running.network_url}/")
    for measure in MEASURES:
        console.print(f"  {running.network_url}/measures/{measure}")


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
