"""Who belongs where: the order in which populations, exclusions and exceptions are applied.

The steps are those of the Quality Measure IG ("Measure populations") and of DEQM: each population
is looked for within the one above it, exclusions before the numerator, exceptions after it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from service.measure.group import Group
from service.measure.population import Population
from service.measure.unit import Unit, within, without

Members = tuple[Unit, ...]
Meets = Callable[[Population], Members]  # the units that meet a population's criteria


def memberships(group: Group, meets: Meets) -> Mapping[str, Members]:
    """The units of each population of the group (but observations), by population id."""
    return STEPS[group.scoring](group, meets)


def observed(group: Group, members: Mapping[str, Members], population: Population) -> Members:
    """The units of a population that are observed: those that its exclusion leaves."""
    excluded = [
        members[one.id] for one in group.of(f"{population.code}-exclusion") if one.id in members
    ]
    return without(members[population.id], *excluded)


def _proportion(group: Group, meets: Meets) -> dict[str, Members]:
    found = _initial(group, meets)
    denominator = _add(
        found, group, "denominator", meets, _members(found, group, "initial-population")
    )
    excluded = _add(found, group, "denominator-exclusion", meets, denominator)
    eligible = without(denominator, excluded)
    numerator = _add(found, group, "numerator", meets, eligible)
    _add(found, group, "numerator-exclusion", meets, numerator)
    _add(found, group, "denominator-exception", meets, without(eligible, numerator))
    return found


def _ratio(group: Group, meets: Meets) -> dict[str, Members]:
    """The sides of a ratio are independent: what leaves one may stay in the other."""
    found = _initial(group, meets)
    for side in ("denominator", "numerator"):
        members = _add(found, group, side, meets, found[group.initial_for(side).id])
        _add(found, group, f"{side}-exclusion", meets, members)
    return found


def _continuous_variable(group: Group, meets: Meets) -> dict[str, Members]:
    found = _initial(group, meets)
    measured = _add(
        found, group, "measure-population", meets, _members(found, group, "initial-population")
    )
    _add(found, group, "measure-population-exclusion", meets, measured)
    return found


def _initial(group: Group, meets: Meets) -> dict[str, Members]:
    return {one.id: meets(one) for one in group.of("initial-population")}


def _members(found: Mapping[str, Members], group: Group, code: str) -> Members:
    return found[group.of(code)[0].id]


def _add(
    found: dict[str, Members], group: Group, code: str, meets: Meets, among: Members
) -> Members:
    """Those among some units who meet the criteria of a population, which is not asked in vain."""
    for population in group.of(code):
        found[population.id] = within(among, meets(population)) if among else ()
        return found[population.id]
    return ()


STEPS: Mapping[str, Callable[[Group, Meets], dict[str, Members]]] = {
    "proportion": _proportion,
    "ratio": _ratio,
    "continuous-variable": _continuous_variable,
    "cohort": _initial,
}
