"""`weir site`: the program beside the EHR."""

import logging
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
import uvicorn
from rich.console import Console
from rich.table import Table

from service.cli.enrol import site_enrol
from service.cli.site_accept import accept
from service.cli.site_audit import audit
from service.cli.site_backup import backup, restore
from service.cli.site_catalogue import catalogue
from service.cli.site_doctor import doctor
from service.cli.site_forget import forget
from service.cli.site_key import key
from service.cli.site_preview import preview
from service.cli.site_push import push
from service.cli.site_rotate import rotate
from service.cli.site_run import run
from service.cli.site_sent import sent
from service.cli.site_stop import stop
from service.cli.site_withdraw import withdraw
from service.errors import ConfigError
from service.site.app import create_app
from service.site.config import load_config
from service.site.database import open_database
from service.site.tokens import AccessToken, list_tokens, make_token, revoke_token

app = typer.Typer(no_args_is_help=True, help="The program beside the EHR.")
app.command()(run)
app.command()(push)
app.command()(accept)
app.command(name="enrol")(site_enrol)
app.command()(forget)
app.command()(key)
app.command()(rotate)
app.command()(audit)
app.command()(sent)
app.command()(preview)
app.command()(withdraw)
app.command()(doctor)
app.command()(catalogue)
app.command()(backup)
app.command()(restore)
app.command()(stop)

Config = Annotated[Path, typer.Option("--config", help="The site's configuration, site.toml.")]


@app.command()
def serve(
    config: Config,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen on.", min=0, max=65535)] = 8090,
) -> None:
    """Serve the developers' endpoints: exact results, for people at the site with a token.

    Listen elsewhere than on 127.0.0.1 only behind a gateway that speaks TLS: tokens and patients'
    data would cross the network in the clear.
    """
    _log_to_stderr()
    program = create_app(load_config(config))
    # The access log is the program's own: uvicorn's would show queries, which name patients.
    uvicorn.run(
        program, host=host, port=port, access_log=False, log_config=None, server_header=False
    )


@app.command()
def token(
    config: Config,
    label: Annotated[str, typer.Option(help="Whose token it is, for the audit log.")] = "",
    days: Annotated[int, typer.Option(help="How long it is good for.", min=1, max=3650)] = 90,
    list_all: Annotated[bool, typer.Option("--list", help="List the tokens instead.")] = False,
    revoke: Annotated[str, typer.Option(help="Revoke the token of this id instead.")] = "",
) -> None:
    """Make a token for local sign-in and print it, once; or list or revoke tokens."""
    if list_all and revoke:
        raise ConfigError("--list and --revoke do not go together")
    engine = open_database(load_config(config).data_dir)
    now = datetime.now(UTC)
    if list_all:
        Console().print(_table(list_tokens(engine), now))
    elif revoke:
        revoke_token(engine, revoke, now)
        sys.stderr.write(f"token {revoke} is revoked\n")
    else:
        sys.stdout.write(make_token(engine, label or "unnamed", timedelta(days=days), now) + "\n")
        sys.stderr.write(f"good for {days} days; kept nowhere, so keep it safe\n")


def _table(tokens: Sequence[AccessToken], now: datetime) -> Table:
    table = Table("id", "label", "made", "expires", "state")
    for one in tokens:
        table.add_row(one.id, one.label, one.created[:10], one.expires[:10], one.state(now))
    return table


def _log_to_stderr() -> None:
    """Our log and the server's; other libraries' only from warnings on, for they name URLs."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for name in ("weir", "uvicorn"):
        logging.getLogger(name).setLevel(logging.INFO)
