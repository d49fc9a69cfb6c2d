"""`weir network`: the program at the coordinating center."""

import gc
import logging
import sys
from pathlib import Path
from typing import Annotated

import typer

from service.cli.gateway_carry import import_parcel
from service.cli.network_ledgers import heads, new_ledger
from service.errors import ConfigError

app = typer.Typer(no_args_is_help=True, help="The program at the coordinating center.")

app.command(name="import")(import_parcel)
app.command()(heads)
app.command(name="new-ledger")(new_ledger)

LOOPBACK = "127.0.0.1"
Config = Annotated[
    Path, typer.Option("--config", help="The network's configuration, network.toml.")
]


@app.callback()
def network() -> None:
    """The program at the coordinating center."""


@app.command()
def serve(
    config: Config,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = LOOPBACK,
    port: Annotated[int, typer.Option(help="The port to listen on.")] = 8300,
) -> None:
    """Receive reports from sites, and show them to those who may see them.

    Listen elsewhere than on 127.0.0.1 only behind a gateway that brings TLS.
    """
    # Imported late, so that other commands do not wait for it.
    import uvicorn

    from service.network.app import create_app
    from service.network.config import load

    settings = load(config)
    if settings.access == "open" and host not in (LOOPBACK, "::1", "localhost"):
        todo = 'Remove access = "open", and make accounts with `weir network account`'
        raise ConfigError(
            "an open network is served on 127.0.0.1 only", where=str(config), todo=todo
        )
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    # httpx would write the addresses that it asks, queries included.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    served = create_app(settings)
    # A large network's numbers are a million small things without cycles: searching them for some
    # would take a third of the time that making them takes.
    gc.set_threshold(100_000, 50, 100)
    # Our own access log names routes; uvicorn's would write paths and queries.
    uvicorn.run(served, host=host, port=port, access_log=False, log_config=None)


@app.command()
def account(
    config: Config,
    name: Annotated[str, typer.Argument(help="The person's e-mail address.")],
    role: Annotated[
        str, typer.Option(help="reader, site lead, network staff or administrator.")
    ] = "reader",
    site: Annotated[list[str] | None, typer.Option(help="A site that the person is of.")] = None,
    oidc: Annotated[bool, typer.Option(help="Without password: signs in by OpenID only.")] = False,
) -> None:
    """Make an account or change it; the first administrator is made here.

    The password is asked for, or read from standard input.
    """
    from sqlmodel import Session

    from service.network.config import load
    from service.network.database import open_database
    from service.network.people.account import put_account
    from service.network.people.role import Person, Role

    if role not in set(Role) - {Role.ANYONE} or "@" not in name:
        raise ConfigError("an account has an e-mail address and one of the four roles")
    password = None if oidc else _password()
    engine = open_database(load(config).database)
    with Session(engine) as session:
        person = Person(name, Role(role), frozenset(site or ()))
        put_account(session, "weir network account", person, password)
        session.commit()
    engine.dispose()


@app.command()
def backup(
    config: Config, to: Annotated[Path, typer.Argument(help="The file to write, a ZIP.")]
) -> None:
    """Write everything that the network knows, and its keys, into one file."""
    from service.network.backup import back_up
    from service.network.config import load

    _tell(back_up(load(config), to))


@app.command()
def restore(
    config: Config, source: Annotated[Path, typer.Argument(help="A file that `backup` wrote.")]
) -> None:
    """Fill an empty database and key folder from a backup."""
    from service.network.backup import restore as fill
    from service.network.config import load

    _tell(fill(load(config), source))


def _password() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    told: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    return told


def _tell(counts: dict[str, int]) -> None:
    for table, rows in sorted(counts.items()):
        sys.stdout.write(f"{table}: {rows}\n")
