"""`weir network heads` and `new-ledger`: what the network knows of the sites' ledgers."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from sqlmodel import Session

Config = Annotated[
    Path, typer.Option("--config", help="The network's configuration, network.toml.")
]
Site = Annotated[str, typer.Argument(help="The site's id.")]


def heads(config: Config, site: Site) -> None:
    """Print the heads of a site's ledger that came with its reports, as JSON, the oldest first.

    Whoever checks the ledger at the site needs them to find that its end was cut off.
    """
    from service.network.heads import heads_of

    with _session(config) as session:
        known = [
            {"seq": each.seq, "hash": each.hash, "received": each.received}
            for each in heads_of(session, site)
        ]
    sys.stdout.write(json.dumps(known, indent=2) + "\n")


def new_ledger(config: Config, site: Site) -> None:
    """Accept that a site's ledger begins anew: only when it is lost, and no backup is left."""
    from service.network.heads import accept_new

    with _session(config) as session:
        accept_new(session, "weir network new-ledger", site)
        session.commit()
    sys.stdout.write(f"{site}: the next head that comes may be the first of a new ledger\n")


@contextmanager
def _session(config: Path) -> Iterator[Session]:
    from service.network.config import load
    from service.network.database import open_database

    engine = open_database(load(config).database)
    try:
        with Session(engine) as session:
            yield session
    finally:
        engine.dispose()
