"""`weir site doctor`: whether a run would work, and what stands in its way."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from service.site.checkup import Check, State
from service.site.config import load_config
from service.site.doctor import examine

FINE, FAILED, LOOK = 0, 1, 3
SIGNS = {
    State.GOOD: Text("good", "green"),
    State.LOOK: Text("look", "yellow"),
    State.BAD: Text("bad", "bold red"),
    State.SKIPPED: Text("skipped", "dim"),
}


def doctor(
    config: Annotated[Path, typer.Option("--config", help="The site's configuration, site.toml.")],
) -> None:
    """Check everything that a run needs, in order, and change nothing.

    Exit code 0: a run will work. 3: it will, and there is something to look at. 1: it will not; the
    table says why, and what to ask the EHR's vendor or administrator for.
    """
    checks = examine(load_config(config))
    _show(checks)
    states = {check.state for check in checks}
    sys.exit(FAILED if State.BAD in states else LOOK if State.LOOK in states else FINE)


def _show(checks: Sequence[Check]) -> None:
    console = Console(highlight=False)
    table = Table("check", "", "what was found", "what to do", title="weir site doctor")
    table.columns[2].overflow = table.columns[3].overflow = "fold"
    for check in checks:
        todo = check.todo or (f"Ask {check.ask}" if check.ask else "")
        table.add_row(check.name, SIGNS[check.state], check.what, todo)
    console.print(table)
    asked = list(dict.fromkeys(check.ask for check in checks if check.ask))
    if asked:
        console.print("\nAsk your EHR's vendor or administrator:")
        for each in asked:
            console.print(f"  - {each}", soft_wrap=True)
    console.print(f"\n{_summary(checks)}")


def _summary(checks: Sequence[Check]) -> str:
    count = {state: sum(check.state is state for check in checks) for state in State}
    if count[State.BAD]:
        return f"A run will not work: {count[State.BAD]} of {len(checks)} checks are bad."
    if count[State.LOOK]:
        return f"A run will work. {count[State.LOOK]} of {len(checks)} checks deserve a look."
    return f"A run will work: all {len(checks)} checks are good."
