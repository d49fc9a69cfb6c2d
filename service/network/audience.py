"""Who sees whom: a measure's board as one reader may see it.

Staff see every site by its name. A member sees its own sites and the network's line; whether it
sees others, and how, is set per measure: "own" not at all, "blinded" without name and counts,
"identified" by name among those who opted in, and blinded all others. A site whose recipients do
not include members is shown to nobody else.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlmodel import Session

from service.network.board import Board, GroupBoard
from service.network.config import Measure, Visibility
from service.network.entry import current
from service.network.lens import RUN_CHART
from service.network.people.role import Person, Role
from service.network.pool import Pooled
from service.network.roster import Roster, roster_of
from service.network.series import Series

LEVELS: tuple[Visibility, ...] = ("own", "blinded", "identified")


@dataclass(frozen=True)
class Terms:
    """How a measure is shared: the level, who opted in, and whether the sum is public."""

    level: Visibility
    public: bool
    opted_in: frozenset[str]


def terms_of(session: Session, measure: Measure) -> Terms:
    """What staff and sites decided last, or what network.toml says."""
    level, public = measure.visibility, measure.public
    for entry in current(session, "visibility", measure.url):
        level, public = entry.fields["level"], bool(entry.fields["public"])
    shared = {entry.site for entry in current(session, "sharing", measure.url)}
    return Terms(level, public, frozenset(site for site in shared if site))


@dataclass(frozen=True)
class Audience:
    """One reader's view: the sites seen by name, and those seen blinded under another name."""

    named: frozenset[str]
    blinded: Mapping[str, str]
    sees_all: bool

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for readers who see the same."""
        return (self.sees_all, tuple(sorted(self.named)), tuple(sorted(self.blinded.items())))


def audience(session: Session, person: Person, measure: Measure, secret: bytes) -> Audience:
    """What a person may see of a measure."""
    roster = roster_of(session)
    everyone = frozenset(site.id for site in roster.reporters(measure))
    if person.sees_all:
        return Audience(everyone, {}, True)
    terms, own = terms_of(session, measure), person.sites & everyone
    if not own or terms.level == "own" or person.role is Role.ANYONE:
        return Audience(own, {}, False)
    peers = _shown_to_members(roster, everyone) - own
    identified = terms.level == "identified" and bool(own & terms.opted_in)
    named = peers & terms.opted_in if identified else frozenset()
    return Audience(own | named, _blinded(peers - named, own, measure, secret), False)


def _shown_to_members(roster: Roster, sites: frozenset[str]) -> frozenset[str]:
    return frozenset(s.id for s in roster.sites if s.id in sites and "members" in s.recipients)


def _blinded(
    peers: frozenset[str], own: frozenset[str], measure: Measure, secret: bytes
) -> dict[str, str]:
    """Numbers in an order that says nothing, and that differs between readers and measures."""

    def drawn(site: str) -> bytes:
        text = "|".join((measure.url, *sorted(own), site))
        return hmac.digest(secret, text.encode(), "sha256")

    return {site: f"Peer {at}" for at, site in enumerate(sorted(peers, key=drawn), 1)}


def seen(board: Board, viewer: Audience) -> Board:
    """The part of a board that its viewer may see."""
    if viewer.sees_all:
        return board
    return replace(
        board,
        groups=tuple(_group(group, viewer) for group in board.groups),
        restatements=tuple(r for r in board.restatements if r.site.id in viewer.named),
        wider=tuple(each for each in board.wider if each.site.id in viewer.named),
    )


def _group(group: GroupBoard, viewer: Audience) -> GroupBoard:
    named = [series for series in group.sites if series.reporter in viewer.named]
    blinded = [
        _without_name(series, viewer.blinded[series.reporter])
        for series in group.sites
        if series.reporter in viewer.blinded
    ]
    blinded.sort(key=lambda series: int(series.name.split()[-1]))
    network = replace(
        group.network,
        changes=tuple(m for m in group.network.changes if m.site in (None, *viewer.named)),
        pools=tuple(_pooled(pooled, viewer) for pooled in group.network.pools),
    )
    return GroupBoard(group.group, network, (*named, *blinded))


def _without_name(series: Series, name: str) -> Series:
    """A line alone: no name, no marks, no counts."""
    readings = tuple(
        replace(
            reading,
            mapping=None,
            received=None,
            reasons=(),
            versions=min(reading.versions, 1),
            told_in="",
        )
        for reading in series.readings
    )
    reporter = name.lower().replace(" ", "-")
    return replace(
        series,
        reporter=reporter,
        name=name,
        readings=readings,
        changes=(),
        goals=(),
        blinded=True,
        lens=RUN_CHART if series.lens.needs_counts else series.lens,
    )


def _pooled(pooled: Pooled, viewer: Audience) -> Pooled:
    """As many contributors as there are, but only the viewer's by name."""
    return replace(
        pooled,
        contributors=tuple(_told(s, at, viewer) for at, s in enumerate(pooled.contributors, 1)),
        left_out={
            _told(site, at, viewer): why
            for at, (site, why) in enumerate(pooled.left_out.items(), 1)
        },
        names={site: name for site, name in pooled.names.items() if site in viewer.named},
    )


def _told(site: str, position: int, viewer: Audience) -> str:
    return site if site in viewer.named else f"another center ({position})"
