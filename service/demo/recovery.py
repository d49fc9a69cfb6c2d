"""The hours after an operation: what the flowsheet says of drinking, eating and mobilising."""

from datetime import datetime, timedelta

from service.demo.chance import Chance
from service.demo.stays import EVENTS, Charted, Event

DAY = timedelta(hours=24)
MINUTE = timedelta(minutes=1)
EARLIEST = {
    "drink": timedelta(minutes=30),
    "eat": timedelta(hours=2),
    "mobilise": timedelta(hours=3),
}

# What is met when not all three are, with weights of 100.
PARTLY: tuple[tuple[tuple[Event, ...], int], ...] = (
    (("drink", "eat"), 20),
    (("drink", "mobilise"), 14),
    (("eat", "mobilise"), 6),
    (("drink",), 18),
    (("eat",), 15),
    (("mobilise",), 14),
    ((), 13),
)


def charted(
    chance: Chance, met: bool, admitted: datetime, start: datetime, end: datetime, left: datetime
) -> tuple[Charted, ...]:
    """The flowsheet of one stay: all three events within 24 hours of the end if `met`, else not."""
    done = EVENTS if met else chance.weighted(PARTLY)
    entries = [entry for event in EVENTS for entry in _before(chance, event, admitted, start)]
    for event in EVENTS:
        if event in done:
            entries.append(Charted(event, _in_time(chance, event, end, left)))
        else:
            entries += _missed(chance, event, end, left)
    return tuple(entries)


def _before(
    chance: Chance, event: Event, admitted: datetime, start: datetime
) -> tuple[Charted, ...]:
    """Now and then an entry of the hours before the operation, which says nothing of recovery."""
    if event == "eat" or not chance.happens(0.1):
        return ()
    return (Charted(event, start - chance.within(MINUTE, start - admitted)),)


def _in_time(chance: Chance, event: Event, end: datetime, left: datetime) -> datetime:
    latest = min(DAY, left - end) - 10 * MINUTE
    return end + chance.within(EARLIEST[event], latest)


def _missed(chance: Chance, event: Event, end: datetime, left: datetime) -> tuple[Charted, ...]:
    """Too late, charted as not done, charted by mistake, or not charted at all."""
    latest = left - end - 10 * MINUTE
    if latest > DAY + 5 * MINUTE and chance.happens(0.6):
        late = end + chance.within(DAY + 5 * MINUTE, min(latest, 3 * DAY))
        return (Charted(event, late),)
    if chance.happens(0.4):
        return (Charted(event, _in_time(chance, event, end, left), done=False),)
    if chance.happens(0.05):
        return (Charted(event, _in_time(chance, event, end, left), in_error=True),)
    return ()
