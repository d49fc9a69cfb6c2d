"""Tells what happened at a center, month by month.

Everything is drawn from a seed and nothing from a clock: a seed always tells the same story. Two
rates are planted: of the surgical stays, how many drink, eat and mobilise within 24 hours of the
end of surgery; of the discharges, how many an unplanned readmission follows within 30 days.
"""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from service.demo import months
from service.demo.chance import Chance
from service.demo.register import Register
from service.demo.stays import NOBODY, Disposition, Exclusion, Kind, Priority, Setting, Stay, Story
from service.demo.surgery import surgical_stay

READMITTED = 0.15  # of the discharges that count, an unplanned readmission follows
PLANNED = 0.03  # of the others
RETURNING = 0.2  # of the admissions that are no readmission: an earlier patient's

EXCLUSIONS: tuple[tuple[Exclusion, int], ...] = (
    ("nil-by-mouth", 30),
    ("ventilated", 26),
    ("contraindication", 20),
    ("returned", 16),
    ("no-time-of-day", 5),
    ("died", 3),
)
KINDS: tuple[tuple[Kind, int], ...] = (
    ("medical", 88),
    ("obstetric", 6),
    ("rehabilitation", 3),
    ("chemotherapy", 3),
)
PLANNED_KINDS: tuple[tuple[Kind, int], ...] = (
    ("medical", 4),
    ("rehabilitation", 3),
    ("chemotherapy", 3),
)
PRIORITIES: dict[Kind, tuple[tuple[Priority, int], ...]] = {
    "medical": (("emergency", 7), ("urgent", 2), ("elective", 1)),
    "obstetric": (("urgent", 1), ("elective", 1)),
    "rehabilitation": (("urgent", 1),),
    "chemotherapy": (("elective", 1),),
}
NIGHTS: dict[Kind, tuple[tuple[int, int], ...]] = {
    "medical": ((1, 15), (2, 22), (3, 20), (4, 15), (5, 10), (6, 7), (8, 6), (12, 4), (20, 1)),
    "obstetric": ((1, 3), (2, 5), (3, 2)),
    "rehabilitation": ((7, 2), (10, 3), (14, 2)),
    "chemotherapy": ((1, 3), (2, 2), (4, 1)),
}
DISPOSITIONS: dict[Kind, tuple[tuple[Disposition, int], ...]] = {
    "medical": (
        ("home", 62),
        ("home-care", 14),
        ("nursing", 12),
        ("rehabilitation", 4),
        ("transfer", 3),
        ("against-advice", 2),
        ("died", 3),
    ),
    "surgical": (
        ("home", 145),
        ("home-care", 28),
        ("nursing", 16),
        ("rehabilitation", 7),
        ("transfer", 3),
        ("against-advice", 1),
    ),
    "obstetric": (("home", 1),),
    "rehabilitation": (("home", 3), ("nursing", 1)),
    "chemotherapy": (("home", 1),),
}
UNPLANNED: tuple[tuple[Priority, int], ...] = (("emergency", 3), ("urgent", 1))
SETTINGS: tuple[tuple[Setting, int], ...] = (
    ("emergency", 4),
    ("outpatient", 3),
    ("observation", 2),
    ("inpatient", 1),
)


@dataclass(frozen=True)
class Plan:
    """What to tell, and what to plant in it. Months are named by their first day.

    The composite's rate is `before` until the month `change`, by discharge, and `since` from then
    on (without `change`: always `before`). Volumes are means by month: `surgical` stays that the
    composite counts, and `discharges` of adult inpatients in all, those and readmissions too.
    """

    zone: ZoneInfo
    seed: int
    first: date
    last: date
    change: date | None = None
    before: float = 0.35
    since: float = 0.65
    surgical: int = 60
    discharges: int = 150

    def composite(self, month: date) -> float:
        """The planted rate of the composite among the month's discharges."""
        return self.since if self.change and month >= self.change else self.before

    @property
    def horizon(self) -> datetime:
        """When the records were taken: a month of follow-up after the last."""
        return datetime.combine(months.after(self.last, 2), time(0), self.zone).astimezone(UTC)


def tell(plan: Plan) -> Story:
    """All that happened in the plan's months, the month before and the month after."""
    teller = _Teller(plan)
    for month in months.between(months.after(plan.first, -1), months.after(plan.last)):
        teller.month(month)
    seen = [stay for told in teller.stays if (stay := _seen(told, plan.horizon))]
    return Story(tuple(teller.register.patients), tuple(seen))


