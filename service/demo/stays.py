"""What happened at one center: hospital stays in clinical terms, before anyone coded them."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

Event = Literal["drink", "eat", "mobilise"]
EVENTS: tuple[Event, ...] = ("drink", "eat", "mobilise")

NOBODY = -1  # whose a stay is before it is given to a patient

Setting = Literal["inpatient", "emergency", "observation", "outpatient"]
Kind = Literal["medical", "surgical", "obstetric", "rehabilitation", "chemotherapy"]
Priority = Literal["elective", "urgent", "emergency"]
Disposition = Literal[
    "home", "home-care", "nursing", "rehabilitation", "transfer", "against-advice", "died"
]
Exclusion = Literal[
    "nil-by-mouth", "ventilated", "contraindication", "returned", "no-time-of-day", "died"
]


@dataclass(frozen=True)
class Patient:
    """One person of one center."""

    number: int
    born: date
    female: bool
    died: datetime | None = None


@dataclass(frozen=True)
class Charted:
    """An entry in the flowsheet; `done` is false where "not done" was charted."""

    event: Event
    at: datetime
    done: bool = True
    in_error: bool = False


@dataclass(frozen=True)
class Operation:
    """A major operation and what the flowsheet says of the hours after it.

    `excluded` is why recovery after it is no fair test.
    """

    site: str
    start: datetime
    end: datetime
    charted: tuple[Charted, ...] = ()
    excluded: Exclusion | None = None


@dataclass(frozen=True)
class Stay:
    """One contact with the hospital; without `discharged` it is still going on. Moments in UTC."""

    patient: int
    setting: Setting
    kind: Kind
    priority: Priority
    admitted: datetime
    discharged: datetime | None
    disposition: Disposition | None = None
    operations: tuple[Operation, ...] = ()
    cancelled: bool = False


@dataclass(frozen=True)
class Story:
    """All that happened; a patient's number is the place in `patients`."""

    patients: tuple[Patient, ...]
    stays: tuple[Stay, ...]
