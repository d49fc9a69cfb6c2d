"""All measures together: what changed since a reader last looked, and the grid of what came."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from service.network.digest import Digest
from service.network.news import News


@dataclass(frozen=True)
class Grid:
    """Sites by months: id, name, and for each month how many feeds are in which state."""

    periods: tuple[str, ...]
    rows: tuple[tuple[str, str, tuple[Counter[str], ...]], ...]


def since(digests: Sequence[Digest], instant: str) -> list[News]:
    """What happened after an instant: signals first, and the newest of each kind first."""
    found = [each for digest in digests for each in digest.news_since(instant)]
    found += [told for digest in digests if (told := _received(digest, instant))]
    return sorted(found, key=lambda each: (each.is_signal, each.at), reverse=True)


def grid(digests: Sequence[Digest], months: int) -> Grid:
    """The newest months of the calendar, sites by name."""
    cells: dict[tuple[str, str], Counter[str]] = {}
    names: dict[str, str] = {}
    for digest in digests:
        names |= digest.names
        for place, counted in digest.cells.items():
            cells[place] = cells.get(place, Counter()) + counted
    shown = sorted({month for _, month in cells})[-months:]
    ordered = sorted(names.items(), key=lambda each: (each[1], each[0]))
    rows = tuple(
        (site, name, tuple(cells.get((site, month), Counter()) for month in shown))
        for site, name in ordered
    )
    return Grid(tuple(shown), rows)


def _received(digest: Digest, instant: str) -> News | None:
    reports, sites = digest.arrived_since(instant)
    if not reports:
        return None
    told = f"{_count(reports, 'report')} from {_count(sites, 'center')} arrived."
    return News(told, digest.board.measure.id, digest.arrived[-1])


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
