"""What anyone may see: the network's sum of a measure, if staff made it public.

Only sites whose recipients include the public are in it, and only sums of at least
`public_sites` of them are shown; so it is made anew, not cut from what members see.
"""

from dataclasses import replace

from sqlmodel import Session

from service.errors import RequestError
from service.network.audience import terms_of
from service.network.board import Board, GroupBoard
from service.network.boards import whole_board
from service.network.config import Measure
from service.network.pool import Pooled, pool
from service.network.reading import Reading
from service.network.roster import roster_of
from service.network.series import Series
from service.network.state import Network
from service.spc.point import State


def public_board(served: Network, session: Session, measure: Measure) -> Board:
    """The network's line alone; raises RequestError (404) when it is not public."""
    if not terms_of(session, measure).public:
        raise RequestError(404, "not-found", "this measure is not public")
    board = whole_board(served, session, measure)
    allowed = {s.id for s in roster_of(session).reporters(measure) if "public" in s.recipients}
    groups = tuple(_group(group, allowed, served) for group in board.groups)
    return replace(board, groups=groups, restatements=(), wider=())


def _group(group: GroupBoard, allowed: set[str], served: Network) -> GroupBoard:
    sites = [series for series in group.sites if series.reporter in allowed]
    known = group.network
    periods = [reading.period for reading in known.readings]
    pools = [
        _pooled([s for s in sites if s.reporter in pooled.sites], at, period, served)
        for at, (pooled, period) in enumerate(zip(known.pools, periods, strict=True))
    ]
    network = replace(
        group.network,
        readings=tuple(pooled.reading for pooled in pools),
        changes=tuple(mark for mark in group.network.changes if mark.site is None),
        pools=tuple(pools),
    )
    return GroupBoard(group.group, network, ())


def _pooled(sites: list[Series], at: int, period: str, served: Network) -> Pooled:
    readings = {series.reporter: series.readings[at] for series in sites}
    began = frozenset(s.reporter for s in sites if any(r.versions for r in s.readings[: at + 1]))
    found = pool(period, readings, began, served.config.pool_share)
    if len(found.contributors) >= served.config.public_sites:
        named = tuple(f"center {n}" for n in range(1, len(found.contributors) + 1))
        left = {f"another center ({n})": why for n, why in enumerate(found.left_out.values(), 1)}
        return replace(found, contributors=named, left_out=left)
    hidden = Reading(period, State.SUPPRESSED, reasons=("too few centers to show a sum",))
    return Pooled(hidden, (), {}, found.partial)
