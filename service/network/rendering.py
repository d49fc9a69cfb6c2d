"""The pages' templates: what they are filled with, and who they are filled for."""

import secrets
from itertools import groupby
from pathlib import Path
from typing import Any

from fastapi import Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from service.errors import RequestError
from service.network import (
    arrivals,
    chart,
    entry,
    funnel,
    funnel_chart,
    shortfall,
    sketch,
    window,
    words,
)
from service.network.board import Board
from service.network.config import Measure, NetworkConfig
from service.network.funnel import Comparison
from service.network.icons import icons
from service.network.lens import LENSES
from service.network.people.role import ANYONE, Action, Person, may
from service.network.series import Series
from service.network.transfer import holds_a_secret

_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def _chart(board: Board, series: Series, size: str) -> Markup:
    # The texts in it came through JSON and Vega, which escapes them.
    return Markup(chart.svg(series, board.measure, board.scale, chart.SIZES[size]))


def _sketch(board: Board, series: Series) -> Markup:
    return Markup(sketch.svg(series, board.measure, board.scale))


def _funnel(found: Comparison, measure: Measure) -> Markup:
    return Markup(funnel_chart.svg(found, measure))


def _years(periods: list[str]) -> list[tuple[str, int]]:
    """Years and how many of the periods each has."""
    return [(year, len(list(members))) for year, members in groupby(periods, lambda p: p[:4])]


_templates.globals.update(
    Action=Action,
    arrival=arrivals.arrival,
    states=arrivals.STATES,
    chart=_chart,
    sketch=_sketch,
    funnel=_funnel,
    funnel_words=funnel.told,
    icons=icons,
    lenses=LENSES,
    so_far=words.so_far,
    centers=words.centers,
    count_text=words.count_text,
    counts=words.counts,
    headline=words.headline,
    left_out=shortfall.left_out,
    latest=words.latest,
    may=may,
    percent=words.percent,
    state_text=words.state_text,
    summary=words.summary,
    spoken=window.spoken,
    short=window.short,
    warning=entry.WARNING,
    years=_years,
)


def page(template: str, config: NetworkConfig, who: Person, **content: Any) -> str:
    """A page as HTML, for a person."""
    return _templates.get_template(template).render(network=config, who=who, **content)


def error_page(config: NetworkConfig, status: int, text: str) -> Response:
    """An error for people."""
    return HTMLResponse(page("error.html", config, ANYONE, text=text), status)


def form_token(request: Request) -> str:
    """What a form of ours carries, and one of somebody else's cannot know."""
    holds_a_secret(request)
    token = request.session.setdefault("form", secrets.token_urlsafe(24))
    return str(token)


async def read_form(request: Request) -> dict[str, list[str]]:
    """The fields of a form that one of our pages has shown; raises RequestError (403).

    A field may stand several times; what is uploaded is not read.
    """
    told = request.session.get("form")
    form = await request.form(max_files=0, max_fields=400)
    fields: dict[str, list[str]] = {}
    for name, value in form.multi_items():
        fields.setdefault(name, []).append(str(value))
    (given, *_) = fields.pop("form", [""])
    if not isinstance(told, str) or not secrets.compare_digest(told.encode(), given.encode()):
        what = "this form is no longer valid"
        raise RequestError(
            403, "forbidden", what, todo="Open the page again and send it from there"
        )
    return fields
