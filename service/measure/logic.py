"""A Measure's logic: its main library, compiled, with the groups that it decides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from service.cql.compiler import compile_program
from service.cql.program import Program
from service.cql.terminology import Terminology
from service.cql.types import SYSTEM, ListType, NamedType, Type
from service.errors import MeasureError
from service.fhir.model import r4
from service.measure.content import Content
from service.measure.group import Group
from service.measure.population import criteria


@dataclass(frozen=True)
class Supplement:
    """A supplemental data element: the value of ``expression``, told in individual reports."""

    id: str
    expression: str
    code: Mapping[str, Any] | None


@dataclass(frozen=True)
class Logic:
    """One Measure's groups, supplemental data and compiled main library."""

    program: Program
    groups: tuple[Group, ...]
    supplements: tuple[Supplement, ...]
    systems: frozenset[str]  # code systems that the main library names


def compile_logic(content: Content, where: str) -> Logic:
    """Check and compile one Measure. Raises MeasureError and CompileError."""
    measure = content.measure
    if not measure.get("url") or not measure.get("group"):
        what = "url" if not measure.get("url") else "group"
        raise MeasureError(f"The Measure has no {what}", where=where, todo="Complete the Measure")
    logic = _Reading(content, where)
    logic.check_names()
    program = compile_program(
        content.libraries,
        content.main,
        Terminology.of(content.value_sets, content.code_systems),
        r4(),
        {expression for expression, _ in logic.used()},
    )
    _check_contexts(logic, program)
    groups = tuple(_typed(group, program) for group in logic.groups)
    for group in groups:
        _check_basis(group, program, where)
    return Logic(program, groups, logic.supplements, content.systems())


def prefixed(logic: Logic, prefix: str) -> Logic:
    """The same logic as a component of a composite: its groups carry the measure's name too."""
    groups = tuple(replace(group, id=f"{prefix}.{group.id}") for group in logic.groups)
    return replace(logic, groups=groups, supplements=())


class _Reading:
    """What the Measure says, checked against what the library defines."""

    def __init__(self, content: Content, where: str) -> None:
        self.content = content
        self.where = where
        measure = content.measure
        self.groups = tuple(
            Group.read(group, measure, number) for number, group in enumerate(measure["group"], 1)
        )
        self.supplements = tuple(self._supplements(measure))

    def _supplements(self, measure: Mapping[str, Any]) -> Iterator[Supplement]:
        for number, json in enumerate(measure.get("supplementalData") or (), 1):
            name = json.get("id") or f"supplemental-data-{number}"
            expression = criteria(json.get("criteria"), f"{self.where}, {name}")
            yield Supplement(name, expression, json.get("code"))

    def used(self) -> Iterator[tuple[str, str]]:
        """Every definition that the Measure names, and what names it."""
        for group in self.groups:
            for population in group.populations:
                yield population.expression, f"group {group.id}, population {population.id}"
            for stratifier in group.stratifiers:
                for component in stratifier.components:
                    yield component.expression, f"group {group.id}, stratifier {stratifier.id}"
        for supplement in self.supplements:
            yield supplement.expression, f"supplemental data {supplement.id}"

    def check_names(self) -> None:
        if len({group.id for group in self.groups}) < len(self.groups):
            raise MeasureError("Two groups of the Measure share an id", where=self.where)
        defined = self.content.definitions()
        for expression, user in self.used():
            if expression not in defined:
                raise MeasureError(
                    f"The library {self.content.main} does not define {expression!r}",
                    where=f"{self.where}, {user}",
                    todo="Correct the criteria or the CQL",
                )


def _check_contexts(logic: _Reading, program: Program) -> None:
    """What is the same for all patients does not say who is counted."""
    for expression, user in logic.used():
        if program.needs_everyone and expression in program.unfiltered:
            raise MeasureError(
                f"{expression!r} is about all patients and none (context Unfiltered)",
                where=f"{logic.where}, {user}",
                todo="Write `context Patient` before it",
            )


def _typed(group: Group, program: Program) -> Group:
    """The group with what only the types of its expressions tell: its basis, what is a test."""
    given = program.expressions.get(group.of("initial-population")[0].expression)
    element = given.element if isinstance(given, ListType) else None
    basis = element.local if isinstance(element, NamedType) else str(element or "boolean")
    stratifiers = tuple(
        replace(
            stratifier,
            components=tuple(
                replace(one, is_test=_is_test(program.expressions.get(one.expression)))
                for one in stratifier.components
            ),
        )
        for stratifier in group.stratifiers
    )
    return replace(group, basis=group.basis or basis, stratifiers=stratifiers)


def _is_test(given: Type | None) -> bool:
    return given == NamedType(f"{{{SYSTEM}}}Boolean") or isinstance(given, ListType)


def _check_basis(group: Group, program: Program, where: str) -> None:
    """Patients are counted by true or false, all else by lists of what is counted."""
    for population in group.populations:
        if population.code == "measure-observation":
            continue
        given = program.expressions.get(population.expression)
        if given is None or isinstance(given, ListType) == (group.basis == "boolean"):
            wanted = "a Boolean" if group.basis == "boolean" else f"a list of {group.basis}"
            raise MeasureError(
                f"{population.expression!r} gives {given or 'a function'}, not {wanted}",
                where=f"{where}, group {group.id}, population {population.id}",
                todo="Correct the population basis or the CQL",
            )