def _seen(stay: Stay, horizon: datetime) -> Stay | None:
    """The stay as the records show it at the horizon: nothing of what is still to come."""
    if stay.admitted >= horizon:
        return None
    if stay.discharged is None or stay.discharged < horizon:
        return stay
    return replace(stay, discharged=None, disposition=None, operations=())


class _Teller:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._chance = Chance(plan.seed, plan.zone)
        self.register = Register(self._chance)
        self.stays: list[Stay] = []

    def month(self, month: date) -> None:
        chance, surgical = self._chance, self._plan.surgical
        for _ in range(chance.about(surgical)):
            self._surgical(month, chance.age(64, 13))
        for _ in range(chance.whole(surgical * 2 // 60, surgical * 4 // 60)):
            self._surgical(month, chance.age(67, 12), chance.weighted(EXCLUSIONS))
        for _ in range(chance.whole(1, 3)):
            self._surgical(month, chance.whole(8, 16))
        for _ in range(chance.about(self._plan.discharges * 0.83 - surgical * 1.08)):
            self._admit(self._stay(chance.weighted(KINDS), chance.day(month)), chance.age(68, 14))
        for _ in range(chance.about(self._plan.discharges / 15)):
            self._elsewhere()

    def _surgical(self, month: date, age: int, excluded: Exclusion | None = None) -> None:
        met = self._chance.happens(self._plan.composite(month))
        self._admit(surgical_stay(self._chance, self._chance.day(month), met, excluded), age)

    def _stay(self, kind: Kind, came: date) -> Stay:
        """A stay without an operation that begins on a day."""
        chance = self._chance
        left = came + timedelta(days=chance.weighted(NIGHTS[kind]))
        priority = chance.weighted(PRIORITIES[kind])
        admitted, discharged = chance.at(came, 0, 24), chance.at(left, 9, 22)
        return Stay(NOBODY, "inpatient", kind, priority, admitted, discharged)

    def _admit(self, stay: Stay, age: int) -> None:
        """Give the stay to a patient, and tell what comes of it."""
        chance, mother = self._chance, stay.kind == "obstetric"
        again = age > 18 and not mother and chance.happens(RETURNING)
        number = self.register.returning(stay.admitted) if again else None
        if number is None:
            age = chance.whole(20, 42) if mother else age
            number = self.register.new(stay.admitted, age, mother or chance.happens(0.52))
        self._discharge(replace(stay, patient=number))

    def _discharge(self, stay: Stay) -> None:
        """The patient leaves, and may come back."""
        drawn = self._chance.weighted(DISPOSITIONS[stay.kind])
        stay = replace(stay, disposition=stay.disposition or drawn)
        self.stays.append(stay)
        self.register.tell(stay)
        following = self._readmission(stay)
        if following:
            self._discharge(replace(following, patient=stay.patient))

    def _readmission(self, stay: Stay) -> Stay | None:
        """The stay that begins within 30 days, if any; oftener after leaving against advice."""
        chance = self._chance
        if stay.disposition in ("died", "transfer") or not self.register.adult(stay):
            return None
        if chance.happens(READMITTED * (2 if stay.disposition == "against-advice" else 1)):
            unplanned = self._stay("medical", self._later(stay, 1, 28))
            return replace(unplanned, priority=chance.weighted(UNPLANNED))
        if chance.happens(PLANNED):
            planned = self._stay(chance.weighted(PLANNED_KINDS), self._later(stay, 7, 28))
            return replace(planned, priority="elective") if planned.kind == "medical" else planned
        return None

    def _later(self, stay: Stay, soonest: int, latest: int) -> date:
        """A day after the stay's last, counted on the center's calendar; sooner days oftener."""
        days = min(self._chance.whole(soonest, latest) for _ in range(2))
        end = stay.discharged or stay.admitted
        return end.astimezone(self._plan.zone).date() + timedelta(days=days)

    def _elsewhere(self) -> None:
        """A contact after a recent stay that is no admission, or one that was called off."""
        before = self._chance.one(self.stays[-200:])
        if before.disposition == "died":
            return
        came = self._chance.at(self._later(before, 1, 28), 8, 16)
        left = came + self._chance.within(timedelta(minutes=30), timedelta(hours=7))
        setting = self._chance.weighted(SETTINGS)
        cancelled = setting == "inpatient"
        contact = Stay(before.patient, setting, "medical", "urgent", came, left, "home")
        called_off = replace(contact, discharged=None, disposition=None, cancelled=True)
        self.stays.append(called_off if cancelled else contact)
