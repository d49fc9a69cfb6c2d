"""`weir site audit`: who asked for what patient data here, and when."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from service.site.audit import AuditEntry, open_audit_log
from service.site.config import load_config
from service.site.database import open_database

COLUMNS = ("at", "label", "token", "action", "measure", "report_type", "period", "outcome")


def audit(
    config: Annotated[Path, typer.Option("--config", help="The site's configuration, site.toml.")],
    patient: Annotated[
        bool, typer.Option("--patient", help="Ask for a patient's id; show who looked at them.")
    ] = False,
) -> None:
    """Show the audit log of the developers' endpoints, oldest entry first.

    A table on a terminal; elsewhere one entry a line, with tabs between.
    """
    data_dir = load_config(config).data_dir
    log = open_audit_log(open_database(data_dir), data_dir)
    # Asked for, not given as an argument: those stand in the shell's history.
    name = typer.prompt("The patient's id", hide_input=True, err=True) if patient else None
    _print(log.entries(log.pseudonym(name) if name else None))


def _print(entries: Iterable[AuditEntry]) -> None:
    rows = ([getattr(entry, column) or "-" for column in COLUMNS] for entry in entries)
    console = Console()
    if not console.is_terminal:
        sys.stdout.writelines("\t".join(row) + "\n" for row in (COLUMNS, *rows))
        return
    # Folded where a line is too narrow: an entry that is cut short is no evidence.
    table = Table(*(Column(name, overflow="fold") for name in COLUMNS))
    for row in rows:
        table.add_row(*row)
    console.print(table)
