"""Composite measures: one score from several component measures.

A composite Measure names its components by relatedArtifact ``composed-of`` (with the extensions
cqfm-groupId and cqfm-weight) and says by cqfm-compositeScoring how they are combined:

    opportunity      every component is an opportunity: all numerators by all denominators
    all-or-nothing   a patient counts when every component that applies to them is met
    linear           the mean over patients of the share of their components that is met
    weighted         the weighted mean of the components' scores

(Quality Measure IG, "Composite measures".) The components' own groups are reported beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from service.errors import MeasureError
from service.measure.group import Group
from service.measure.population import Population, coded, extension
from service.measure.result import GroupResult, UnitIds
from service.measure.scoring import aggregate, score
from service.measure.tally import GroupTally

METHODS = ("opportunity", "all-or-nothing", "linear", "weighted")
CODES = ("initial-population", "denominator", "numerator")
SHARE = "patient-share"  # of a linear composite: the share of components that is met


@dataclass(frozen=True)
class Component:
    """A group of a component measure and its weight."""

    group: Group
    weight: Decimal


@dataclass(frozen=True)
class Composite:
    """How a composite's group comes out of its components' groups."""

    group: Group
    method: str
    components: tuple[Component, ...]

    def combine(self, results: Mapping[str, GroupResult], patient: str) -> GroupResult:
        """One patient's result in the composite's own group."""
        parts = [_Part.of(results[one.group.id]) for one in self.components]
        members = self._opportunities(parts) if self.method == "opportunity" else None
        members = members or _patient(parts, patient)
        shares = tuple(_shares(parts)) if self.method == "linear" else ()
        return GroupResult(members, members, {SHARE: shares}, {})

    def _opportunities(self, parts: list[_Part]) -> dict[str, UnitIds]:
        """Every unit of every component, named after the component's group."""
        named = list(zip(self.components, parts, strict=True))
        eligible = tuple(f"{one.group.id}/{unit}" for one, part in named for unit in part.eligible)
        met = tuple(f"{one.group.id}/{unit}" for one, part in named for unit in part.met)
        return dict(zip(CODES, (eligible, eligible, met), strict=True))

    def score(self, tallies: Mapping[str, GroupTally]) -> Decimal | None:
        """The composite's score from everybody's counts, None where it has none."""
        own = tallies[self.group.id]
        if self.method == "linear":
            return aggregate("average", own.observations.get(SHARE, []))
        if self.method == "weighted":
            return self._weighted(tallies)
        below = own.counts["denominator"]
        return Decimal(own.counts["numerator"]) / below if below else None

    def _weighted(self, tallies: Mapping[str, GroupTally]) -> Decimal | None:
        """A component without a score leaves the composite without one."""
        total, weights = Decimal(), Decimal()
        for one in self.components:
            tally = tallies[one.group.id]
            scored = score(one.group, tally.counts, tally.observations)
            if scored is None:
                return None
            total += one.weight * scored
            weights += one.weight
        return total / weights if weights else None


def read_composite(
    measure: Mapping[str, Any],
    components: Iterator[tuple[Mapping[str, Any], tuple[Group, ...]]],
    where: str,
) -> Composite:
    """The composite of a Measure; ``components`` are its related artifacts with their groups."""
    method = coded(extension(measure, "compositeScoring"))
    if method not in METHODS:
        raise MeasureError(
            f"Unknown composite scoring {method!r}",
            where=where,
            todo=f"Use one of {', '.join(METHODS)}",
        )
    found = tuple(
        Component(group, Decimal(str(extension(artifact, "weight") or 1)))
        for artifact, groups in components
        for group in _chosen(artifact, groups, where)
    )
    if method != "weighted" and any(one.group.scoring != "proportion" for one in found):
        raise MeasureError(
            f"A composite by {method} is made of proportions",
            where=where,
            todo="Leave out the other components, or combine by weight",
        )
    return Composite(_group(measure), method, found)


def _chosen(
    artifact: Mapping[str, Any], groups: tuple[Group, ...], where: str
) -> tuple[Group, ...]:
    """The group that the artifact names, else all groups of the component."""
    name = extension(artifact, "groupId")
    chosen = tuple(group for group in groups if name in (None, group.id.partition(".")[2]))
    if not chosen:
        raise MeasureError(f"The component has no group {name!r}", where=where)
    return chosen


def _group(measure: Mapping[str, Any]) -> Group:
    given: Mapping[str, Any] = next(iter(measure.get("group") or ()), {})
    return Group(
        id=given.get("id") or "composite",
        scoring="composite",
        basis="boolean",
        improvement=coded(measure.get("improvementNotation")),
        rate_aggregation=None,
        populations=tuple(Population(code, code, "") for code in CODES),
        stratifiers=(),
    )


@dataclass(frozen=True)
class _Part:
    """A patient's units in one component: those that could be met, and those that were."""

    eligible: UnitIds
    met: UnitIds

    @classmethod
    def of(cls, result: GroupResult) -> _Part:
        told = result.populations
        out = {*told.get("denominator-exclusion", ()), *told.get("denominator-exception", ())}
        excluded = told.get("numerator-exclusion", ())
        return cls(
            tuple(unit for unit in told.get("denominator", ()) if unit not in out),
            tuple(unit for unit in told.get("numerator", ()) if unit not in excluded),
        )


def _patient(parts: list[_Part], patient: str) -> dict[str, UnitIds]:
    """The patient, who is in the numerator when whatever applies to them was met."""
    eligible = (patient,) if any(part.eligible for part in parts) else ()
    met = eligible if all(set(part.eligible) <= set(part.met) for part in parts) else ()
    return dict(zip(CODES, (eligible, eligible, met), strict=True))


def _shares(parts: list[_Part]) -> Iterator[Decimal]:
    """What share of the patient's opportunities was met, once; nothing of nobody's."""
    if below := sum(len(part.eligible) for part in parts):
        yield Decimal(sum(len(part.met) for part in parts)) / below
