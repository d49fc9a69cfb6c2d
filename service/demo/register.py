"""The patients of a center, and who of them may come again."""

from dataclasses import replace
from datetime import datetime, timedelta

from service.demo.chance import Chance
from service.demo.stays import Patient, Stay

QUIET = timedelta(days=45)  # after a patient's last discharge: no readmission by chance


class Register:
    """Patients by number, and until when each one's story is told."""

    def __init__(self, chance: Chance) -> None:
        self.patients: list[Patient] = []
        self._chance = chance
        self._told: list[datetime] = []

    def new(self, at: datetime, age: int, female: bool) -> int:
        """The number of a new patient, `age` years old at that moment."""
        days = round(age * 365.25) + self._chance.whole(1, 360)
        self.patients.append(Patient(len(self.patients), at.date() - timedelta(days=days), female))
        self._told.append(at)
        return len(self.patients) - 1

    def returning(self, at: datetime) -> int | None:
        """An adult whose earlier stays are long over, if a few tries find one."""
        for _ in range(8):
            number = self._chance.whole(0, max(0, len(self.patients) - 1))
            if self.patients and self._may_come(self.patients[number], at):
                return number
        return None

    def _may_come(self, patient: Patient, at: datetime) -> bool:
        return (
            _adult(patient, at) and patient.died is None and self._told[patient.number] + QUIET < at
        )

    def adult(self, stay: Stay) -> bool:
        return _adult(self.patients[stay.patient], stay.admitted)

    def tell(self, stay: Stay) -> None:
        """Take note of a stay's end, and of a death in hospital."""
        end = stay.discharged or stay.admitted
        self._told[stay.patient] = max(self._told[stay.patient], end)
        if stay.disposition == "died":
            self.patients[stay.patient] = replace(self.patients[stay.patient], died=end)


def _adult(patient: Patient, at: datetime) -> bool:
    """Well past the 18th birthday: nobody in a story is near it."""
    return (at.date() - patient.born).days > 18.5 * 366
