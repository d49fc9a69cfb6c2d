"""`weir site sent`: what has left the site, byte for byte."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from service.errors import ConfigError
from service.site.config import load_config
from service.site.database import open_database
from service.site.outbox import Outbox


def sent(
    config: Annotated[Path, typer.Option("--config", help="The site's configuration, site.toml.")],
    show: Annotated[
        str, typer.Option(help="Print the exact bytes of the report of this key.")
    ] = "",
) -> None:
    """List every report that left with its receipt, then what waits, was refused or withheld.

    One report a line, tabs between: state, measure, period, number, key, receipt or trouble.
    """
    outbox = Outbox(open_database(load_config(config).data_dir))
    if show:
        _print(outbox, show)
        return
    for one in (*outbox.sent(), *outbox.queued(), *outbox.refused(), *outbox.withheld()):
        fields = (one.status, one.measure, one.period, str(one.number), one.key, one.note)
        sys.stdout.write("\t".join(fields) + "\n")


def _print(outbox: Outbox, key: str) -> None:
    found = outbox.find(key)
    if found is None:
        raise ConfigError("no report has this key", where=key, todo="`weir site sent` lists them")
    sys.stdout.buffer.write(found.body)
