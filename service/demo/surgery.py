"""A surgical stay: when the patient came, was operated on and left."""

from datetime import date, datetime, timedelta

from service.demo.chance import Chance
from service.demo.recovery import DAY, MINUTE, charted
from service.demo.stays import NOBODY, Exclusion, Operation, Stay

DAY_CASES = 0.05  # of the stays that meet the composite
AGAIN = 0.02  # of the stays: another operation, more than a day after the first

SITES = ("hip", "knee", "spine", "colon", "uterus", "kidney", "breast", "thyroid", "heart")
NIGHTS = ((1, 18), (2, 25), (3, 23), (4, 14), (5, 9), (7, 6), (10, 5))


def surgical_stay(chance: Chance, left: date, met: bool, excluded: Exclusion | None) -> Stay:
    """A stay that ends on the day `left`, mostly before it is known where the patient goes.

    `met`: drank, ate and mobilised within 24 hours, or went home the same day. `excluded`: why the
    stay does not count, whatever was charted.
    """
    if met and not excluded and chance.happens(DAY_CASES):
        return _day_case(chance, left)
    elective = chance.happens(0.75)
    nights = max(chance.weighted(NIGHTS), 3 if excluded else 1)
    operated = left - timedelta(days=nights)
    came = operated if elective else operated - timedelta(days=1)
    admitted = chance.at(came, 6, 8) if elective else chance.at(came, 0, 24)
    start = chance.at(operated, 8, 15)
    end = start + chance.within(60 * MINUTE, 240 * MINUTE)
    discharged = chance.at(left, 10, 21)
    if excluded == "died":
        discharged = end + chance.within(60 * MINUTE, DAY - MINUTE)
    entries = charted(chance, met, admitted, start, end, discharged)
    first = Operation(chance.one(SITES), start, end, entries, excluded)
    return Stay(
        patient=NOBODY,
        setting="inpatient",
        kind="surgical",
        priority="elective" if elective else "emergency",
        admitted=admitted,
        discharged=discharged,
        disposition="died" if excluded == "died" else None,
        operations=(first, *_more(chance, first, discharged)),
    )


def _day_case(chance: Chance, day: date) -> Stay:
    """Home on the day of the operation, with nothing charted."""
    start = chance.at(day, 8, 11)
    end = start + chance.within(40 * MINUTE, 90 * MINUTE)
    return Stay(
        patient=NOBODY,
        setting="inpatient",
        kind="surgical",
        priority="elective",
        admitted=chance.at(day, 6, 8),
        discharged=chance.at(day, 17, 22),
        disposition="home",
        operations=(Operation(chance.one(SITES), start, end),),
    )


def _more(chance: Chance, first: Operation, discharged: datetime) -> tuple[Operation, ...]:
    """A return to theatre within 24 hours, or now and then an operation some days later."""
    if first.excluded == "returned":
        start = first.end + chance.within(60 * MINUTE, 20 * 60 * MINUTE)
    elif discharged - first.end > 3 * DAY and chance.happens(AGAIN):
        start = first.end + chance.within(DAY + 60 * MINUTE, 2 * DAY)
    else:
        return ()
    return (Operation(first.site, start, start + 90 * MINUTE),)
