"""The pages for people who read: home, measures, sites, the calendar.

Made on the server; they work without scripts, in print and on a phone.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse
from markupsafe import Markup
from sqlmodel import Session

from service.errors import RequestError
from service.network import calendar, overview
from service.network.audience import audience, terms_of
from service.network.board import Board, board_of
from service.network.boards import board_for, end_of, stamp, today, whole_board
from service.network.config import Measure
from service.network.differences import compared
from service.network.digest import Digest, digest_for, digests_for
from service.network.funnel import comparison_on
from service.network.lens import LENSES, LensName
from service.network.notes import told
from service.network.people.account import Account
from service.network.people.role import Person
from service.network.public import public_board
from service.network.rendering import form_token, page
from service.network.roster import Site, roster_of
from service.network.series import Series
from service.network.state import MeasureDep, Network, NetworkDep, PersonDep, SessionDep
from service.network.table import instant

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

AsOf = Annotated[str | None, Query(pattern=r"^(\d{4}-\d\d-\d\d)?$")]
VISIT = timedelta(minutes=30)
FORM = "0-form-token-0"
MONTHS = 12  # of the grid on the home page
MOST_DIFFERENCES = 100  # of one kind and line that two days are compared by


@router.get("/")
def home(request: Request, served: NetworkDep, db: SessionDep, who: PersonDep) -> str:
    """What changed since the reader last looked, where each measure stands, what has arrived."""
    since = _looked(request, db, who)
    # All that a reader may see follows from what came, what people changed, and who reads.
    key = (stamp(db), today(), who, id(served.config))
    digests = digests_for(served, db, who)

    def standing() -> Markup:
        return Markup(_standing(served, who, digests))

    def members() -> int:
        return len(roster_of(db).members)

    pending = sum(digest.pending for digest in digests)
    return page(
        "home.html",
        served.config,
        who,
        standing=standing() if pending else served.cache.get("page", ("home", *key), standing),
        members=served.cache.get("page", ("members", *key), members),
        since=since,
        pending=pending,
        names={measure.id: measure.name for measure in served.config.measures},
        news=overview.since(digests, since),
    )


def _standing(served: Network, who: Person, digests: Sequence[Digest]) -> str:
    """The part of the home page that does not depend on when its reader last looked."""
    return page(
        "home-standing.html",
        served.config,
        who,
        digests=digests,
        grid=overview.grid(digests, MONTHS),
        calendar_states=calendar.STATES,
    )


@router.get("/measures/{measure_id}")
def measure_page(
    request: Request,
    measure: MeasureDep,
    served: NetworkDep,
    db: SessionDep,
    who: PersonDep,
    as_of: AsOf = None,
    chart: LensName | None = None,
) -> str:
    """A measure's charts: the network and each site, headline first."""
    at, lens = end_of(as_of), LENSES[chart or measure.chart]
    viewer = audience(db, who, measure, served.keyring.secret)
    key = (measure.id, stamp(db, measure), as_of, lens, viewer.key, who.role, id(served.config))

    def made() -> str:
        board = board_for(served, db, who, measure, at)
        return page(
            "measure.html",
            served.config,
            who,
            board=board.through(lens),
            lens=lens,
            compared=comparison_on(whole_board(served, db, measure, at), board),
            as_of=as_of,
            terms=terms_of(db, measure),
            named=viewer.named,
            names={site.id: site.name for site in roster_of(db).sites},
            **_entered(db, measure, at),
        )

    return served.cache.get("page", key, made)


@router.get("/sites/{site_id}")
def site_page(
    request: Request,
    site_id: str,
    served: NetworkDep,
    db: SessionDep,
    who: PersonDep,
    as_of: AsOf = None,
) -> str:
    """One site: every measure that it reports, with its numbers."""
    site = seen_site(db, served, who, site_id)
    key = ("site", site.id, as_of, stamp(db), who, id(served.config))
    shown = served.cache.get("page", key, lambda: _site(served, db, who, site, as_of))
    return shown.replace(FORM, form_token(request))


def _site(served: Network, db: Session, who: Person, site: Site, as_of: str | None) -> str:
    """The page of a site, with FORM where each browser has a token of its own."""
    shared = {m.id: site.id in terms_of(db, m).opted_in for m in served.config.measures}
    return page(
        "site.html",
        served.config,
        who,
        site=site,
        lines=list(_lines(served, db, who, site, end_of(as_of))),
        as_of=as_of,
        shared=shared,
        form=FORM,
        own=who.sees_all or site.id in who.sites,
    )


