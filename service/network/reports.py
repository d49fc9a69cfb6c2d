"""One-page reports as PDF: a site's, and the network's.

A page is one SVG, charts included, which the renderer of our charts turns into a PDF; so no other
library is needed, and what is printed is what is drawn on the screen.
"""

from collections.abc import Iterator, Sequence
from html import escape
from textwrap import wrap

from fastapi import APIRouter, Response

from service.network import sketch
from service.network.board import Board
from service.network.boards import board_for, today
from service.network.chart import INK, QUIET
from service.network.entry import WARNING
from service.network.notes import Told, told
from service.network.pages import seen_site
from service.network.picture import converted
from service.network.series import Series
from service.network.state import NetworkDep, PersonDep, SessionDep
from service.network.words import headline, summary

router = APIRouter(tags=["feeds"])

WIDTH, HEIGHT, MARGIN = 794, 1123, 48  # A4 at 96 pixels an inch
ROWS = 6
PDF = "application/pdf"


@router.get("/reports/network.pdf", summary="The network's report, one page")
def network_report(served: NetworkDep, db: SessionDep, who: PersonDep) -> Response:
    """Each measure's headline chart, newest number, signals and aims."""
    lines = []
    for measure in served.config.measures:
        board = board_for(served, db, who, measure)
        if board.groups:
            lines.append((board, board.groups[0].network, told(db, "aim", measure)))
    return _pdf(served.config.title, lines)


@router.get("/reports/{site_id}.pdf", summary="A site's report, one page")
def site_report(site_id: str, served: NetworkDep, db: SessionDep, who: PersonDep) -> Response:
    """The site's headline charts, newest numbers, signals and cycles."""
    site = seen_site(db, served, who, site_id)
    lines = []
    for measure in served.config.measures:
        board = board_for(served, db, who, measure)
        own = [s for group in board.groups[:1] for s in group.sites if s.reporter == site.id]
        cycles = [each for each in told(db, "pdsa", measure) if each.site == site.id]
        lines += [(board, series, cycles) for series in own]
    return _pdf(f"{served.config.title}: {site.name}", lines)


def _pdf(title: str, lines: Sequence[tuple[Board, Series, Sequence[Told]]]) -> Response:
    drawn = "".join(_parts(title, lines))
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}" font-family="Liberation Sans, Arial, sans-serif">'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>{drawn}</svg>'
    )
    return Response(converted(svg, "pdf"), media_type=PDF)


def _parts(title: str, lines: Sequence[tuple[Board, Series, Sequence[Told]]]) -> Iterator[str]:
    yield _text(MARGIN, 70, title, 22, INK)
    yield _text(MARGIN, 92, f"As of {today().isoformat()}. {WARNING}", 11)
    for row, (board, series, entered) in enumerate(lines[:ROWS]):
        yield from _line(118 + row * 160, board, series, entered)
    left = len(lines) - ROWS
    foot = f"{left} more measures are on the pages. " if left > 0 else ""
    foot += "Suppressed, missing and not computable are gaps (■ – ×), never zero."
    yield _text(MARGIN, HEIGHT - 36, foot, 11)


def _line(y: int, board: Board, series: Series, entered: Sequence[Told]) -> Iterator[str]:
    yield _text(MARGIN, y + 12, board.measure.title[:90], 14, INK)
    chart = sketch.svg(series, board.measure, board.scale, 400)
    yield f'<g transform="translate({MARGIN} {y + 20})">{chart}</g>'
    words = [headline(series), *(s.text for s in summary(series, board.measure) if s.is_signal)]
    words += [_entered(each) for each in entered]
    beside = [part for sentence in words for part in wrap(sentence, 46)]
    for at, part in enumerate(beside[:9]):
        yield _text(MARGIN + 415, y + 34 + 14 * at, part, 11, INK)


def _entered(each: Told) -> str:
    content = each.content
    statement = getattr(content, "statement", None)
    if statement is not None:
        return f"Aim: {statement} ({content.goal:g}% by {content.by})."
    return f"PDSA from {content.start}: {content.change}."


def _text(x: int, y: int, text: str, size: int, color: str = QUIET) -> str:
    return f'<text x="{x}" y="{y}" font-size="{size}" fill="{color}">{escape(text)}</text>'
