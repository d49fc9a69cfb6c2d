"""A measure in brief: what the pages that show many measures need of each, and no more.

A board of a large network holds hundreds of thousands of readings; its digest a few thousand.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlmodel import Session, func, select

from service.network import calendar, news
from service.network.audience import Audience, audience
from service.network.board import Board
from service.network.boards import board_for, stamp, today
from service.network.calendar import Feed
from service.network.config import Measure
from service.network.news import News
from service.network.people.role import Person
from service.network.state import Network
from service.network.submission import Submission

AT_ONCE = 20_000  # reports that one request may work through: some seconds


@dataclass(frozen=True)
class Digest:
    """``board`` has the network's headline line and no site's.

    ``arrived`` are the instants of the reports that count, in the order of time like ``news``, and
    ``last`` that of each site's last, so that a page does not look at all that ever came.
    ``cells`` are how many feeds of a site and month are in which state, ``chase`` what to ask of
    whom. A ``pending`` one is as it was before the newest changes, which are being worked in.
    """

    board: Board
    news: tuple[News, ...]
    arrived: tuple[str, ...]
    last: Mapping[str, str]
    names: Mapping[str, str]
    cells: Mapping[tuple[str, str], Counter[str]]
    chase: tuple[Feed, ...]
    pending: bool = False

    def news_since(self, instant: str) -> Sequence[News]:
        """What happened after an instant."""
        return self.news[bisect_right(self.news, instant, key=_instant) :]

    def arrived_since(self, instant: str) -> tuple[int, int]:
        """How many reports arrived after an instant, and from how many sites."""
        reports = len(self.arrived) - bisect_right(self.arrived, instant)
        return reports, sum(at > instant for at in self.last.values())


def digest_for(served: Network, session: Session, person: Person, measure: Measure) -> Digest:
    """A measure in brief, as a person may see it."""
    viewer = audience(session, person, measure, served.keyring.secret)
    return served.cache.get(
        "digest",
        _key(served, session, measure, viewer),
        lambda: _digest(board_for(served, session, person, measure)),
        about=_about(measure, viewer),
    )


def digests_for(served: Network, session: Session, person: Person) -> list[Digest]:
    """All measures in brief; all that they depend on is in one stamp.

    Where much has changed in a large network the rest is made behind the reader's back: until
    then it is told as it was, or as ``pending`` if it was never made.
    """
    key = ("all", person, stamp(session), today(), id(served.config))
    if not served.cache.has("digest", key):
        made = list(_made(served, session, person))
        if any(digest.pending for digest in made):
            return made
        return served.cache.get("digest", key, lambda: made)
    return served.cache.get("digest", key, lambda: list(_made(served, session, person)))


def _made(served: Network, session: Session, person: Person) -> Iterator[Digest]:
    views = [
        (measure, audience(session, person, measure, served.keyring.secret))
        for measure in served.config.measures
    ]
    missing = {
        measure.url
        for measure, viewer in views
        if not served.cache.has("digest", _key(served, session, measure, viewer))
    }
    sizes = _sizes(session) if missing else {}
    at_once = sum(sizes.get(url, 0) for url in missing) <= AT_ONCE
    for measure, viewer in views:
        if at_once or measure.url not in missing:
            yield digest_for(served, session, person, measure)
        else:
            served.background.run(_about(measure, viewer), _maker(served, person, measure))
            yield _before(served, measure, viewer)


def _maker(served: Network, person: Person, measure: Measure) -> Callable[[], object]:
    def make() -> object:
        with Session(served.engine) as session:
            return digest_for(served, session, person, measure)

    return make


def _before(served: Network, measure: Measure, viewer: Audience) -> Digest:
    """What was known before, marked; without any number if nothing was."""
    old = served.cache.newest(_about(measure, viewer))
    if isinstance(old, Digest):
        return replace(old, pending=True)
    empty = Board(measure, (), (), (), (), frozenset())
    return Digest(empty, (), (), {}, {}, {}, (), pending=True)


def _about(measure: Measure, viewer: Audience) -> tuple[object, ...]:
    return ("digest", measure.id, viewer.key)


def _key(
    served: Network, session: Session, measure: Measure, viewer: Audience
) -> tuple[object, ...]:
    return (measure.id, stamp(session, measure), viewer.key, today(), id(served.config))


def _sizes(session: Session) -> dict[str, int]:
    """How many reports each measure has."""
    counted = select(Submission.measure, func.count()).group_by(Submission.measure)
    return dict(session.exec(counted).all())


def _digest(board: Board) -> Digest:
    cells: dict[tuple[str, str], Counter[str]] = {}
    feeds = list(calendar.feeds(board, today()))
    for feed in feeds:
        cells.setdefault((feed.site, calendar.month_of(feed.period)), Counter())[feed.state] += 1
    heads, came = board.groups[:1], list(_arrived(board))
    return Digest(
        board=replace(
            board, groups=tuple(replace(g, sites=()) for g in heads), restatements=(), wider=()
        ),
        news=tuple(sorted((*news.signals(board), *news.restatements(board)), key=_instant)),
        arrived=tuple(sorted(at for _, at in came)),
        last=dict(sorted(came)),
        names={s.reporter: s.name for g in heads for s in g.sites if not s.blinded},
        cells=cells,
        chase=tuple(feed for feed in feeds if feed.state in calendar.TO_CHASE),
    )


def _instant(each: News) -> str:
    return each.at


def _arrived(board: Board) -> Iterator[tuple[str, str]]:
    for group in board.groups[:1]:
        for series in group.sites:
            for reading in series.readings:
                if reading.received:
                    yield series.reporter, reading.received
