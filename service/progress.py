"""Progress of long work: a bar on a terminal, a plain line now and then elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

PLAIN_SECONDS = 10.0  # between two plain lines

console = Console(stderr=True)


def notice(text: str) -> None:
    """Say something of the work on stderr; it must hold no patient data."""
    console.print(text, highlight=False, markup=False, soft_wrap=True)


@contextmanager
def progress(title: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Show how far work has come on stderr; yields ``advance(n)``.

    ``title`` is shown as it is and must hold no patient data; ``total`` may be unknown.
    """
    shown = _bar(title, total) if console.is_terminal else _plain(title, total)
    with shown as advance:
        yield advance


@contextmanager
def _bar(title: str, total: int | None) -> Iterator[Callable[[int], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console) as bars:
        task = bars.add_task(title, total=total)
        yield lambda n: bars.advance(task, n)


@contextmanager
def _plain(title: str, total: int | None) -> Iterator[Callable[[int], None]]:
    done = 0
    said = time.monotonic()
    of = f" of {total}" if total is not None else ""

    def advance(n: int) -> None:
        nonlocal done, said
        done += n
        if time.monotonic() - said >= PLAIN_SECONDS:
            said = time.monotonic()
            sys.stderr.write(f"{title}: {done}{of}\n")

    yield advance
    sys.stderr.write(f"{title}: {done}{of}, done\n")
