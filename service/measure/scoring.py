"""Scores: from counts and observations to the one number of a group, never from rounded ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from statistics import median

from service.measure.group import Group
from service.measure.population import Population

Counts = Mapping[str, int]  # by population id
Observations = Mapping[str, Sequence[Decimal]]  # by population id of the observation


def score(group: Group, counts: Counts, observations: Observations) -> Decimal | None:
    """The group's score, or None where it has none: a cohort, nothing in the denominator.

    proportion           (numerator - its exclusion) / (denominator - exclusions - exceptions)
    ratio                the same without exceptions; with observations their aggregates instead
    continuous-variable  the aggregate of the observations
    (Quality Measure IG, "Measure scoring".)
    """
    if group.scoring == "continuous-variable":
        return _aggregate(group.of("measure-observation")[0], observations)
    if group.scoring not in ("proportion", "ratio"):
        return None
    above = _side(group, "numerator", counts, observations)
    below = _side(group, "denominator", counts, observations)
    return above / below if above is not None and below else None


def aggregate(method: str, values: Sequence[Decimal]) -> Decimal | None:
    """Values made one by an aggregate method; None of no values, which count and sum to 0."""
    if method == "count":
        return Decimal(len(values))
    if method == "sum":
        return sum(values, Decimal())
    if not values:
        return None
    match method:
        case "average":
            return sum(values, Decimal()) / len(values)
        case "median":
            return median(values)
        case "minimum":
            return min(values)
    return max(values)


def _aggregate(population: Population, observations: Observations) -> Decimal | None:
    return aggregate(population.aggregate or "count", observations.get(population.id, ()))


def _side(group: Group, code: str, counts: Counts, observations: Observations) -> Decimal | None:
    """One side of the fraction: its observations' aggregate, else its count less what is out."""
    population = group.of(code)[0]
    for observation in group.of("measure-observation"):
        if group.observed(observation) is population:
            return _aggregate(observation, observations)
    out = sum(
        counts.get(one.id, 0)
        for suffix in ("exclusion", "exception")
        for one in group.of(f"{code}-{suffix}")
    )
    return Decimal(counts.get(population.id, 0) - out)
