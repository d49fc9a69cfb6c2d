"""A center's records of its story: FHIR R4 resources with the center's own codes and clock."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from service.demo.centers import Center, Coding
from service.demo.stays import Charted, Operation, Patient, Stay, Story

Resource = dict[str, Any]

GROUP = "inpatients"  # the Group that holds every patient
SURNAMES = ("Abbott", "Baker", "Castillo", "Diallo", "Evans", "Fischer", "Gupta", "Haddad", "Ito")
GIVEN = {
    True: ("Alice", "Bea", "Carmen", "Dora", "Elif", "Fatou", "Grace"),
    False: ("Adam", "Boris", "Carlos", "Dev", "Emil", "Femi", "George"),
}


def records(center: Center, story: Story) -> Iterator[Resource]:
    """Every resource of the center, each after those that it refers to."""
    for number, ward in enumerate(center.wards):
        yield {"resourceType": "Location", "id": f"ward-{number}", "status": "active", "name": ward}
    for patient in story.patients:
        yield _patient(center, patient)
    yield _group(story)
    for number, stay in enumerate(story.stays):
        yield from _Chart(center, number, stay).resources()


def _patient(center: Center, patient: Patient) -> Resource:
    name = {
        "family": SURNAMES[patient.number % len(SURNAMES)],
        "given": [GIVEN[patient.female][patient.number % len(GIVEN[patient.female])]],
    }
    died = {"deceasedDateTime": _local(center, patient.died)} if patient.died else {}
    return {
        "resourceType": "Patient",
        "id": f"patient-{patient.number}",
        "identifier": [
            {"system": f"urn:weir:demo:{center.id}:mrn", "value": f"MRN-{patient.number:07}"}
        ],
        "name": [name],
        "gender": "female" if patient.female else "male",
        "birthDate": patient.born.isoformat(),
        **died,
    }


def _group(story: Story) -> Resource:
    members = [{"entity": {"reference": f"Patient/patient-{p.number}"}} for p in story.patients]
    kind = {"type": "person", "actual": True, "name": "All inpatients"}
    return {"resourceType": "Group", "id": GROUP, **kind, "member": members}


class _Chart:
    """The records of one stay; its number names them and picks among codes that mean the same."""

    def __init__(self, center: Center, number: int, stay: Stay) -> None:
        self._center = center
        self._number = number
        self._stay = stay

    def resources(self) -> Iterator[Resource]:
        yield self._encounter()
        for place, operation in enumerate(self._stay.operations):
            yield self._operation(place, operation)
            yield from self._exclusion(operation)
            for entry, charted in enumerate(operation.charted):
                yield self._charted(entry, charted)
        yield from self._routine()

    def _encounter(self) -> Resource:
        stay = self._stay
        ward = f"Location/ward-{self._number % len(self._center.wards)}"
        left = {"hospitalization": self._left(stay.disposition)} if stay.disposition else {}
        return {
            "resourceType": "Encounter",
            "id": f"stay-{self._number}",
            "status": _status(stay),
            "class": self._center.vocabulary.coding("class", stay.setting),
            "type": [self._concept("admission", stay.kind)],
            "priority": self._concept("priority", stay.priority),
            "subject": self._subject(),
            "period": self._period(stay.admitted, stay.discharged),
            "location": [{"location": {"reference": ward}}],
            **left,
        }

    def _left(self, disposition: str) -> Resource:
        return {"dischargeDisposition": self._concept("disposition", disposition)}

    def _operation(self, place: int, operation: Operation) -> Resource:
        period = self._period(operation.start, operation.end)
        if operation.excluded == "no-time-of-day":
            period = {bound: moment[: len("2024-01-31")] for bound, moment in period.items()}
        return self._procedure(f"operation-{self._number}-{place}", operation.site, period)

    def _exclusion(self, operation: Operation) -> Iterator[Resource]:
        """What is recorded where recovery is no fair test."""
        soon = operation.end + timedelta(hours=1)
        if operation.excluded == "ventilated":
            period = self._period(operation.start, operation.end + timedelta(hours=36))
            yield self._procedure(f"ventilation-{self._number}", "ventilation", period)
        elif operation.excluded in ("nil-by-mouth", "contraindication"):
            entry = {"effectiveDateTime": self._local(soon), "valueBoolean": True}
            yield self._observation(f"note-{self._number}", operation.excluded, entry)

    def _charted(self, entry: int, charted: Charted) -> Resource:
        row = {"effectiveDateTime": self._local(charted.at), "valueBoolean": charted.done}
        status = "entered-in-error" if charted.in_error else "final"
        return self._observation(f"row-{self._number}-{entry}", charted.event, row, status)

    def _routine(self) -> Iterator[Resource]:
        """What every chart is full of and no measure asks for, some of it in unmapped codes."""
        stay = self._stay
        entry = {"effectiveDateTime": self._local(stay.admitted), "valueInteger": self._number % 11}
        if self._number % 3 == 0:
            yield self._observation(
                f"routine-{self._number}", ("pain", "skin")[self._number % 2], entry
            )
        if self._number % 10 == 0 and stay.discharged:
            thing = ("line", "scope", "dressing")[self._number // 10 % 3]
            period = self._period(stay.admitted, stay.discharged)
            yield self._procedure(f"bedside-{self._number}", thing, period)

    def _procedure(self, id: str, thing: str, period: Resource) -> Resource:
        return {
            "resourceType": "Procedure",
            "id": id,
            "status": "completed",
            "code": self._concept("procedure", thing),
            "subject": self._subject(),
            "encounter": {"reference": f"Encounter/stay-{self._number}"},
            "performedPeriod": period,
        }

    def _observation(self, id: str, thing: str, entry: Resource, status: str = "final") -> Resource:
        return {
            "resourceType": "Observation",
            "id": id,
            "status": status,
            "code": self._concept("flowsheet", thing),
            "subject": self._subject(),
            "encounter": {"reference": f"Encounter/stay-{self._number}"},
            **entry,
        }

    def _subject(self) -> Resource:
        return {"reference": f"Patient/patient-{self._stay.patient}"}

    def _concept(self, kind: str, thing: str) -> dict[str, list[Coding]]:
        return {"coding": [self._center.vocabulary.coding(kind, thing, self._number)]}

    def _period(self, start: datetime, end: datetime | None) -> dict[str, str]:
        bounds = {"start": self._local(start)}
        return bounds | {"end": self._local(end)} if end else bounds

    def _local(self, moment: datetime) -> str:
        return _local(self._center, moment)


def _status(stay: Stay) -> str:
    if stay.cancelled:
        return "cancelled"
    return "finished" if stay.discharged else "in-progress"


def _local(center: Center, moment: datetime) -> str:
    """The moment on the center's clock, with its offset."""
    return moment.astimezone(center.zone).isoformat(timespec="seconds")
