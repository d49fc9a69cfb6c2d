"""Boards as readers see them: made once, and again only when something in them changed."""

from datetime import UTC, date, datetime

from sqlmodel import Session, col, func, select

from service.errors import RequestError
from service.network.audience import audience, seen
from service.network.audit import Audit
from service.network.board import Board, board_of
from service.network.config import Measure
from service.network.people.role import Person
from service.network.state import Network
from service.network.submission import Submission

# Rows of the audit that change nothing on any page.
_NO_CHANGE = ("signed in", "sign-in refused")


def stamp(session: Session, measure: Measure | None = None) -> tuple[int, int]:
    """Grows with every report (of the measure) and with every change by people."""
    last = select(func.max(Submission.id))
    if measure is not None:
        last = last.where(Submission.measure == measure.url)
    changed = select(func.max(Audit.id)).where(col(Audit.what).not_in(_NO_CHANGE))
    return session.exec(last).one() or 0, session.exec(changed).one() or 0


def whole_board(
    served: Network, session: Session, measure: Measure, as_of: str | None = None
) -> Board:
    """Everything of a measure, as staff see it."""
    key = (measure.id, stamp(session, measure), as_of, id(served.config))
    return served.cache.get("board", key, lambda: board_of(session, served.config, measure, as_of))


def board_for(
    served: Network,
    session: Session,
    person: Person,
    measure: Measure,
    as_of: str | None = None,
) -> Board:
    """A measure as a person may see it; ``as_of`` is an instant."""
    viewer = audience(session, person, measure, served.keyring.secret)
    return seen(whole_board(served, session, measure, as_of), viewer)


def end_of(day: str | None) -> str | None:
    """The last instant of a day, ``2026-03-31``, for replaying; raises RequestError (400)."""
    if not day:
        return None
    try:
        date.fromisoformat(day)
    except ValueError as error:
        raise RequestError(400, "invalid", "as_of is a day such as 2026-03-31") from error
    return f"{day[:10]}T23:59:59Z"


def today() -> date:
    """Today, by which a report is late or not yet due."""
    return datetime.now(UTC).date()
