"""The pages' numbers for machines: the same address with `.json` or `.csv`, and charts as SVG."""

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from io import StringIO
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse
from sqlmodel import Session

from service.errors import RequestError
from service.measure.period import Period
from service.measure.stratum_name import stratum_name
from service.network import chart as charts
from service.network import funnel_chart
from service.network.arrivals import arrival
from service.network.audience import audience
from service.network.board import Board, Wider
from service.network.boards import board_for, end_of, stamp, whole_board
from service.network.config import Group
from service.network.funnel import Comparison, comparison_on
from service.network.icons import icons
from service.network.lens import LENSES, Lens, LensName
from service.network.people.role import Person
from service.network.picture import converted
from service.network.reading import Reading
from service.network.series import Series
from service.network.shortfall import REASONS, by_reason
from service.network.state import MeasureDep, Network, NetworkDep, PersonDep, SessionDep
from service.network.words import summary
from service.spc.contract import funnel_contract
from service.spc.phase import Phase

router = APIRouter(tags=["feeds"])

PICTURES = {"png": "image/png", "pdf": "application/pdf"}
FUNNEL = "funnel"  # the reporter of the chart that shows all side by side
LensQuery = Annotated[LensName | None, Query(description="another chart than the measure's own")]
AsOf = Annotated[str | None, Query(pattern=r"^(\d{4}-\d\d-\d\d)?$", description="a day")]

COLUMNS = [
    *("measure", "group", "reporter", "period", "state", "numerator", "denominator", "rate"),
    *(
        "provisional",
        "reasons",
        "sites",
        "sites_expected",
        "partial",
        "measure_version",
        "rounding",
    ),
    *("versions", "received", "stratum_of", "stratifier", "stratum"),
    *REASONS.values(),
]


@router.get("/measures/{measure_id}.json", summary="A measure's charts as numbers")
def measure_json(
    measure: MeasureDep,
    served: NetworkDep,
    db: SessionDep,
    who: PersonDep,
    as_of: AsOf = None,
    chart: LensQuery = None,
) -> Response:
    """Every line that the reader may see: points in their four states, phases and signals.

    With `as_of`, as it was known at the end of that day (UTC).
    """
    lens = LENSES[chart or measure.chart]
    viewer = audience(db, who, measure, served.keyring.secret)
    key = ("json", measure.id, stamp(db, measure), as_of, lens, viewer.key, id(served.config))

    def made() -> str:
        board = board_for(served, db, who, measure, end_of(as_of))
        whole = whole_board(served, db, measure, end_of(as_of))
        return json.dumps(_measure(whole, board.through(lens), lens))

    return Response(served.cache.get("page", key, made), media_type="application/json")


def _measure(whole: Board, board: Board, lens: Lens) -> dict[str, Any]:
    measure = board.measure
    about = measure.model_dump(include={"url", "id", "title", "window", "target", "direction"})
    compared = comparison_on(whole, board)
    groups = [
        {
            "id": group.group.id,
            "title": group.group.title,
            **_stratum(group.group),
            "series": [_series(series, board) for series in group.series],
        }
        for group in board.groups
    ]
    return {
        "measure": about,
        "chart": lens.name,
        "rounding": list(board.rounding),
        "groups": groups,
        "funnel": _funnel(compared) if compared else None,
        "longer_windows": [_wider(each) for each in board.wider],
    }


def _stratum(group: Group) -> dict[str, str | None]:
    """What a group is a part of, by which stratifier, and its value; null for what is no part."""
    name = stratum_name(group.id)
    return {
        "stratum_of": group.stratum_of or None,
        "stratifier": name.stratifier if name else None,
        "stratum": name.value if name else None,
    }


def _wider(longer: Wider) -> dict[str, Any]:
    """A report of a longer window than the measure's; no point of any line."""
    groups = [{"id": g.id, **_point(r)} for g, r in longer.readings]
    return {"reporter": longer.site.id, "period": longer.period, "groups": groups}


def _funnel(found: Comparison) -> dict[str, Any]:
    """The centers side by side, in the order of their names."""
    points = tuple(replace(unit.point, name=unit.reporter) for unit in found.units)
    told = funnel_contract(replace(found.drawn, points=points))
    return {"first": found.first, "last": found.last, **told}


