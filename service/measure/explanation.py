"""Why a patient counted: for each population of a measure the clauses that decided, and on what.

The measure's logic is compiled a second time, for tracing, when an explanation is asked for; counts
come from the ordinary program. The clauses are those of `service.measure.clause`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from service.cql.program import PatientContext, Session
from service.cql.record import PatientRecord
from service.measure.clause import Clause, Clauses
from service.measure.evaluator import Evaluator
from service.measure.group import Group
from service.measure.logic import Logic
from service.measure.membership import observed
from service.measure.period import Period
from service.measure.population import Population
from service.measure.result import GroupResult, PatientResult
from service.measure.unit import Unit, Units


@dataclass(frozen=True)
class Reason:
    """Why a population has the units that it has.

    ``counted`` are the units that belong, ``meeting`` those that meet the criteria alone, whatever
    other populations say; ``units`` says what they are. An observation has the observed units and
    ``clauses`` one for each.
    """

    group: str
    population: Population
    units: str
    counted: tuple[str, ...]
    meeting: tuple[str, ...]
    clauses: tuple[Clause, ...]


@dataclass(frozen=True)
class Explanation:
    """One patient's result with the reason of each population, in the Measure's order."""

    measure: str  # canonical
    period: Period
    result: PatientResult
    reasons: tuple[Reason, ...]


class Explainer:
    """Explains single patients, with the period, zone and clock of an evaluator."""

    def __init__(self, evaluator: Evaluator) -> None:
        self.evaluator = evaluator
        self._sessions = [
            (logic, evaluator.session(logic.program.traced())) for logic in evaluator.package.logics
        ]

    def explain(self, record: PatientRecord) -> Explanation:
        """Raises EvaluationError when the patient has no defined result."""
        result = self.evaluator.evaluate(record, details=True)
        reasons = (
            reason
            for logic, session in self._sessions
            for reason in _Patient(logic, session, record, result).reasons()
        )
        measure = self.evaluator.package.canonical
        return Explanation(measure, self.evaluator.period, result, tuple(reasons))


class _Patient:
    """One patient in one logic."""

    def __init__(
        self, logic: Logic, session: Session, record: PatientRecord, result: PatientResult
    ) -> None:
        self.logic = logic
        self.result = result
        self.units = Units(record.id)
        self.known: dict[str, Unit] = {}
        self.context: PatientContext = session.patient(record)
        assert session.trace is not None  # of a traced program
        self.clauses = Clauses(session.trace)
        self.attributes = session.program.attributes

    def reasons(self) -> Iterator[Reason]:
        for group in self.logic.groups:
            found = self.result.groups[group.id]
            for population in group.populations:
                if population.code == "measure-observation":
                    yield self._observation(group, population, found)
                else:
                    yield self._criteria(group, population, found)

    def _criteria(self, group: Group, population: Population, found: GroupResult) -> Reason:
        units = self.units.of(self.context.evaluate(population.expression))
        self.known |= {unit.id: unit for unit in units}
        clause = self.clauses.definition(self.attributes[population.expression][0])
        return Reason(
            group.id,
            population,
            group.basis,
            found.by_id[population.id],
            tuple(unit.id for unit in units),
            () if clause is None else (clause,),
        )

    def _observation(self, group: Group, population: Population, found: GroupResult) -> Reason:
        """The observed units; what each observation was made from where it is a function."""
        members = {
            name: tuple(self.known[id] for id in ids if id in self.known)
            for name, ids in found.by_id.items()
        }
        units = observed(group, members, group.observed(population))
        clauses = tuple(filter(None, [self._observe(population, unit) for unit in units]))
        ids = tuple(unit.id for unit in units)
        return Reason(group.id, population, group.basis, ids, ids, clauses)

    def _observe(self, population: Population, unit: Unit) -> Clause | None:
        if population.expression in self.attributes:
            self.context.evaluate(population.expression)
            return self.clauses.definition(self.attributes[population.expression][0])
        arguments = () if unit is self.units.patient else (unit.value,)
        self.context.call(population.expression, *arguments)
        return self.clauses.call()
