"""The staff's own pages: who belongs to the network, whose keys are good, who may see whom."""

import json
from datetime import UTC, datetime

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlmodel import Session

from service.errors import RequestError
from service.network import enrolment
from service.network.audience import LEVELS, terms_of
from service.network.entry import Entry, enter
from service.network.rendering import form_token, page, read_form
from service.network.roster import (
    RECIPIENTS,
    Site,
    SiteKey,
    end_key,
    keys_of,
    put_site,
    roster_of,
)
from service.network.state import MeasureDep, NetworkDep, PersonDep, SessionDep
from service.network.table import instant

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/staff/sites")
def sites_page(request: Request, served: NetworkDep, db: SessionDep, who: PersonDep) -> str:
    """Requests that wait, sites with their keys and permissions, and how measures are shared."""
    sites = roster_of(db).sites
    return page(
        "staff-sites.html",
        served.config,
        who,
        form=form_token(request),
        waiting=[(each, json.loads(each.measures)) for each in enrolment.waiting(db)],
        sites=[(site, keys_of(db, site.id)) for site in sites],
        terms={measure.id: terms_of(db, measure) for measure in served.config.measures},
        levels=LEVELS,
        recipients=RECIPIENTS,
        now=datetime.now(UTC),
        instant=instant,
    )


@router.post("/staff/enrolments/{number}")
async def decide_enrolment(
    request: Request, number: int, served: NetworkDep, db: SessionDep, who: PersonDep
) -> RedirectResponse:
    """Accept or refuse a key."""
    fields = await read_form(request)
    asked = db.get(enrolment.Enrolment, number) if number < 2**31 else None
    if asked is None:
        raise RequestError(404, "not-found", "there is no such request")
    if fields.get("decision") == ["accept"]:
        enrolment.accept(db, who.name, asked, _measures(served, fields))
    else:
        enrolment.refuse(db, who.name, asked)
    return _done(db)


@router.post("/staff/sites/{site_id}")
async def change_site(
    request: Request, site_id: str, served: NetworkDep, db: SessionDep, who: PersonDep
) -> RedirectResponse:
    """What a site may report, and to whom its numbers may be shown."""
    fields = await read_form(request)
    site = roster_of(db).site(site_id)
    if site is None:
        raise RequestError(404, "not-found", "there is no such site")
    recipients = frozenset(fields.get("recipients", [])) & frozenset(RECIPIENTS)
    put_site(db, who.name, Site(site.id, site.name, _measures(served, fields), recipients))
    return _done(db)


@router.post("/staff/keys/{kid}/end")
async def end_site_key(
    request: Request, kid: str, db: SessionDep, who: PersonDep
) -> RedirectResponse:
    """Revoke a key, at once and for good."""
    await read_form(request)
    key = db.get(SiteKey, kid)
    if key is None:
        raise RequestError(404, "not-found", "there is no such key")
    end_key(db, who.name, key, instant(), revoke=True)
    return _done(db)


@router.post("/staff/measures/{measure_id}/visibility")
async def visibility(
    request: Request, measure: MeasureDep, db: SessionDep, who: PersonDep
) -> RedirectResponse:
    """Who may see whom in a measure, and whether the network's sum is public."""
    fields = await read_form(request)
    level = fields.get("level", [""])[0]
    if level not in LEVELS:
        raise RequestError(422, "invalid", "there is no such level", where="level")
    content = {"level": level, "public": fields.get("public") == ["yes"]}
    key = f"visibility-{measure.id}"
    told = json.dumps(content, sort_keys=True)
    enter(db, Entry(by=who.name, kind="visibility", key=key, measure=measure.url, content=told))
    return _done(db)


def _measures(served: NetworkDep, fields: dict[str, list[str]]) -> frozenset[str]:
    known = {measure.url for measure in served.config.measures}
    return frozenset(fields.get("measures", [])) & known


def _done(db: Session) -> RedirectResponse:
    db.commit()
    return RedirectResponse("/staff/sites", 303)
