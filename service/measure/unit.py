"""What is counted: a patient, or a resource (or other value) of the group's basis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from service.cql.elements import Element


@dataclass(slots=True, eq=False)
class Unit:
    """One thing that is counted, the same object in every population that it belongs to.

    ``id`` is the patient's id where patients are counted, else the resource's, made distinct within
    the patient where two resources share an id.
    """

    id: str
    value: Any


FEW = 8  # up to here a tuple is searched faster than a set is made


class Units:
    """The units of one patient: the same resource always gives the same unit."""

    def __init__(self, patient: str) -> None:
        self.patient = Unit(patient, None)
        self._of_json: dict[int, Unit] = {}
        self._of_value: list[Unit] = []
        self._ids: set[str] = set()

    def of(self, value: Any) -> tuple[Unit, ...]:
        """The units in a population's value: true or a list; null and false have none."""
        if value is True:
            return (self.patient,)
        if not isinstance(value, list):
            return ()
        return tuple(dict.fromkeys(self._of(item) for item in value if item is not None))

    def _of(self, item: Any) -> Unit:
        if not isinstance(item, Element):
            return self._of_plain(item)
        found = self._of_json.get(id(item.json))
        if found is None:
            json = item.json if isinstance(item.json, dict) else {}
            found = self._of_json[id(item.json)] = Unit(self._distinct(json.get("id")), item)
        return found

    def _of_plain(self, item: Any) -> Unit:
        found = next((unit for unit in self._of_value if unit.value == item), None)
        if found is None:
            found = Unit(self._distinct(None), item)
            self._of_value.append(found)
        return found

    def _distinct(self, id: str | None) -> str:
        name = base = id or str(len(self._ids) + 1)
        number = 2
        while name in self._ids:
            name = f"{base}#{number}"
            number += 1
        self._ids.add(name)
        return name


def within(units: tuple[Unit, ...], others: tuple[Unit, ...]) -> tuple[Unit, ...]:
    """The units that are among the others too, in their order."""
    if units is others or not units:
        return units
    inside = others if len(others) < FEW else frozenset(others)
    return tuple([unit for unit in units if unit in inside])


def without(units: tuple[Unit, ...], *others: tuple[Unit, ...]) -> tuple[Unit, ...]:
    """The units that are in none of the others, in their order."""
    out = frozenset().union(*others)
    return tuple([unit for unit in units if unit not in out]) if out else units
