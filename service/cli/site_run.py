"""`weir site run`: pull, compute, protect and push, once."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from service.events import keep_tracebacks
from service.site.config import load_config
from service.site.outbox import Dispatch
from service.site.pipeline import Run
from service.site.pipeline import run as run_once
from service.site.push import PushSummary
from service.site.survey import UNMAPPED_FILE as UNMAPPED

COMPLETE, FAILED, INCOMPLETE = 0, 1, 3
TRIAL = (
    "For a trial: this one program reads the EHR and speaks to the network, and holds all keys "
    "(docs/for-security-review.md says what that lacks)\n"
)


def run(
    config: Annotated[Path, typer.Option("--config", help="The site's configuration, site.toml.")],
) -> None:
    """Pull, compute, protect and push, once.

    Exit code 0: everything is complete and delivered. 3: reported, but a result is provisional or
    not computable. 1: something failed; what is ready to be sent waits in the outbox.
    """
    settings = load_config(config)
    keep_tracebacks(settings.data_dir)
    done = run_once(settings)
    _tell(done, settings.data_dir)
    if settings.network is not None:
        sys.stderr.write(TRIAL)
    if not done.push.complete:
        sys.exit(FAILED)
    sys.exit(COMPLETE if done.complete else INCOMPLETE)


def _tell(done: Run, data_dir: Path) -> None:
    """What the run came to, in words that may stand in a log: no count of a measure is in them."""
    console = Console(highlight=False, soft_wrap=True)
    table = Table("measure", "periods", "verdict")
    for measure in done.measures:
        told = measure.verdict or "none is over"
        table.add_row(measure.measure, str(measure.periods), told)
    console.print(table)
    for measure in done.measures:
        if measure.failed:
            console.print(f"{measure.measure}: {measure.failed} results could not be determined")
    for finding in done.findings:
        console.print(f"Found: {finding}")
    if done.unmapped:
        console.print(f"{done.unmapped} codes have no mapping; see {data_dir / UNMAPPED}")
    for each in done.held:
        console.print(f"Held: {each.named}: {each.held}")
    console.print(f"{done.patients} patients read, {done.made} new reports")
    tell_push(done.push)


def tell_push(done: PushSummary) -> None:
    """What was delivered, and what was not and why."""
    console = Console(highlight=False, soft_wrap=True)
    if done.handed:
        console.print(f"{done.handed} reports are with the gateway")
    console.print(f"{done.sent} reports delivered")
    for dispatch in done.held:
        console.print(f"For approval: {_named(dispatch)}. See `weir gateway proposals`")
    for dispatch in done.waiting:
        console.print(f"Waiting: {_named(dispatch)}. The next run or `weir site push` sends it")
    for dispatch in done.refused:
        console.print(f"Refused: {_named(dispatch)}. Ask the network's staff")


def _named(dispatch: Dispatch) -> str:
    return f"{dispatch.measure}, {dispatch.period} ({dispatch.note or 'not tried yet'})"
