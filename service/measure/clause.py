"""The clauses of a measure's logic as one patient's evaluation found them.

A clause is true, false or unknown, or has a value; it rests on facts (elements of resources, as the
record has them) and on further clauses. They are made from the steps that a trace recorded
(`service.cql.trace`): what the translator wrote in between is left out, queries are told row by
row, and a clause that another decided without is looked at afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from service.cql.elements import Element
from service.cql.literal import literal
from service.cql.trace import Read, Site, Step, Trace, is_element
from service.cql.types import BOOLEAN

TRUE, FALSE, UNKNOWN, SKIPPED = "true", "false", "unknown", "not-looked-at"
VERDICTS = {True: TRUE, False: FALSE, None: UNKNOWN}
# Clauses whatever their value is: they say which records were looked at.
TELLING = {"Query", "Retrieve", "ExpressionRef", "FunctionRef"}
# What only leads to a value, which the clause's facts show.
PLAIN = {"Property", "As", "Start", "End", "DateFrom", "List", "Interval", "Tuple"}
# Parts of a datum that are seldom there, and whose absence says nothing.
OPTIONAL = {"version", "display", "comparator", "text", "userSelected", "extension", "id"}
LONGEST = 200  # characters of a value
MOST_ROWS = 32  # told of a query; half as many of one within a row, and so on
ROW, MORE = "row", "more"  # kinds of clauses that are not nodes: a query's row, those left out


@dataclass(frozen=True, slots=True)
class Fact:
    """An element of a resource of the record, and its JSON: None where it is absent."""

    resource: Mapping[str, Any]
    path: tuple[str | int, ...]
    value: Any

    @property
    def element(self) -> str:
        """The path as FHIRPath writes it: ``component[0].valueQuantity.value``."""
        steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.path)
        return "".join(steps).removeprefix(".")


@dataclass(frozen=True, slots=True)
class Clause:
    """One clause. ``verdict`` is None where it is not Boolean and has a ``value`` instead.

    ``resources`` are those that it gives, or that it is about (of a ``row`` of a query). ``number``
    is the evaluation's own, the same wherever it is told; told ``again`` in one tree it has no
    parts.
    """

    number: int
    kind: str
    cql: str
    place: str
    verdict: str | None
    value: str | None
    resources: tuple[Mapping[str, Any], ...] = ()
    facts: tuple[Fact, ...] = ()
    parts: tuple[Clause, ...] = ()
    again: bool = False

    def walk(self) -> Iterator[Clause]:
        """The clause and all that it rests on."""
        yield self
        for part in self.parts:
            yield from part.walk()


class Clauses:
    """Makes the clauses of one patient's evaluation; in one tree each step is told once."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._roots: dict[str, Step] = {}  # by the attribute of a definition
        self._numbers: dict[int, int] = {}  # by the id of a step
        self._told: set[int] = set()
        self._depth = 0  # of rows
        self._kept: list[Step] = []  # so that ids stay theirs
        self._first: dict[int, Step] = {}  # by the id of a site that is computed once

    def definition(self, attribute: str) -> Clause | None:
        """The clause of a definition that was just evaluated, maybe not for the first time."""
        for step in self._trace.steps():
            self._roots.setdefault(attribute, step)
        root = self._roots.get(attribute)
        self._told = set()
        return None if root is None else self._clause(root)

    def call(self) -> Clause | None:
        """The clause of a function that was just called."""
        steps = self._trace.steps()
        self._told = set()
        return self._clause(steps[-1]) if steps else None

    def _clause(self, step: Step) -> Clause:
        again = id(step) in self._told
        self._told.add(id(step))
        self._kept.append(step)
        number = self._numbers.setdefault(id(step), len(self._numbers) + 1)
        if step.site.everyone:  # of other patients no more than what they come to
            return Clause(number, step.site.kind, _text(step.site), step.site.place, *_told(step))
        reads, steps = self._gather(step)
        parts = [] if again else self._parts(step, steps)
        return Clause(
            number,
            step.site.kind,
            _text(step.site),
            step.site.place,
            *self._found(step),
            resources=tuple(self._own(step.value)),
            facts=tuple(_facts([*reads, *self._codes(step)])) if not (again and steps) else (),
            parts=tuple(_flat(step.site.kind, parts)),
            again=again and bool(steps),
        )

    # What a clause consists of

    def _gather(self, step: Step) -> tuple[list[Read], list[Step]]:
        """What the step read, and its parts that are clauses; through parts that are none."""
        step = self._computed(step)
        reads, steps = list(step.reads), []
        for part in self._below(step):
            if _speaks(part, step):
                steps.append(part)
            else:
                more, inside = self._gather(part)
                reads += more
                steps += inside
        return reads, steps

    def _computed(self, step: Step) -> Step:
        """The step in which the value was computed, where that is done once for all."""
        if step.site.attribute is None:
            return step
        if step.steps or step.reads:
            self._first.setdefault(id(step.site), step)
        return self._first.get(id(step.site), step)

    def _below(self, step: Step) -> list[Step]:
        """The parts of a step, with those that were computed earlier."""
        site = step.site
        if site.kind == "ExpressionRef" and site.attribute is not None:
            if step.steps:
                self._roots.setdefault(site.attribute, step.steps[0])
            root = self._roots.get(site.attribute)
            return [] if root is None or root.site.kind == "SingletonFrom" else [root]
        return step.steps if step.origin is None else [*step.steps, step.origin]

    def _parts(self, step: Step, steps: Sequence[Step]) -> list[Clause]:
        """The clauses; of a query first its sources, then its rows."""
        query = step.site.node.get("operand") if step.site.kind == "Exists" else step.site.node
        if not isinstance(query, Mapping) or query.get("type") != "Query":
            return [self._clause(one) for one in steps]
        sources = [one["alias"] for one in query["source"]]
        related = [one["alias"] for one in query.get("relationship") or ()]
        return list(self._rows(step, steps, [sources, related]))

    def _rows(
        self, step: Step, steps: Iterable[Step], levels: Sequence[Sequence[str]]
    ) -> Iterator[Clause]:
        """The steps in the rows that bind the aliases of the first level, then of the next."""
        if not levels:
            yield from map(self._clause, steps)
            return

        def key(one: Step) -> tuple[int, ...]:
            bound = one.named()
            return tuple(id(bound[alias]) for alias in levels[0] if alias in bound)

        rows = [(row, list(inside)) for row, inside in groupby(steps, key)]
        told = MOST_ROWS >> self._depth or 1
        for row, members in rows:
            if not row:
                yield from self._rows(step, members, levels[1:])
        for _, members in [one for one in rows if one[0]][:told]:
            yield self._row(step, members, levels)
        if (left := sum(1 for row, _ in rows if row) - told) > 0:
            yield Clause(0, MORE, f"{left} more rows", step.site.place, None, None)

    def _row(self, step: Step, members: list[Step], levels: Sequence[Sequence[str]]) -> Clause:
        named = members[0].named()
        bound = {name: named[name] for name in levels[0] if name in named}
        about = tuple(one for value in bound.values() for one in self._own(value))
        self._depth += 1
        parts = tuple(self._rows(step, members, levels[1:]))
        self._depth -= 1
        return Clause(0, ROW, ", ".join(bound), step.site.place, None, None, about, parts=parts)

    # What a clause says

    def _own(self, value: Any) -> Iterator[Mapping[str, Any]]:
        """The resources of the patient's own that a value is or has."""
        return (one for one in _resources(value) if self._trace.has(one))

    def _found(self, step: Step) -> tuple[str | None, str | None]:
        """Verdict and value."""
        if step.site.kind == "Retrieve" and not step.skipped:
            type_ = step.site.node["dataType"].rpartition("}")[2]
            there = len(self._trace.record.resources.get(type_, ()))
            return None, f"{len(step.value)} of {there} {type_}"
        return _told(step)

    def _codes(self, step: Step) -> Iterator[Read]:
        """The coded elements by which a retrieve chose its resources."""
        path = step.site.node.get("codeProperty")
        if step.site.kind != "Retrieve" or not path or not step.site.node.get("codes"):
            return
        name = path.partition(".")[0]
        for resource in _resources(step.value):
            yield Read(resource, (next(key for key in resource if is_element(key, name)),))


