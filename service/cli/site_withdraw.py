"""`weir site withdraw`: take back a number that is known to be wrong."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from service.site.config import load_config
from service.site.withdrawing import withdraw as take_back


def withdraw(
    measure: Annotated[str, typer.Argument(help="The measure's address, without a version.")],
    period: Annotated[str, typer.Argument(help="The period, as in 2026-01 or 2026-Q1.")],
    config: Annotated[Path, typer.Option("--config", help="The site's configuration, site.toml.")],
) -> None:
    """Take back a released number: two persons run this, each with a token of their own.

    The network is then told that the number is not computable because it was withdrawn. The next
    run or `weir site push` sends it.
    """
    settings = load_config(config)
    token = typer.prompt("Your token", hide_input=True, err=True)
    done = take_back(settings, measure, period, token)
    if done.agreed_by:
        words = f"withdrawn: proposed by {done.proposed_by}, agreed by {done.agreed_by}"
    else:
        words = f"proposed by {done.proposed_by}; a second person has to run the same command"
    sys.stdout.write(f"{done.measure}, {done.period}: {words}\n")
