"""Step 4, for strata: a measure's stratifiers, as far as the policy lists their values.

A listed value makes a group of its own of every group that the stratifier parts. Who has a value
that is not listed is counted together with all others who have none: protection has to know how
many they are, since a reader can subtract. They are never told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from service.disclosure import Policy, Strata
from service.errors import ConfigError
from service.measure.group import Group
from service.measure.package import MeasurePackage
from service.measure.result import GroupResult
from service.measure.stratum import text_of
from service.measure.stratum_name import StratumName

TODO = "Correct the [[strata]] of the policy, or take the measure that fits it"


@dataclass(frozen=True)
class Parting:
    """A group and a stratifier that parts it into ``values``; ``codes`` are by population id."""

    group: str
    stratifier: str
    values: tuple[str, ...]
    codes: Mapping[str, str]

    def name(self, value: str) -> str:
        """The name of the stratum that a value falls into."""
        told = value if value in self.values else ""
        return str(StratumName(self.group, self.stratifier, told))

    @property
    def names(self) -> Mapping[str, bool]:
        """The names of all strata, and whether they are told."""
        return {self.name(value): True for value in self.values} | {self.name(""): False}

    def units(self, result: GroupResult) -> dict[str, dict[str, list[str]]]:
        """Where a patient's units belong: stratum -> population -> units."""
        found: dict[str, dict[str, list[str]]] = {}
        for strata, populations in result.strata[self.stratifier].items():
            within = found.setdefault(self.name(text_of(strata)), {})
            for id, units in populations.items():
                if units:
                    within.setdefault(self.codes[id], []).extend(units)
        return found


def partings_of(package: MeasurePackage, policy: Policy) -> tuple[Parting, ...]:
    """What the policy tells of a measure's strata.

    Raises ConfigError when the measure has no such stratifier, or one that parts only some of the
    populations: whose rate it would be could not be told.
    """
    return tuple(
        _parting(group, listed)
        for listed in policy.strata_of(package.url)
        for group in _parted(package, listed.stratifier)
    )


def _parting(group: Group, listed: Strata) -> Parting:
    codes = {id: code for code, id in group.members}
    return Parting(group.id, listed.stratifier, listed.values, codes)


def _parted(package: MeasurePackage, stratifier: str) -> Iterator[Group]:
    """The groups that a stratifier parts."""
    where = f"{package.canonical}, stratifier {stratifier}"
    found = [(g, one) for g in package.groups for one in g.stratifiers if one.id == stratifier]
    if not found:
        what = "the policy lists strata of a stratifier that the measure does not have"
        raise ConfigError(what, where=where, todo=TODO)
    for group, one in found:
        if not all(one.tells(code) for code, _ in group.members):
            what = "strata are told only of a stratifier that parts all populations of its group"
            raise ConfigError(what, where=where, todo=TODO)
        yield group
