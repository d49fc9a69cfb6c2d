"""The command ``weir``: one subcommand a file, imported when it is asked for."""

import sys
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_group

from service.errors import WeirError
from service.events import quiet_libraries, unforeseen

COMMANDS = (
    "network",
    "site",
    "policy",
    "gateway",
    "ledger",
    "measure",
    "evaluate",
    "cql",
    "demo",
    "spc",
)


class OnDemand(TyperGroup):
    """Imports the one file that is called for: the others and all they rest on take a second."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The subcommand of a name; None, and an error for people, where there is none."""
        if cmd_name not in COMMANDS:
            return None
        file = import_module(f"service.cli.{cmd_name}")
        program = typer.Typer()
        if hasattr(file, "app"):
            program.add_typer(file.app, name=cmd_name)
        else:
            program.command(cmd_name, help=getattr(file, "HELP", None))(getattr(file, cmd_name))
        return get_group(program).commands[cmd_name]


app = typer.Typer(
    name="weir",
    cls=OnDemand,
    help="Measures computed beside the EHR; only protected aggregates leave.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@app.callback()
def weir() -> None:
    """Measures computed beside the EHR; only protected aggregates leave."""


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
