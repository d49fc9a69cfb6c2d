"""What is new, for programs: an Atom feed of signals and restatements, and changes by cursor."""

from typing import Annotated, Any
from xml.etree import ElementTree

from fastapi import APIRouter, Query, Request, Response
from sqlmodel import col, select

from service.network.digest import digests_for
from service.network.news import News
from service.network.roster import roster_of
from service.network.state import NetworkDep, PersonDep, SessionDep
from service.network.submission import Submission
from service.network.table import instant

router = APIRouter(tags=["feeds"])

NAMESPACE = "http://www.w3.org/2005/Atom"
ENTRIES = 200
LARGEST_CURSOR = 2**53


@router.get("/news.atom", summary="Signals and restatements")
def atom(request: Request, served: NetworkDep, db: SessionDep, who: PersonDep) -> Response:
    """An Atom feed (RFC 4287), the newest first: what the reader may see, and nothing else."""
    found = [each for digest in digests_for(served, db, who) for each in digest.news]
    found.sort(key=lambda each: each.at, reverse=True)
    base = str(request.base_url)
    feed = ElementTree.Element("feed", xmlns=NAMESPACE)
    _child(feed, "id", f"{base}news.atom")
    _child(feed, "title", served.config.title)
    _child(feed, "updated", found[0].at if found else instant())
    ElementTree.SubElement(feed, "link", rel="self", href=f"{base}news.atom")
    author = ElementTree.SubElement(feed, "author")
    _child(author, "name", served.config.title)
    for each in found[:ENTRIES]:
        _entry(feed, each, base)
    text = ElementTree.tostring(feed, encoding="utf-8", xml_declaration=True)
    return Response(text, media_type="application/atom+xml")


@router.get("/changes.json", summary="Reports that came after a cursor")
def changes(
    db: SessionDep,
    who: PersonDep,
    after: Annotated[int, Query(ge=0, le=LARGEST_CURSOR)] = 0,
    count: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> dict[str, Any]:
    """In order of arrival, each once; ask again with `cursor` as `after`.

    Staff see all sites' reports, others those of their own sites.
    """
    query = select(Submission).where(col(Submission.id) > after).order_by(col(Submission.id))
    if not who.sees_all:
        query = query.where(col(Submission.site).in_(who.sites & _known(db)))
    found = db.exec(query.limit(count)).all()
    cursor = found[-1].id if found else after
    return {"cursor": cursor, "changes": [_change(each) for each in found]}


def _known(db: SessionDep) -> set[str]:
    return {site.id for site in roster_of(db).sites}


def _change(each: Submission) -> dict[str, Any]:
    names = ("receipt", "received", "site", "measure", "period", "revision", "reason", "verdict")
    return {name: getattr(each, name) for name in names}


def _entry(feed: ElementTree.Element, each: News, base: str) -> None:
    entry = ElementTree.SubElement(feed, "entry")
    kind = "signal" if each.is_signal else "restatement"
    _child(entry, "id", f"{base}measures/{each.measure}#{kind}-{each.key}".replace(" ", "-"))
    _child(entry, "title", each.text)
    _child(entry, "updated", each.at or instant())
    ElementTree.SubElement(entry, "link", href=f"{base}measures/{each.measure}")
    ElementTree.SubElement(entry, "category", term=kind)
    _child(entry, "summary", each.text)


def _child(parent: ElementTree.Element, name: str, text: str) -> None:
    ElementTree.SubElement(parent, name).text = text