@router.get("/measures/{measure_id}.csv", summary="A measure's numbers as a table")
def measure_csv(
    measure: MeasureDep, served: NetworkDep, db: SessionDep, who: PersonDep, as_of: AsOf = None
) -> Response:
    """One row a group, reporter and period; an empty field is a number that is not known."""
    board = board_for(served, db, who, measure, end_of(as_of))
    rows = (
        {"measure": measure.url, "group": group.group.id, "reporter": series.reporter}
        | point
        | stratum
        for group in board.groups
        for stratum in [_stratum(group.group)]
        for series in group.series
        for point in _points(series)
    )
    return _csv(COLUMNS, rows, measure.id)


@router.get("/measures/{measure_id}/series/{reporter}.csv", summary="A line, to paste elsewhere")
def series_csv(
    measure: MeasureDep,
    reporter: str,
    served: NetworkDep,
    db: SessionDep,
    who: PersonDep,
    group: Annotated[str | None, Query(description="the headline group by default")] = None,
) -> Response:
    """Date, numerator, denominator and percent: what improvement platforms take in.

    Only final numbers; a period without one is left out and is no zero.
    """
    board = board_for(served, db, who, measure)
    series = _line(board, reporter, group)
    if series.blinded:
        raise RequestError(404, "not-found", "there is no such line")
    rows = (
        {
            "Date": Period.parse(r.period).start.isoformat(),
            "Numerator": r.numerator,
            "Denominator": r.denominator,
            "Percent": round(100 * r.rate, 2),
        }
        for r in series.readings
        if r.rate is not None and not r.provisional
    )
    return _csv(["Date", "Numerator", "Denominator", "Percent"], rows, f"{measure.id}-{reporter}")


@router.get("/measures/{measure_id}/charts/{reporter}.{kind}", summary="One run chart as a picture")
def measure_chart(
    measure: MeasureDep,
    reporter: str,
    kind: Literal["svg", "png", "pdf"],
    served: NetworkDep,
    db: SessionDep,
    who: PersonDep,
    group: Annotated[str | None, Query(description="the headline group by default")] = None,
    lens: Annotated[LensName | None, Query(alias="chart", description="another chart")] = None,
    size: Literal["slide", "wide", "narrow", "card", "small"] = "slide",
    as_of: AsOf = None,
) -> Response:
    """The chart of a site, or of `network`; that of `funnel` shows the sites side by side."""
    board = board_for(served, db, who, measure, end_of(as_of))
    if reporter == FUNNEL:
        compared = comparison_on(whole_board(served, db, measure, end_of(as_of)), board)
        return _picture(funnel_chart.svg(_wanted(compared), measure), kind)
    series = _line(board, reporter, group).through(LENSES[lens or measure.chart])
    drawn = charts.svg(series, measure, board.scale, charts.SIZES[size])
    return _picture(drawn, kind)


def _picture(drawn: str, kind: Literal["svg", "png", "pdf"]) -> Response:
    if kind == "svg":
        return Response(drawn, media_type="image/svg+xml")
    return Response(converted(drawn, kind), media_type=PICTURES[kind])


def _wanted(compared: Comparison | None) -> Comparison:
    if compared is None:
        raise RequestError(404, "not-found", "there are too few centers for a funnel")
    return compared


def _line(board: Board, reporter: str, group: str | None) -> Series:
    """The line that a path names; raises RequestError (404)."""
    for found in board.groups if group else board.groups[:1]:
        for series in found.series:
            if series.reporter == reporter and group in (None, found.group.id):
                return series
    raise RequestError(404, "not-found", "there is no such chart")


@router.get("/arrivals.json", summary="What has arrived")
def arrivals_json(served: NetworkDep, db: SessionDep, who: PersonDep) -> JSONResponse:
    """The sites-by-periods grid of the sites that the reader may see."""
    return JSONResponse({"arrivals": list(_arrivals(served, db, who))})


