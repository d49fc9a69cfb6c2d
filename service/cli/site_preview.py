"""`weir site preview`: what would be sent, beside the exact counts."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from service.disclosure import ENOUGH, Cell, Group, margins
from service.measure.period import Period
from service.site.config import load_config
from service.site.history import Remembered
from service.site.pipeline import Preview
from service.site.pipeline import preview as look
from service.site.protect import Outcome


def preview(
    config: Annotated[Path, typer.Option("--config", help="The site's configuration, site.toml.")],
    measure: Annotated[str, typer.Option(help="Only measures with this in their address.")] = "",
) -> None:
    """Show what a run would send of the data pulled last, beside the exact counts. Sends nothing.

    The exact counts are for the eyes of people at the site. *Margin* is the number of values that
    the narrowest count of a few patients may still have for a reader who has everything that was
    ever released; the policy's `candidates` is the least.
    """
    seen = look(load_config(config))
    chosen = [each for each in seen.outcomes if measure in each.result.table.measure]
    console = Console(highlight=False)
    for title in dict.fromkeys(each.result.package.title for each in chosen):
        mine = [each for each in chosen if each.result.package.title == title]
        console.print(_table(title, mine, seen))


def _table(title: str, outcomes: Sequence[Outcome], seen: Preview) -> Table:
    table = Table("period", "group", "population", title=title, title_justify="left")
    for name in ("exact", "sent", "last sent", "margin"):
        table.add_column(name, justify="right")
    table.add_column("")
    for outcome, margin in zip(outcomes, _margins(outcomes, seen), strict=True):
        for row in _rows(outcome, _last(outcome, seen), margin):
            table.add_row(*row)
        table.add_section()
    return table


def _margins(outcomes: Sequence[Outcome], seen: Preview) -> list[str]:
    releases = [each.release.memory for each in outcomes if each.release]
    keys = {each.key for each in releases}
    others = [each.published for each in seen.history if each.key not in keys]
    found = iter(margins([each.published for each in releases], others, seen.policy))
    return [_margin(next(found)) if each.release else "" for each in outcomes]


def _margin(values: int | None) -> str:
    if values is None:
        return "no small count"
    return f"{values} or more" if values >= ENOUGH else str(values)


def _rows(outcome: Outcome, last: Remembered | None, margin: str) -> Iterator[tuple[str, ...]]:
    table = outcome.result.table
    period, note = str(Period(*table.period)), _note(outcome, last)
    for group in table.groups:
        name = group.id if group.told else f"{group.id} (all others)"
        for code, cell in group.cells.items():
            sent = _cell(outcome.release.memory if outcome.release else None, group, code)
            yield period, name, code, str(len(cell)), sent, _cell(last, group, code), margin, note
            period = name = margin = note = ""


def _cell(told: Remembered | None, group: Group, code: str) -> str:
    if not group.told:
        return "never told"
    if told is None:
        return "-"
    if not told.counted:
        return "not computable"
    cell: Cell | None = told.published.cells.get((group.id, code))
    return str(cell) if isinstance(cell, int) else "suppressed"


def _note(outcome: Outcome, last: Remembered | None) -> str:
    if outcome.held:
        return f"held: {outcome.held}"
    if outcome.release is None:
        return "not needed: shorter periods show it"
    if last and last.key == outcome.release.key:
        return "as it was sent"
    return "new"


def _last(outcome: Outcome, seen: Preview) -> Remembered | None:
    """The release of the same measure and period that stands at this network."""
    wanted = (seen.policy.network, outcome.result.table.measure, outcome.result.table.period)
    mine = [
        each
        for each in seen.history
        if (each.published.network, each.published.measure, each.published.period) == wanted
    ]
    return mine[-1] if mine else None
