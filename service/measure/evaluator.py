"""A measure, a period and a time zone, applied to one patient after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from service.cql.everyone import Patients, nobody
from service.cql.program import PatientContext, Program, Session
from service.cql.record import PatientRecord
from service.cql.values import DateTime, Interval, Quantity
from service.errors import EvaluationError
from service.measure.group import Group
from service.measure.membership import Members, memberships, observed
from service.measure.package import MeasurePackage
from service.measure.period import MEASUREMENT_PERIOD, Period
from service.measure.population import Population
from service.measure.result import GroupResult, PatientResult, Strata, UnitIds
from service.measure.stratifier import Component, Stratifier
from service.measure.stratum import FALSE, TRUE, Stratum
from service.measure.unit import Unit, Units


class Evaluator:
    """Evaluates one measure for one period, one patient at a time.

    DateTimes without offset take the offset that ``zone`` has at the start of the period, because
    CQL knows one offset in an evaluation; times in the data, and the period's own boundaries, have
    each their own. ``now`` is what Now() says: when the data were current, by default this moment.
    ``everyone`` gives all patients, for logic in the Unfiltered context; what that retrieves stays
    in memory.
    """

    def __init__(
        self,
        package: MeasurePackage,
        period: Period,
        zone: ZoneInfo | None = None,
        now: datetime | None = None,
        everyone: Patients = nobody,
    ) -> None:
        self.package = package
        self.period = period
        self.zone = zone or ZoneInfo("UTC")
        self._now = now or datetime.now(UTC)
        self._everyone = everyone
        self._sessions = [(logic, self.session(logic.program)) for logic in package.logics]

    @property
    def now(self) -> datetime:
        """What Now() says."""
        return self._now

    def evaluate(self, record: PatientRecord, *, details: bool = False) -> PatientResult:
        """The patient's result; with ``details`` also what it rests on and supplemental data.

        Raises EvaluationError when an expression has no defined result for this patient.
        """
        groups: dict[str, GroupResult] = {}
        evaluated: dict[str, None] = {}
        supplemental: dict[str, Any] = {}
        for logic, session in self._sessions:
            context = session.patient(record)
            units = Units(record.id)
            for group in logic.groups:
                groups[group.id] = _Patient(group, logic.program, context, units).result()
            if details:
                for one in logic.supplements:
                    supplemental[one.id] = context.evaluate(one.expression)
                evaluated |= dict.fromkeys(_references(context))
        if composite := self.package.composite:
            groups[composite.group.id] = composite.combine(groups, record.id)
        return PatientResult(record.id, groups, tuple(evaluated), supplemental)

    def session(self, program: Program) -> Session:
        """A session of the program with this period, zone and clock."""
        first, last = self.period.moments(self.zone)
        offset = first.utcoffset() or timedelta()
        parameters: dict[str, object] = {}
        if MEASUREMENT_PERIOD in program.parameters:
            parameters[MEASUREMENT_PERIOD] = Interval(
                DateTime.of_python(first), DateTime.of_python(last)
            )
        now = self._now.astimezone(timezone(offset))
        return program.prepare(parameters, now, self._everyone, self.zone)


class _Patient:
    """One group of one patient."""

    def __init__(
        self, group: Group, program: Program, context: PatientContext, units: Units
    ) -> None:
        self.group = group
        self.program = program
        self.context = context
        self.units = units

    def result(self) -> GroupResult:
        members = memberships(self.group, self._meets)
        by_id = {name: tuple([unit.id for unit in units]) for name, units in members.items()}
        return GroupResult(
            populations=_by_code(self.group, by_id),
            by_id=by_id,
            observations={
                one.id: self._observations(one, members)
                for one in self.group.of("measure-observation")
            },
            strata={one.id: self._strata(one, members, by_id) for one in self.group.stratifiers},
        )

    def _meets(self, population: Population) -> Members:
        found = self.context.evaluate(population.expression)
        if self.program.needs_everyone and isinstance(found, list):
            self._check_own(found, population)
        return self.units.of(found)

    def _check_own(self, found: list[Any], population: Population) -> None:
        if not self.context.owns(found):
            raise EvaluationError(
                "Records are counted for one patient that were retrieved in the Unfiltered context",
                where=f"population {population.id}",
                todo="Retrieve in the Patient context what is counted",
            )

    def _observations(
        self, population: Population, members: Mapping[str, Members]
    ) -> tuple[Decimal, ...]:
        units = observed(self.group, members, self.group.observed(population))
        values = (self._apply(population.expression, unit) for unit in units)
        return tuple(_number(value, population) for value in values if value is not None)

    def _apply(self, expression: str, unit: Unit) -> Any:
        """The value of a definition, or of a function of the unit."""
        if expression not in self.program.functions:
            return self.context.evaluate(expression)
        arguments = () if unit is self.units.patient else (unit.value,)
        return self.context.call(expression, *arguments)

    def _strata(
        self, stratifier: Stratifier, members: Mapping[str, Members], by_id: Mapping[str, UnitIds]
    ) -> dict[Strata, Mapping[str, UnitIds]]:
        """The members of each population in each stratum that has any."""
        if not any(by_id.values()):
            return {}
        told = {id: by_id[id] for code, id in self.group.members if stratifier.tells(code)}
        falls = [self._falls(component) for component in stratifier.components]
        if all(isinstance(one, Stratum) for one in falls):
            return {tuple(one for one in falls if isinstance(one, Stratum)): told}
        return _parted({id: members[id] for id in told}, falls)

    def _falls(self, component: Component) -> Stratum | Callable[[Unit], Stratum]:
        """The stratum of everything that is counted, or what tells each unit's."""
        if component.expression in self.program.functions:
            return lambda unit: Stratum.of(self._apply(component.expression, unit))
        value = self.context.evaluate(component.expression)
        if not component.is_test:
            return Stratum.of(value)
        if not isinstance(value, list):
            return TRUE if value is True else FALSE
        if self.group.basis == "boolean":  # a list of tests: true when one of them is
            return TRUE if any(one is True for one in value) else FALSE
        inside = frozenset(self.units.of(value))
        return lambda unit: TRUE if unit in inside else FALSE


def _by_code(group: Group, by_id: Mapping[str, UnitIds]) -> dict[str, UnitIds]:
    """The same by code; the two initial populations of a ratio are one."""
    found = {code: by_id[id] for code, id in group.members}
    if len(found) < len(group.members):
        ids = [by_id[one.id] for one in group.of("initial-population")]
        found["initial-population"] = tuple(dict.fromkeys(unit for units in ids for unit in units))
    return found


def _parted(
    members: Mapping[str, Members], falls: Sequence[Stratum | Callable[[Unit], Stratum]]
) -> dict[Strata, Mapping[str, UnitIds]]:
    strata: dict[Strata, dict[str, UnitIds]] = {}
    for name, units in members.items():
        for unit in units:
            stratum = tuple(one if isinstance(one, Stratum) else one(unit) for one in falls)
            found = strata.setdefault(stratum, dict.fromkeys(members, ()))
            found[name] += (unit.id,)
    return dict(strata)


def _number(value: Any, population: Population) -> Decimal:
    """An observation as a number; of a quantity its value. Raises EvaluationError."""
    if isinstance(value, Quantity):
        return value.value
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        return Decimal(value)
    raise EvaluationError("An observation is not a number", where=f"population {population.id}")


def _references(context: PatientContext) -> Iterator[str]:
    for element in context.retrieved():
        if element.json.get("id"):
            yield f"{element.json['resourceType']}/{element.json['id']}"
