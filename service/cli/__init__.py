"""The command ``weir``: one subcommand a file, wired together here."""

import sys

import typer

from service.cli import cql, demo, evaluate, gateway, ledger, measure, network, policy, site, spc
from service.errors import WeirError
from service.events import quiet_libraries, unforeseen

app = typer.Typer(
    name="weir",
    help="Measures computed beside the EHR; only protected aggregates leave.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@app.callback()
def weir() -> None:
    """Measures computed beside the EHR; only protected aggregates leave."""


app.add_typer(network.app, name="network")
app.add_typer(site.app, name="site")
app.add_typer(policy.app, name="policy")
app.add_typer(gateway.app, name="gateway")
app.add_typer(ledger.app, name="ledger")
app.add_typer(measure.app, name="measure")
app.command()(evaluate.evaluate)
app.command()(cql.cql)
app.command()(demo.demo)
app.command(help=spc.HELP)(spc.spc)


def main() -> None:
    """Run the command; an error for people is one line on stderr and exit code 1."""
    quiet_libraries()
    try:
        app()
    except WeirError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(1)
    except Exception as error:
        # Its text may quote a record: the traceback stays in a file of the site's own.
        sys.stderr.write(f"error: {unforeseen(error)}\n")
        sys.exit(1)
