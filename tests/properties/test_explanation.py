"""An explanation is true: what it cites decides, and nothing else does.

For the test patients of our own measures. A citation is a clause that rests on one element of one
resource; the counterfactual is the same record without that element.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.cql.record import PatientRecord
from service.errors import EvaluationError
from service.measure.cases import read_record as record_of
from service.measure.clause import FALSE, TRUE, Clause
from service.measure.evaluator import Evaluator
from service.measure.explanation import Explainer, Explanation
from service.measure.package import load_package
from service.measure.period import Period

MEASURES = Path(__file__).parents[2] / "measures"
CASES = sorted(path.parent for path in MEASURES.glob("*/tests/*/bundle.json"))
# Without its operand each of these is unknown, or not true.
NEVER = {"Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Before", "After"}
NO_MORE = {"Equivalent", "In", "InValueSet", "AnyInValueSet", "IncludedIn"}

Key = tuple[Any, ...]


class Citation(NamedTuple):
    """A clause of a case, found by `key`, that rests on one element of one resource."""

    case: Path
    key: Key
    verdict: str
    type: str
    number: int  # of the resource among those of its type
    path: tuple[str | int, ...]


@cache
def explainer(measure: str) -> Explainer:
    return Explainer(Evaluator(load_package(MEASURES / measure), Period.parse("2026")))


def explained(case: Path, record: PatientRecord) -> Explanation | None:
    """None for a patient who has no defined result."""
    try:
        return explainer(case.parents[1].name).explain(record)
    except EvaluationError:
        return None


def keyed(explanation: Explanation) -> Iterator[tuple[Key, Clause]]:
    """Every clause by its population and its way there, through the rows' resources."""
    for reason in explanation.reasons:
        for clause in reason.clauses:
            yield from _below((reason.population.id,), clause)


def _below(above: Key, clause: Clause) -> Iterator[tuple[Key, Clause]]:
    about = tuple(one.get("id") for one in clause.resources) if clause.kind == "row" else ()
    key = (*above, (clause.kind, clause.place, about))
    yield key, clause
    for part in clause.parts:
        yield from _below(key, part)


def citations(case: Path) -> Iterator[Citation]:
    record = record_of(case)
    explanation = explained(case, record)
    for key, clause in () if explanation is None else keyed(explanation):
        decides = clause.kind in NEVER or (clause.kind in NO_MORE and clause.verdict == TRUE)
        facts = {(id(f.resource), f.path): f for part in clause.walk() for f in part.facts}
        if not decides or clause.verdict not in (TRUE, FALSE) or len(facts) != 1:
            continue
        (fact,) = facts.values()
        if fact.value is not None and fact.element != "id":
            kind = fact.resource["resourceType"]
            number = next(
                at for at, one in enumerate(record.resources[kind]) if one is fact.resource
            )
            yield Citation(case, key, clause.verdict, kind, number, fact.path)


@cache
def all_citations() -> list[Citation]:
    return [citation for case in CASES for citation in citations(case)]


def without(citation: Citation) -> PatientRecord:
    """The record without the element that is cited."""
    record = record_of(citation.case)
    resource: Any = record.resources[citation.type][citation.number]
    for step in citation.path[:-1]:
        resource = resource[step]
    del resource[citation.path[-1]]
    return record


def check(citation: Citation) -> None:
    explanation = explained(citation.case, without(citation))
    if explanation is not None:
        verdicts = {clause.verdict for key, clause in keyed(explanation) if key == citation.key}
        assert citation.verdict not in verdicts


@pytest.mark.full
def test_each_kind_of_clause_is_another_without_the_element_that_it_rests_on() -> None:
    """One citation of every clause of the logic and every element that it may rest on."""
    kinds = {(one.case.parents[1], one.key[-1][1], one.path): one for one in all_citations()}
    for citation in kinds.values():
        check(citation)


@settings(max_examples=20)
@given(st.data())
@pytest.mark.full
def test_any_clause_is_another_without_the_element_that_it_rests_on(data: st.DataObject) -> None:
    check(data.draw(st.sampled_from(all_citations())))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parents[1].name}-{case.name}")
def test_what_is_not_cited_decides_nothing(case: Path) -> None:
    """Of the record only what is cited is left, and every clause is what it was."""
    record = record_of(case)
    explanation = explained(case, record)
    if explanation is None:
        return
    again = explained(case, only_cited(record, explanation))
    assert again is not None
    assert [one.counted for one in again.reasons] == [one.counted for one in explanation.reasons]
    before = [(key, clause.verdict, clause.value) for key, clause in keyed(explanation)]
    assert [(key, clause.verdict, clause.value) for key, clause in keyed(again)] == before


def only_cited(record: PatientRecord, explanation: Explanation) -> PatientRecord:
    """The record's resources with their ids and the elements that the explanation cites."""
    facts = [fact for _, clause in keyed(explanation) for fact in clause.facts]
    kept: dict[int, Any] = {
        id(one): {key: one[key] for key in ("resourceType", "id") if key in one}
        for resources in record.resources.values()
        for one in resources
    }
    for fact in facts:
        if fact.value is not None:
            _put(kept[id(fact.resource)], fact.resource, fact.path)
    resources = {
        kind: [kept[id(one)] for one in resources] for kind, resources in record.resources.items()
    }
    return PatientRecord(record.id, resources)


def _put(made: Any, given: Mapping[str, Any], path: tuple[str | int, ...]) -> None:
    """Copies what is at `path` of what is given, with lists as long as they were."""
    here: Any = given
    for step, after in zip(path, (*path[1:], None), strict=True):
        here = here[step]
        if after is None:
            made[step] = deepcopy(here)
        elif isinstance(here, list):
            made = made.setdefault(step, [{} for _ in here])
        elif isinstance(made, list):
            made = made[int(step)]
        else:
            made = made.setdefault(step, {})
