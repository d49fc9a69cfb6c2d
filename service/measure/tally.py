"""Patients' results added up: the counts of a summary report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from service.measure.group import Group
from service.measure.result import GroupResult, PatientResult, Strata


@dataclass
class GroupTally:
    """Counts of one group; ``subjects`` are the patients of each population, when they are kept."""

    counts: Counter[str] = field(default_factory=Counter)
    observations: dict[str, list[Decimal]] = field(default_factory=dict)
    strata: dict[str, dict[Strata, Counter[str]]] = field(default_factory=dict)
    subjects: dict[str, list[str]] = field(default_factory=dict)

    def add(self, result: GroupResult) -> None:
        for name, units in result.by_id.items():
            self.counts[name] += len(units)
        for name, values in result.observations.items():
            self.observations.setdefault(name, []).extend(values)
        for name, strata in result.strata.items():
            told = self.strata.setdefault(name, {})
            for stratum, members in strata.items():
                counts = told.setdefault(stratum, Counter())
                for population, units in members.items():
                    counts[population] += len(units)

    def add_subject(self, patient: str, result: GroupResult) -> None:
        for name, units in result.by_id.items():
            if units:
                self.subjects.setdefault(name, []).append(patient)


class Tally:
    """The sum of any number of patients' results; memory grows with observations alone.

    With ``subjects`` it also remembers which patients are in which population, for subject lists.
    """

    def __init__(self, groups: Iterable[Group], *, subjects: bool = False) -> None:
        self.groups = {group.id: GroupTally() for group in groups}
        self.patients = 0
        self._subjects = subjects

    def add(self, result: PatientResult) -> None:
        self.patients += 1
        for name, group in result.groups.items():
            self.groups[name].add(group)
            if self._subjects:
                self.groups[name].add_subject(result.patient, group)
