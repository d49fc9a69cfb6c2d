"""What people enter about a measure: aims, PDSA cycles, notes, and how far a mapping matters."""

import json
import secrets

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlmodel import Session

from service.errors import RequestError
from service.network import entry
from service.network.audience import audience, terms_of
from service.network.boards import whole_board
from service.network.config import Measure
from service.network.entry import Entry, Kind, enter
from service.network.notes import FORMS, read_form, told
from service.network.people.role import Action, Person
from service.network.rendering import form_token, page
from service.network.rendering import read_form as read_fields
from service.network.roster import roster_of
from service.network.state import MeasureDep, NetworkDep, PersonDep, SessionDep, require

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/measures/{measure_id}/write")
def write_page(
    request: Request, measure: MeasureDep, served: NetworkDep, db: SessionDep, who: PersonDep
) -> str:
    """The forms, and what is entered now."""
    return page(
        "write.html",
        served.config,
        who,
        measure=measure,
        form=form_token(request),
        sites=[s for s in roster_of(db).reporters(measure) if who.sees_all or s.id in who.sites],
        entered={kind: _own(db, measure, kind, who) for kind in ("aim", "pdsa", "note")},
        mappings=_mappings(served, db, measure, who),
    )


@router.post("/measures/{measure_id}/write")
async def write(
    request: Request, measure: MeasureDep, db: SessionDep, who: PersonDep
) -> RedirectResponse:
    """Enter something, change it, or take it back: always a new version."""
    fields = {name: values[0] for name, values in (await read_fields(request)).items()}
    kind, site = fields.pop("kind", ""), fields.pop("site", "") or None
    key, taken_back = fields.pop("key", ""), bool(fields.pop("taken_back", ""))
    if kind not in FORMS:
        raise RequestError(422, "invalid", "what is to be entered?", where="kind")
    before = _before(db, kind, key, measure) if key else None
    site = before.site if before else site
    _require(db, who, measure, site)
    content = before.content if before and taken_back else None
    made = Entry(
        by=who.name,
        kind=kind,
        key=before.key if before else f"{kind}-{secrets.token_hex(6)}",
        measure=measure.url,
        site=site,
        content=content or _content(kind, fields),
        taken_back=taken_back,
    )
    enter(db, made)
    db.commit()
    return RedirectResponse(f"/measures/{measure.id}", 303)


@router.get("/measures/{measure_id}/history/{key}")
def history_page(
    measure: MeasureDep, key: str, served: NetworkDep, db: SessionDep, who: PersonDep
) -> str:
    """All versions of one entry."""
    versions = [each for each in entry.history(db, key) if each.measure == measure.url]
    if not versions:
        raise RequestError(404, "not-found", "there is no such entry")
    _require(db, who, measure, versions[-1].site)
    return page("history.html", served.config, who, measure=measure, versions=versions)


@router.post("/sites/{site_id}/share")
async def share(
    request: Request, site_id: str, served: NetworkDep, db: SessionDep, who: PersonDep
) -> RedirectResponse:
    """A site shows its name to the members who do the same, or no longer; measure by measure."""
    fields = await read_fields(request)
    require(who, Action.SHARE, site_id)
    measure = served.config.measure_of_id(fields.get("measure", [""])[0])
    site = roster_of(db).site(site_id)
    if measure is None or site is None:
        raise RequestError(404, "not-found", "there is no such site or measure")
    wanted = fields.get("identified", [""])[0] == "yes"
    if wanted != (site_id in terms_of(db, measure).opted_in):
        enter(
            db,
            Entry(
                by=who.name,
                kind="sharing",
                key=f"sharing-{site_id}-{measure.id}",
                measure=measure.url,
                site=site_id,
                content="{}",
                taken_back=not wanted,
            ),
        )
        db.commit()
    return RedirectResponse(f"/sites/{site_id}", 303)


def _require(db: Session, who: Person, measure: Measure, site: str | None) -> None:
    """A site lead writes for the own site, staff for any or for all; raises RequestError."""
    if site is None and not who.sees_all:
        raise RequestError(403, "forbidden", "choose your site: what is for all, staff enter")
    if site is not None and roster_of(db).site(site) is None:
        raise RequestError(404, "not-found", "there is no such site")
    require(who, Action.WRITE, site)


def _before(db: Session, kind: str, key: str, measure: Measure) -> Entry:
    versions = entry.history(db, key)
    if not versions or (versions[-1].kind, versions[-1].measure) != (kind, measure.url):
        raise RequestError(404, "not-found", "there is no such entry")
    return versions[-1]


def _content(kind: str, fields: dict[str, str]) -> str:
    return json.dumps(read_form(kind, fields), sort_keys=True)


def _own(db: Session, measure: Measure, kind: Kind, who: Person) -> list[object]:
    found = told(db, kind, measure)
    return [each for each in found if who.sees_all or each.site in who.sites]


def _mappings(
    served: NetworkDep, db: Session, measure: Measure, who: Person
) -> list[tuple[str, str, str]]:
    """Mappings that break a line and that nobody has judged minor: site, period, hash."""
    board = whole_board(served, db, measure)
    named = audience(db, who, measure, served.keyring.secret).named
    own = named if who.sees_all else who.sites
    return [
        (series.name, series.readings[mark.position].period, hashed)
        for group in board.groups[:1]
        for series in group.sites
        if series.reporter in own
        for mark in series.remappings
        if (hashed := series.readings[mark.position].mapping)
    ]
