"""`weir site push`: deliver what waits in the outbox, without a pull."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from service.cli.site_run import COMPLETE, FAILED, tell_push
from service.events import keep_tracebacks
from service.site.config import load_config
from service.site.pipeline import deliver


def push(
    config: Annotated[Path, typer.Option("--config", help="The site's configuration, site.toml.")],
) -> None:
    """Deliver what waits in the outbox, without a pull.

    For after a night in which the network, or the EHR, was not there.
    """
    settings = load_config(config)
    keep_tracebacks(settings.data_dir)
    done = deliver(settings)
    tell_push(done)
    sys.exit(COMPLETE if done.complete else FAILED)