def _told(step: Step) -> tuple[str | None, str | None]:
    """Verdict and value, for all that is no retrieve of the patient's."""
    if step.skipped:
        return SKIPPED, None
    if step.site.type == BOOLEAN or isinstance(step.value, bool):
        return VERDICTS[step.value], None
    return None, _value(step.value)


def _speaks(part: Step, around: Step) -> bool:
    """Whether a step is a clause of its own within the one around it."""
    site = part.site
    if site.annotated and site.text is None:
        return False  # written in by the translator
    if site.type == BOOLEAN or isinstance(part.value, bool):
        return True
    if site.kind in TELLING and not _is_scalar(part.value):
        return not (site.kind == "ExpressionRef" and isinstance(part.value, Element))
    scalar = _is_scalar(part.value) and site.kind not in PLAIN
    return scalar and around.site.type == BOOLEAN


def _is_scalar(value: Any) -> bool:
    return not isinstance(value, list | dict | Element)


def _text(site: Site) -> str:
    """The CQL; without annotations the name that is referred to, or the node's type."""
    if site.text is not None:
        return site.text
    name = site.node.get("name")
    return f'"{name}"' if name else site.kind


def _flat(kind: str, parts: Iterable[Clause]) -> Iterator[Clause]:
    """A junction of junctions of its kind is one of all their operands."""
    for part in parts:
        if part.kind == kind and kind in ("And", "Or"):
            yield from part.parts
        else:
            yield part


def _value(value: Any) -> str:
    """A value in few words: how many of what, or its CQL."""
    if isinstance(value, list):
        return f"{len(value)} {'item' if len(value) == 1 else 'items'}"
    if isinstance(value, Element):
        return "" if isinstance(value.json, Mapping) else str(value.json)[:LONGEST]
    return literal(value)[:LONGEST]


def _resources(value: Any) -> Iterator[Mapping[str, Any]]:
    """The resources that a value is or has, each once in a list."""
    match value:
        case Element() if isinstance(value.json, Mapping) and "resourceType" in value.json:
            yield value.json
        case list():
            seen = {id(one): one for each in value for one in _resources(each)}
            yield from seen.values()
        case dict():
            for each in value.values():
                yield from _resources(each)


def _facts(reads: Iterable[Read]) -> Iterator[Fact]:
    """Each element that was read, once: not those of which a part was read."""
    by_path = {(id(one.resource), one.path): one for one in reads}
    above = {(of, path[:end]) for of, path in by_path for end in range(1, len(path))}
    for key, one in by_path.items():
        value = one.value
        if key not in above and (value is not None or one.path[-1] not in OPTIONAL):
            yield Fact(one.resource, one.path, value)
