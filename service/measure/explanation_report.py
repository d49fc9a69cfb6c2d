"""An explanation as FHIR: a Parameters resource contained in the patient's MeasureReport.

    population*             one for each population of each group, in the Measure's order
        group, population   their ids
        code, expression
        counted*            id of a unit that belongs (the patient's where patients are counted)
        meets-criteria*     id of a unit that meets the criteria, whatever other populations say
        clause*
    clause
        number              of this evaluation; the same wherever it is told
        cql, place          its text; library, definition and locator
        result              true | false | unknown | not-looked-at, of a Boolean clause
        value               of any other: its CQL, or how many
        resource*           reference: what it gives, or is about
        fact*               resource, element and value (absent: no value) that it read
        again               true: its parts are told with the first clause of this number
        clause*             what it rests on

The report refers to it by the extension ``urn:weir:explanation``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from service.measure.clause import Clause, Fact
from service.measure.explanation import Explanation, Reason

EXPLANATION = "urn:weir:explanation"
NAME = "explanation"

Json = dict[str, Any]


def explained(report: Json, explanation: Explanation) -> Json:
    """The individual report with its explanation."""
    told: Json = {"resourceType": "Parameters", "id": NAME}
    told["parameter"] = [_reason(reason) for reason in explanation.reasons]
    reference = {"url": EXPLANATION, "valueReference": {"reference": f"#{NAME}"}}
    return report | {
        "contained": [*report.get("contained", ()), told],
        "extension": [*report.get("extension", ()), reference],
    }


def _reason(reason: Reason) -> Json:
    parts = [
        _string("group", reason.group),
        _string("population", reason.population.id),
        {"name": "code", "valueCode": reason.population.code},
        _string("expression", reason.population.expression),
        *(_string("counted", unit) for unit in reason.counted),
        *(_string("meets-criteria", unit) for unit in reason.meeting),
        *(_clause(clause) for clause in reason.clauses),
    ]
    return {"name": "population", "part": parts}


def _clause(clause: Clause) -> Json:
    return {"name": "clause", "part": list(_parts(clause))}


def _parts(clause: Clause) -> Iterator[Json]:
    if clause.number:
        yield {"name": "number", "valueInteger": clause.number}
    yield _string("cql", clause.cql)
    yield _string("place", clause.place)
    if clause.verdict:
        yield {"name": "result", "valueCode": clause.verdict}
    if clause.value:
        yield _string("value", clause.value)
    for resource in clause.resources:
        yield {"name": "resource", "valueReference": _reference(resource)}
    for fact in clause.facts:
        yield {"name": "fact", "part": list(_fact(fact))}
    if clause.again:
        yield {"name": "again", "valueBoolean": True}
    for part in clause.parts:
        yield _clause(part)


def _fact(fact: Fact) -> Iterator[Json]:
    yield {"name": "resource", "valueReference": _reference(fact.resource)}
    yield _string("element", fact.element)
    if fact.value is not None:
        yield {"name": "value", **_value(fact.value)}


def _value(value: Any) -> Json:
    match value:
        case bool():
            return {"valueBoolean": value}
        case int() | float() | Decimal():
            return {"valueDecimal": value}
        case str() if value:
            return {"valueString": value}
    return {"valueString": msgspec.json.encode(value, enc_hook=str).decode()}


def _reference(resource: Mapping[str, Any]) -> Json:
    kind = resource["resourceType"]
    return {"reference": f"{kind}/{resource['id']}"} if resource.get("id") else {"display": kind}


def _string(name: str, text: str) -> Json:
    return {"name": name, "valueString": text}
