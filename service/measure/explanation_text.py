"""An explanation as people read it: an indented tree of clauses, each with what it rests on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from service.measure.clause import FALSE, ROW, SKIPPED, TRUE, UNKNOWN, Clause, Fact
from service.measure.explanation import Explanation, Reason

MARKS = {TRUE: "✓", FALSE: "✗", UNKNOWN: "?", SKIPPED: "·"}
LEGEND = "✓ true   ✗ false   ? unknown (null)   · not looked at, another clause decided"
WIDTH = 110  # of a clause's text
MOST = 12  # facts or resources told of one clause

Places = Mapping[int, str]  # by id of a resource's JSON: the file and line it is from


def explanation_text(explanation: Explanation, places: Places) -> str:
    """The explanation in lines; resources are named with their place where that is known."""
    about = f"Patient/{explanation.result.patient}, {explanation.period}, {explanation.measure}"
    lines = [about, LEGEND]
    tree = _Tree(places)
    group = None
    for reason in explanation.reasons:
        if reason.group != group:
            group = reason.group
            lines += ["", f"Group {group}"]
        lines += ["", f"  {reason.population.id}: {_counted(reason)}"]
        for clause in reason.clauses:
            lines += tree.lines(clause, 2)
    return "\n".join(lines) + "\n"


def _counted(reason: Reason) -> str:
    """How many are counted and, when that is not all, that others decided."""
    number, name = len(reason.counted), f'"{reason.population.expression}"'
    what = "patient" if reason.units == "boolean" else reason.units
    if reason.population.code == "measure-observation":
        return f"{name} of {number} {what}"
    outside = len(set(reason.meeting) - set(reason.counted))
    more = f"; {outside} more meet the criteria, and other populations decide" if outside else ""
    return f"{number} {what} by {name}{more}"


class _Tree:
    """Writes clauses, each in full the first time."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.told: set[int] = set()

    def lines(self, clause: Clause, depth: int) -> Iterator[str]:
        indent = "  " * depth
        told = _body(clause) or clause
        before = {one.number for one in (clause, told) if one.parts or one.again}
        again = bool(before & self.told)
        mark = MARKS.get(clause.verdict or "", "-")
        yield f"{indent}{mark} {self._head(clause)}{'  (told above)' if again else ''}"
        self.told |= {one.number for one in (clause, told) if one.number}
        for line in () if again else _evidence(told, self.places):
            yield f"{indent}    {line}"
        for part in () if again else told.parts:
            yield from self.lines(part, depth + 1)

    def _head(self, clause: Clause) -> str:
        if clause.kind == ROW:
            return f"{clause.cql}: " + (_named(clause.resources, self.places) or "a row")
        value = f" = {clause.value}" if clause.value else ""
        body = _body(clause)
        return f"{_short(clause)}{f' is {_short(body)}' if body else ''}{value}"


def _body(clause: Clause) -> Clause | None:
    """What a name stands for, where the clause is that name and nothing else."""
    only = clause.parts[0] if clause.kind == "ExpressionRef" and len(clause.parts) == 1 else None
    same = only and (only.verdict, only.value) == (clause.verdict, clause.value)
    return only if same and not clause.facts else None


def _short(clause: Clause) -> str:
    """The text of a clause; of one that only joins its parts, how it does."""
    if clause.parts and clause.kind in ("And", "Or"):
        return "all of" if clause.kind == "And" else "any of"
    text = clause.cql
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}…"


def _evidence(clause: Clause, places: Places) -> Iterator[str]:
    """The facts by resource, a line each; else the resources that a retrieve gave."""
    by_resource: dict[int, list[Fact]] = {}
    for fact in clause.facts[:MOST]:
        by_resource.setdefault(id(fact.resource), []).append(fact)
    for facts in by_resource.values():
        told = ", ".join(_told(facts))
        yield f"{_named((facts[0].resource,), places)}: {told}"
    if len(clause.facts) > MOST:
        yield f"and {len(clause.facts) - MOST} more"
    if clause.kind == "Retrieve" and not clause.facts:
        for resource in clause.resources[:MOST]:
            yield _named((resource,), places)


def _told(facts: list[Fact]) -> Iterator[str]:
    """Each fact; the code and the system of one coding together."""
    by_element = {fact.element: fact for fact in facts}
    for element, fact in by_element.items():
        above, _, name = element.rpartition(".")
        code = by_element.get(f"{above}.code")
        if name == "system" and code is not None:
            continue
        system = by_element.get(f"{above}.system")
        if name == "code" and above and system is not None:
            yield f"{above} {system.value}|{fact.value}"
        else:
            yield f"{element} {json_text(fact.value)}"


def json_text(value: Any) -> str:
    """A fact's JSON, short; of a coded element its codes."""
    if value is None:
        return "absent"
    if isinstance(value, Mapping) and "coding" in value:
        codes = (f"{one.get('system')}|{one.get('code')}" for one in value["coding"])
        return ", ".join(codes)
    text = msgspec.json.encode(value, enc_hook=str).decode()
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}…"


def _named(resources: tuple[Mapping[str, Any], ...], places: Places) -> str:
    return ", ".join(_name(one, places) for one in resources[:MOST])


def _name(resource: Mapping[str, Any], places: Places) -> str:
    reference = f"{resource['resourceType']}/{resource.get('id', '?')}"
    place = places.get(id(resource))
    return f"{reference} ({place})" if place else reference
