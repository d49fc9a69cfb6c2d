"""A measure's groups: each has its scoring, its basis, its populations and its stratifiers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from service.errors import MeasureError
from service.measure.population import Population, coded, extension
from service.measure.stratifier import Stratifier

# What each scoring needs and may have, besides stratifiers (Quality Measure IG, "Measure scoring").
REQUIRED = {
    "proportion": {"initial-population", "denominator", "numerator"},
    "ratio": {"initial-population", "denominator", "numerator"},
    "continuous-variable": {"initial-population", "measure-population", "measure-observation"},
    "cohort": {"initial-population"},
}
ALLOWED = {
    "proportion": {"denominator-exclusion", "denominator-exception", "numerator-exclusion"},
    "ratio": {"denominator-exclusion", "numerator-exclusion", "measure-observation"},
    "continuous-variable": {"measure-population-exclusion"},
    "cohort": set[str](),
}


@dataclass(frozen=True)
class Group:
    """One group. ``basis`` is "boolean" (patients are counted) or a resource type or other type.

    A Measure that states no basis leaves it empty; then what the criteria give decides.
    """

    id: str
    scoring: str
    basis: str
    improvement: str | None
    rate_aggregation: str | None
    populations: tuple[Population, ...]
    stratifiers: tuple[Stratifier, ...]

    @classmethod
    def read(cls, json: Mapping[str, Any], measure: Mapping[str, Any], number: int) -> Group:
        """From ``Measure.group``; what a group does not say, the Measure says for all groups.

        Raises MeasureError for a scoring or population that is not understood or not complete.
        """
        name = json.get("id") or f"group-{number}"
        where = f"Measure {measure.get('id')}, group {name}"
        group = cls(
            id=name,
            scoring=coded(extension(json, "scoring")) or coded(measure.get("scoring")) or "none",
            basis=_first("populationBasis", json, measure) or "",
            improvement=coded(extension(json, "improvementNotation"))
            or coded(measure.get("improvementNotation")),
            rate_aggregation=_first("rateAggregation", json, measure)
            or measure.get("rateAggregation"),
            populations=tuple(Population.read(one, where) for one in json.get("population") or ()),
            stratifiers=tuple(
                Stratifier.read(one, place, where)
                for place, one in enumerate(json.get("stratifier") or (), 1)
            ),
        )
        _check(group, where)
        return group

    def of(self, code: str) -> tuple[Population, ...]:
        """The populations of that code, in the Measure's order."""
        return self._by_code.get(code, ())

    @cached_property
    def _by_code(self) -> Mapping[str, tuple[Population, ...]]:
        codes = dict.fromkeys(population.code for population in self.populations)
        return {code: tuple(one for one in self.populations if one.code == code) for code in codes}

    @cached_property
    def members(self) -> tuple[tuple[str, str], ...]:
        """Code and id of every population that has members, as observations have not."""
        return tuple((p.code, p.id) for p in self.populations if p.code != "measure-observation")

    def by_id(self, id: str | None) -> Population | None:
        return next((one for one in self.populations if one.id == id), None)

    def initial_for(self, code: str) -> Population:
        """The initial population of numerator or denominator: a ratio may have one for each."""
        own = self.of(code)
        named = self.by_id(own[0].reference) if own else None
        return named or self.of("initial-population")[0]

    def observed(self, observation: Population) -> Population:
        """The population whose members an observation observes."""
        named = self.by_id(observation.reference)
        if named is not None:
            return named
        code = "measure-population" if self.scoring == "continuous-variable" else "denominator"
        return self.of(code)[0]


def _first(name: str, json: Mapping[str, Any], measure: Mapping[str, Any]) -> str | None:
    given = extension(json, name) or extension(measure, name)
    return str(given).strip() if given else None


def _check(group: Group, where: str) -> None:
    if group.scoring not in REQUIRED:
        raise MeasureError(
            f"Unknown scoring {group.scoring!r}",
            where=where,
            todo=f"Use one of {', '.join(REQUIRED)}",
        )
    codes = Counter(population.code for population in group.populations)
    if missing := REQUIRED[group.scoring] - set(codes):
        raise MeasureError(f"A {group.scoring} measure needs {_listed(missing)}", where=where)
    if foreign := set(codes) - REQUIRED[group.scoring] - ALLOWED[group.scoring]:
        raise MeasureError(f"A {group.scoring} measure has no {_listed(foreign)}", where=where)
    _check_repeats(group, codes, where)


def _check_repeats(group: Group, codes: Counter[str], where: str) -> None:
    """Only a ratio repeats: one initial population and one observation for each of its sides."""
    may = {"measure-observation": 2, "initial-population": 2} if group.scoring == "ratio" else {}
    if many := {code for code, count in codes.items() if count > may.get(code, 1)}:
        raise MeasureError(f"More than one {_listed(many)}", where=where)
    ids = Counter(population.id for population in group.populations)
    if twice := {name for name, count in ids.items() if count > 1}:
        raise MeasureError(f"Two populations have the id {_listed(twice)}", where=where)
    for population in group.populations:
        if population.reference and group.by_id(population.reference) is None:
            raise MeasureError(
                f"Population {population.id} refers to {population.reference}, which is not there",
                where=where,
            )


def _listed(codes: set[str]) -> str:
    return " and ".join(sorted(codes))