@router.get("/calendar")
def calendar_page(
    request: Request, served: NetworkDep, db: SessionDep, who: PersonDep, measure: str = ""
) -> str:
    """What should have come, what has, and whom to remind."""
    chosen = served.config.measure_of_id(measure)
    digests = [digest_for(served, db, who, chosen)] if chosen else digests_for(served, db, who)
    if any(digest.pending for digest in digests):
        return _calendar(served, db, who, measure, digests)
    key = ("calendar", measure, stamp(db), today(), who, id(served.config))
    return served.cache.get("page", key, lambda: _calendar(served, db, who, measure, digests))


def _calendar(
    served: Network, db: Session, who: Person, measure: str, digests: Sequence[Digest]
) -> str:
    return page(
        "calendar.html",
        served.config,
        who,
        pending=sum(digest.pending for digest in digests),
        grid=overview.grid(digests, MONTHS * 2),
        chosen=measure,
        chase=calendar.chase(feed for digest in digests for feed in digest.chase),
        names={site.id: site.name for site in roster_of(db).sites},
        calendar_states=calendar.STATES,
    )


@router.get("/calendar/{site_id}.txt")
def chase_text(site_id: str, served: NetworkDep, db: SessionDep, who: PersonDep) -> Response:
    """What to remind a site of, as a text for an e-mail."""
    site = seen_site(db, served, who, site_id)
    found = [feed for digest in digests_for(served, db, who) for feed in digest.chase]
    asked = calendar.chase(found).get(site.id, [])
    return PlainTextResponse(calendar.letter(served.config.title, site.name, asked))


@router.get("/measures/{measure_id}/compare")
def compare_page(
    measure: MeasureDep,
    served: NetworkDep,
    db: SessionDep,
    who: PersonDep,
    before: AsOf = None,
    after: AsOf = None,
) -> str:
    """What was known of a measure on one day and is known on another, line by line."""
    first, last = sorted((before or _days_ago(90), after or today().isoformat()))
    old = board_for(served, db, who, measure, end_of(first))
    new = board_for(served, db, who, measure, end_of(last) if last < _days_ago(0) else None)
    return page(
        "compare.html",
        served.config,
        who,
        board=new,
        before=first,
        after=last,
        sections=compared(old, new),
        most=MOST_DIFFERENCES,
    )


@router.get("/public/{measure_id}")
def public_page(measure: MeasureDep, served: NetworkDep, db: SessionDep, who: PersonDep) -> str:
    """The network's sum, where staff have made it public and enough sites are in it."""
    board = public_board(served, db, measure)
    return page("public.html", served.config, who, board=board)


def seen_site(db: Session, served: Network, who: Person, site_id: str) -> Site:
    """A site that a person may see by its name in some measure; raises RequestError (404)."""
    site = roster_of(db).site(site_id)
    secret = served.keyring.secret
    named = site is not None and (
        who.sees_all
        or site.id in who.sites
        or any(site.id in audience(db, who, m, secret).named for m in served.config.measures)
    )
    if site is None or not named:
        raise RequestError(404, "not-found", "there is no such site to see")
    return site


def _lines(
    served: Network, db: Session, who: Person, site: Site, as_of: str | None
) -> Iterator[tuple[Board, list[Series]]]:
    """A site's lines in each measure in which the reader may see it by its name."""
    for measure in served.config.measures:
        named = audience(db, who, measure, served.keyring.secret).named
        if measure.url in site.measures and site.id in named:
            board = board_of(db, served.config, measure, as_of, only=site.id)
            yield board, [series for group in board.groups for series in group.sites]


def _entered(db: Session, measure: Measure, as_of: str | None) -> dict[str, object]:
    kinds = {"aims": "aim", "cycles": "pdsa", "notes": "note"}
    return {name: told(db, kind, measure, as_of) for name, kind in kinds.items()}  # type: ignore[arg-type]


def _looked(request: Request, db: Session, who: Person) -> str:
    """When the reader last looked, before this visit; and that they look now."""
    now = datetime.now(UTC)
    account = db.get(Account, who.name)
    last = account.looked if account else request.session.get("looked")
    before = account.looked_before if account else request.session.get("looked_before")
    if last is None or last < instant(now - VISIT):
        last, before = instant(now), last or instant(now - timedelta(days=30))
        request.session.update(looked=last, looked_before=before)
    if account is not None and account.looked != last:
        account.looked, account.looked_before = last, before
        db.add(account)
        db.commit()
    return str(before)


def _days_ago(days: int) -> str:
    return (today() - timedelta(days=days)).isoformat()
