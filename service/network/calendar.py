"""The calendar of expected feeds: what should have come by now, what has, and whom to remind."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from service.measure.period import Period
from service.network import window
from service.network.board import Board
from service.network.reading import Reading
from service.network.series import Series
from service.network.words import state_text
from service.spc.point import State

AS_LONGER = {"quarter": "reported as a quarter", "year": "reported as a year"}
SUBMITTED, PROVISIONAL, RESUBMITTED = "submitted", "provisional", "resubmitted"
HIDDEN = "submitted (suppressed)"  # the site did its part: there is nothing to ask of it
NOT_COMPUTABLE, WITHDRAWN = "not computable", "withdrawn"
LATE, MISSING, EXPECTED = "late", "missing", "not yet due"
# From what needs nobody's care to what needs it most.
STATES = (
    EXPECTED,
    *(SUBMITTED, RESUBMITTED, HIDDEN, *AS_LONGER.values(), PROVISIONAL),
    *(LATE, WITHDRAWN, NOT_COMPUTABLE, MISSING),
)
TO_CHASE = (LATE, WITHDRAWN, NOT_COMPUTABLE, MISSING)
GRACE_DAYS = 31  # a late report is missing after so many more days


@dataclass(frozen=True)
class Feed:
    """One expected report: its state, and what there is to say of it."""

    site: str
    measure: str
    title: str
    period: str
    state: str
    text: str


def feeds(board: Board, day: date) -> Iterator[Feed]:
    """Every report that is expected of every site up to a day, by site and period."""
    periods = expected(board, day)
    if not board.groups:
        return
    for series in board.groups[0].sites:
        known = {reading.period: reading for reading in series.readings}
        for period in periods:
            yield _feed(board, series, period, known.get(period), day)


def expected(board: Board, day: date) -> Sequence[str]:
    """The periods that are over by a day, from the first that is expected of the sites."""
    measure = board.measure
    first = window.holding(measure.first, measure.window) if measure.first else None
    began = first or (board.periods[0] if board.periods else None)
    if began is None:
        return []
    last = window.holding(f"{day:%Y-%m}", measure.window)
    spans = window.span(began, max(last, *board.periods), measure.window)
    return [period for period in spans if period in board.periods or _end(period) < day]


def chase(found: Iterable[Feed]) -> dict[str, list[Feed]]:
    """What to ask of whom: the feeds in TO_CHASE, by site."""
    asked: dict[str, list[Feed]] = {}
    for feed in found:
        if feed.state in TO_CHASE:
            asked.setdefault(feed.site, []).append(feed)
    return asked


def letter(title: str, site: str, asked: Sequence[Feed]) -> str:
    """A text to send to a site by e-mail."""
    lines = [f"- {feed.title}, {window.spoken(feed.period)}: {feed.text}" for feed in asked]
    return "\n".join(
        [
            f"Subject: {title}: {len(asked)} reports to look at",
            "",
            f"Dear colleagues at {site},",
            "",
            "these reports have not come, or hold no number:",
            "",
            *lines,
            "",
            "`weir site sent` lists what your site has sent; `weir site run` sends what is due.",
            "Please reply if something keeps you from reporting.",
            "Send no patient information by e-mail.",
            "",
            f"The staff of {title}",
            "",
        ]
    )


def month_of(period: str) -> str:
    """The month of a period; a quarter stands in its last."""
    return period if "Q" not in period else f"{period[:4]}-{3 * int(period[-1]):02d}"


def _feed(board: Board, series: Series, period: str, reading: Reading | None, day: date) -> Feed:
    due = _end(period) + timedelta(days=board.measure.due_days)
    state = _absent(due, day) if reading is None else _state(reading, due, day)
    came = reading is not None and (reading.versions > 0 or bool(reading.told_in))
    text = (state_text(reading) or state) if came and reading else state
    return Feed(series.reporter, board.measure.id, board.measure.title, period, state, text)


def _state(reading: Reading, due: date, day: date) -> str:
    if reading.told_in and not reading.withdrawn:
        return AS_LONGER[window.length(reading.told_in)]
    if not reading.versions:
        return _absent(due, day)
    if reading.withdrawn:
        return WITHDRAWN
    if reading.state is State.NOT_COMPUTABLE:
        return NOT_COMPUTABLE
    if reading.state is State.SUPPRESSED:
        return HIDDEN
    if reading.provisional:
        return PROVISIONAL
    return RESUBMITTED if reading.restated else SUBMITTED


def _absent(due: date, day: date) -> str:
    if day <= due:
        return EXPECTED
    return LATE if day <= due + timedelta(days=GRACE_DAYS) else MISSING


def _end(period: str) -> date:
    return Period.parse(period).end