@router.get("/arrivals.csv", summary="What has arrived, as a table")
def arrivals_csv(served: NetworkDep, db: SessionDep, who: PersonDep) -> Response:
    """One row a measure, site and period."""
    columns = ["measure", "site", "period", "state", "versions", "received"]
    return _csv(columns, _arrivals(served, db, who), "arrivals")


def _arrivals(served: Network, db: Session, who: Person) -> Iterator[dict[str, Any]]:
    for measure in served.config.measures:
        for group in board_for(served, db, who, measure).groups[:1]:
            for series in (each for each in group.sites if not each.blinded):
                for reading in series.readings:
                    yield {
                        "measure": measure.url,
                        "site": series.reporter,
                        "period": reading.period,
                        "state": arrival(reading).state,
                        "versions": reading.versions,
                        "received": reading.received,
                    }


def _series(series: Series, board: Board) -> dict[str, Any]:
    return {
        "reporter": series.reporter,
        "name": series.name,
        "summary": [told.text for told in summary(series, board.measure)],
        "changes": [_mark(series, mark.position, mark.text) for mark in series.changes],
        "points": list(_points(series)),
        "phases": [_phase(series, phase) for phase in series.chart.phases],
        "goals": [{"rate": g.rate, "by": g.by, "start": g.start} for g in series.goals],
        "icons": {icon.kind: icon.text for icon in icons(series, board.measure)},
    }


def _mark(series: Series, position: int, text: str) -> dict[str, str]:
    return {"period": series.readings[position].period, "text": text}


def _points(series: Series) -> Iterator[dict[str, Any]]:
    for at, reading in enumerate(series.readings):
        point = {**_point(reading), **(_pool(series, at) if series.pools else {})}
        drawn = series.chart.points[at]
        point |= {"lcl": drawn.lower, "ucl": drawn.upper, "signals": list(drawn.signals)}
        yield {**point, "numerator": None, "denominator": None} if series.blinded else point


def _point(reading: Reading) -> dict[str, Any]:
    return {
        "period": reading.period,
        "state": reading.state.value,
        "numerator": reading.numerator,
        "denominator": reading.denominator,
        "rate": reading.rate,
        "provisional": reading.provisional,
        "reasons": list(reading.reasons),
        "measure_version": reading.basis.version if reading.basis else None,
        "rounding": reading.rounding,
        "versions": reading.versions,
        "received": reading.received,
        "withdrawn": reading.withdrawn,
        "reported_in": reading.told_in or None,
    }


def _pool(series: Series, at: int) -> dict[str, Any]:
    pooled = series.pools[at]
    return {
        "sites": list(pooled.contributors),
        "sites_expected": len(pooled.sites),
        "left_out": dict(pooled.left_out),
        **by_reason(pooled),
        "partial": pooled.partial,
    }


def _phase(series: Series, phase: Phase) -> dict[str, Any]:
    """The output contract of a chart: what was judged, by which limits, and what signals."""
    found = phase.analysis
    period = [reading.period for reading in series.readings]
    return {
        "first": period[phase.first],
        "last": period[phase.last],
        "median": phase.center if series.chart.kind.is_median else None,
        "cl": phase.center,
        "lcl": phase.bounds.lower if phase.bounds else None,
        "ucl": phase.bounds.upper if phase.bounds else None,
        "baseline": phase.baseline,
        "frozen": phase.frozen,
        "not_judged": phase.silence.value if phase.silence else None,
        "rules": found.rules if found else None,
        "n_useful": found.n_useful if found else 0,
        "longest_run": found.longest_run if found else None,
        "longest_run_max": found.longest_run_max if found else None,
        "crossings": found.crossings if found else None,
        "crossings_min": found.crossings_min if found else None,
        "signals": [
            {"rule": s.rule, "first": period[s.first], "last": period[s.last], "side": s.side}
            for s in phase.signals
        ],
    }


def _csv(columns: Sequence[str], rows: Iterator[dict[str, Any]], name: str) -> Response:
    text = StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\r\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({column: _field(value) for column, value in row.items()})
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return Response(text.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)


def _field(value: Any) -> Any:
    if isinstance(value, list | dict):
        return "; ".join(str(part) for part in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value
