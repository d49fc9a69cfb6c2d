"""The demo's two measures, counted from a center's raw resources and without the engine.

Local codes are read back with the center's own vocabulary, not with `mappings/`, so that a count
by hand also says whether the mapping means what the center means.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Any

from service.demo.centers import Center
from service.demo.stays import EVENTS

Resource = dict[str, Any]
Units = set[tuple[str, str]]  # (patient, stay)

DAY = timedelta(hours=24)
OPERATIONS = {"hip", "knee", "spine", "colon", "uterus", "kidney", "breast", "thyroid", "heart"}
GROUPS = {
    "composite": EVENTS,
    "drinking": ("drink",),
    "eating": ("eat",),
    "mobilising": ("mobilise",),
}


class ByHand:
    """A center's stays with all that belongs to each, ready to be counted."""

    def __init__(self, center: Center, resources: Iterable[Resource]) -> None:
        self._meaning = {
            (center.vocabulary.systems[kind], code): thing
            for kind, things in center.vocabulary.codes.items()
            for thing, codes in things.items()
            for code, _ in codes
        }
        self._patients: dict[str, Resource] = {}
        self._stays: list[Resource] = []
        self._of_stay: dict[str, list[Resource]] = defaultdict(list)
        for resource in resources:
            self._file(resource)

    def _file(self, resource: Resource) -> None:
        match resource["resourceType"]:
            case "Patient":
                self._patients["Patient/" + resource["id"]] = resource
            case "Encounter" if self._means(resource["class"]) == "inpatient":
                self._stays.append(resource)
            case "Procedure" | "Observation":
                self._of_stay[resource["encounter"]["reference"]].append(resource)

    def dreaming(self, start: date, end: date) -> dict[str, dict[str, Units]]:
        """Group id -> population -> stays discharged from start to end, both included."""
        denominator: Units = set()
        excluded: Units = set()
        met: dict[str, Units] = {group: set() for group in GROUPS}
        for stay in self._discharged(start, end):
            unit = (stay["subject"]["reference"], "Encounter/" + stay["id"])
            operations = self._operations(stay)
            if not operations or not self._adult(stay, operations[0][0]):
                continue
            denominator.add(unit)
            if self._excluded(stay, operations):
                excluded.add(unit)
                continue
            done = self._done(stay, operations[0][1])
            day_case = self._without_a_night(stay)
            for group, events in GROUPS.items():
                if day_case or done.issuperset(events):
                    met[group].add(unit)
        counted = {
            group: {
                "initial-population": denominator,
                "denominator": denominator,
                "denominator-exclusion": excluded,
                "numerator": met[group],
            }
            for group in GROUPS
        }
        return counted | self._by_sex(counted["composite"])

    def _by_sex(self, composite: Mapping[str, Units]) -> dict[str, dict[str, Units]]:
        """The composite's strata, and nobody in the one of all other values."""
        return {
            f"composite/sex/{sex}": {
                population: {unit for unit in units if self._patients[unit[0]]["gender"] == sex}
                for population, units in composite.items()
            }
            for sex in ("female", "male", "")
        }

    def readmission(self, start: date, end: date) -> dict[str, dict[str, Units]]:
        """The same for readmission's one group."""
        denominator: Units = set()
        excluded: Units = set()
        numerator: Units = set()
        stays_of = defaultdict(list)
        for stay in self._stays:
            stays_of[stay["subject"]["reference"]].append(stay)
        for stay in self._discharged(start, end):
            if not self._adult(stay, stay["period"]["start"]):
                continue
            patient = stay["subject"]["reference"]
            unit = (patient, "Encounter/" + stay["id"])
            denominator.add(unit)
            if self._left(stay) in ("died", "transfer", "against-advice"):
                excluded.add(unit)
            elif any(self._readmitted(stay, other) for other in stays_of[patient]):
                numerator.add(unit)
        populations = {
            "initial-population": denominator,
            "denominator": denominator,
            "denominator-exclusion": excluded,
            "numerator": numerator,
        }
        return {"readmission": populations}

    def _discharged(self, start: date, end: date) -> Iterable[Resource]:
        for stay in self._stays:
            left = stay["period"].get("end", "")[:10]
            if stay["status"] == "finished" and start.isoformat() <= left <= end.isoformat():
                yield stay

    def _operations(self, stay: Resource) -> list[tuple[str, str]]:
        """Start and end of each major operation, as written, the first to end first."""
        found = [
            (procedure["performedPeriod"]["start"], procedure["performedPeriod"]["end"])
            for procedure in self._records(stay)
            if self._thing(procedure["code"]) in OPERATIONS
        ]
        return sorted(found, key=lambda bounds: bounds[1][:10] if _dated(bounds) else bounds[1])

    def _excluded(self, stay: Resource, operations: list[tuple[str, str]]) -> bool:
        if any(_dated(bounds) for bounds in operations):
            return True
        begun, zero = (datetime.fromisoformat(moment) for moment in operations[0])
        if any(zero <= datetime.fromisoformat(again) <= zero + DAY for again, _ in operations[1:]):
            return True
        left = datetime.fromisoformat(stay["period"]["end"])
        if self._left(stay) == "died" and left <= zero + DAY:
            return True
        return any(self._speaks_against(each, begun, zero) for each in self._records(stay))

    def _speaks_against(self, resource: Resource, begun: datetime, zero: datetime) -> bool:
        """Whether a record says that recovery within 24 hours could not be expected."""
        match self._thing(resource["code"]):
            case "ventilation":
                on, off = (datetime.fromisoformat(m) for m in resource["performedPeriod"].values())
                return on <= zero + DAY <= off
            case "nil-by-mouth" | "contraindication":
                return begun <= datetime.fromisoformat(resource["effectiveDateTime"]) <= zero + DAY
            case _:
                return False

    def _records(self, stay: Resource) -> list[Resource]:
        return self._of_stay["Encounter/" + stay["id"]]

    def _done(self, stay: Resource, end: str) -> set[str]:
        zero = datetime.fromisoformat(end)
        return {
            thing
            for resource in self._records(stay)
            if (thing := self._thing(resource["code"])) in EVENTS
            and resource["status"] == "final"
            and resource["valueBoolean"]
            and zero <= datetime.fromisoformat(resource["effectiveDateTime"]) <= zero + DAY
        }

    def _readmitted(self, stay: Resource, other: Resource) -> bool:
        left, came = stay["period"]["end"], other["period"]["start"]
        days = (date.fromisoformat(came[:10]) - date.fromisoformat(left[:10])).days
        kinds = {self._thing(kind) for kind in other["type"]} | {self._thing(other["priority"])}
        planned = kinds & {"elective", "obstetric", "rehabilitation", "chemotherapy"}
        later = datetime.fromisoformat(came) > datetime.fromisoformat(left)
        return later and days <= 30 and not planned and other["status"] != "cancelled"

    def _without_a_night(self, stay: Resource) -> bool:
        """Home on the day of admission, which counts as recovery."""
        same_day = stay["period"]["start"][:10] == stay["period"]["end"][:10]
        return same_day and self._left(stay) not in ("died", "transfer")

    def _left(self, stay: Resource) -> str:
        return self._thing(stay["hospitalization"]["dischargeDisposition"])

    def _adult(self, stay: Resource, at: str) -> bool:
        born = self._patients[stay["subject"]["reference"]]["birthDate"]
        return f"{int(born[:4]) + 18}{born[4:]}" <= at[:10]

    def _thing(self, concept: Resource) -> str:
        """What the center means by its code."""
        (coding,) = concept["coding"]
        return self._means(coding)

    def _means(self, coding: Resource) -> str:
        return self._meaning[coding["system"], coding["code"]]


def _dated(bounds: tuple[str, str]) -> bool:
    """Whether an operation's end has no time of day."""
    return "T" not in bounds[1]
