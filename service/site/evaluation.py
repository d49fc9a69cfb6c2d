"""Step 4: every patient, in every period that is released, of every measure.

One pass over the patients serves all measures and periods. What is kept of a patient is who belongs
to which population, as disclosure control needs it: that stays at the site.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from service.cql.record import PatientRecord
from service.disclosure import Group, Member, Policy, Table
from service.errors import ConfigError, EvaluationError
from service.measure.evaluator import Evaluator
from service.measure.package import MeasurePackage
from service.measure.period import Period
from service.measure.result import UnitIds
from service.site.judging import asked_at, is_over
from service.site.stratifying import Parting, partings_of

# Where one patient belongs: group -> population -> units; or nowhere, or nothing is defined.
Outcome = dict[str, dict[str, list[str]]] | int
NOWHERE, FAILED = 0, 1


@dataclass(frozen=True)
class Exact:
    """The exact result of one measure for one period; it never leaves the site.

    ``failed`` patients have no defined result and are in no population.
    """

    package: MeasurePackage
    period: Period
    table: Table
    failed: int

    @property
    def counted(self) -> int:
        """How many patients are in a population."""
        populations = (of for group in self.table.groups for of in group.populations.values())
        return len({member.patient for of in populations for member in of})


def evaluate(
    records: Iterable[PatientRecord],
    packages: Sequence[MeasurePackage],
    policy: Policy,
    zone: ZoneInfo,
    as_of: datetime,
) -> list[Exact]:
    """Results for every period that the policy releases and that was over at ``as_of``.

    A period is over when its last day and the measure's follow-up time have passed: before that,
    the same period would have to be released twice, and the difference could be read.
    Raises ConfigError when the policy releases nothing of a measure, or strata that it has not.
    """
    counts = counts_of(packages, policy, zone, as_of)
    for record in records:
        for count in counts:
            count.take(record.id, count.outcome(record))
    return [count.exact() for count in counts]


def counts_of(
    packages: Sequence[MeasurePackage], policy: Policy, zone: ZoneInfo, as_of: datetime
) -> list[Count]:
    """A count of nobody yet for every result that `evaluate` gives; raises the same."""
    return [
        Count(Evaluator(package, period, zone, asked_at(package, period, zone, as_of)), partings)
        for package in packages
        for partings in [partings_of(package, policy)]
        for period in _released(package, policy)
        if is_over(package, period, zone, as_of)
    ]


def _released(package: MeasurePackage, policy: Policy) -> list[Period]:
    spans = policy.periods(package.url)
    if not spans:
        raise ConfigError(
            "the policy releases nothing of this measure",
            where=package.url,
            todo="Take the measure out of site.toml, or ask the network for a policy that names it",
        )
    return [Period(*span) for span in spans]


class Count:
    """Who belongs where, for one measure and period, while patients go by."""

    def __init__(self, evaluator: Evaluator, partings: Sequence[Parting] = ()) -> None:
        self._evaluator = evaluator
        self._partings = partings
        self._failed: set[Member] = set()
        # A unit is named after its basis, so that a patient is never taken for an encounter.
        self._basis = {group.id: group.basis for group in evaluator.package.groups}
        self._members: dict[str, dict[str, set[Member]]] = {
            group.id: {
                population.code: set()
                for population in group.populations
                if population.code != "measure-observation"
            }
            for group in evaluator.package.groups
        }
        self._untold: set[str] = set()
        for parting in partings:
            for name, told in parting.names.items():
                self._basis[name] = self._basis[parting.group]
                self._members[name] = {code: set() for code in self._members[parting.group]}
                self._untold |= set() if told else {name}

        # All sets of members, in an order that is always the same.
        populations = (of.values() for of in self._members.values())
        self._places = [self._failed, *(place for of in populations for place in of)]
        named = ((name, code) for name, of in self._members.items() for code in of)
        self._numbers = {place: number for number, place in enumerate(named, 1)}

    @property
    def width(self) -> int:
        """How many places there are to belong to: place 0 is of the patients who failed, the others
        are the populations of all groups."""
        return len(self._places)

    @property
    def partings(self) -> Sequence[Parting]:
        """The strata that are counted besides."""
        return self._partings

    @property
    def evaluator(self) -> Evaluator:
        """The measure, the period and what else decides a patient's outcome."""
        return self._evaluator

    def outcome(self, record: PatientRecord) -> Outcome:
        """Where a patient belongs."""
        try:
            result = self._evaluator.evaluate(record)
        except EvaluationError:
            return FAILED
        groups = {name: _units(group.populations) for name, group in result.groups.items()}
        for parting in self._partings:
            groups |= parting.units(result.groups[parting.group])
        return {name: of for name, of in groups.items() if of} or NOWHERE

    def take(self, patient: str, outcome: Outcome) -> None:
        """Count a patient where they belong."""
        for place, unit in self.units(outcome):
            self.add(place, [Member(patient, unit)])

    def units(self, outcome: Outcome) -> Iterator[tuple[int, str]]:
        """The places that are not empty then, and the units in them."""
        if isinstance(outcome, int):
            if outcome == FAILED:
                yield 0, ""
            return
        for name, populations in outcome.items():
            basis = self._basis[name]
            for code, units in populations.items():
                for unit in units:
                    yield self._numbers[name, code], f"{basis}/{unit}"

    def add(self, place: int, members: Iterable[Member]) -> None:
        """Count members in one place."""
        self._places[place].update(members)

    def exact(self) -> Exact:
        package, period = self._evaluator.package, self._evaluator.period
        groups = tuple(
            Group(
                name,
                {code: frozenset(members) for code, members in populations.items()},
                name not in self._untold,
            )
            for name, populations in self._members.items()
        )
        table = Table(package.url, package.version, (period.start, period.end), groups)
        return Exact(package, period, table, len(self._failed))


def _units(populations: Mapping[str, UnitIds]) -> dict[str, list[str]]:
    return {code: list(units) for code, units in populations.items() if units}
