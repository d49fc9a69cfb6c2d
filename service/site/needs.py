"""What one measure needs of a site's data, and how to tell that some of it is not there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from unicodedata import normalize

from service.cql.retrieval import RetrieveUse
from service.cql.values import Code
from service.measure.package import MeasurePackage
from service.measure.requirements import Requirements
from service.site.plan import AcquisitionPlan

Key = tuple[str, str]  # system and code


@dataclass(frozen=True)
class Lookup:
    """Records of a type that a measure chooses, by the codes at ``path``; all when it is None."""

    type: str
    path: str | None = None
    codes: frozenset[Key] = frozenset()
    name: str = ""

    def __str__(self) -> str:
        return f"{self.type} ({self.name})" if self.name else self.type


@dataclass(frozen=True)
class Needs:
    """The needs of the measure with the canonical URL ``measure``.

    ``elements``: as in `AcquisitionPlan`. ``coded``: by type the paths at which the measure reads
    codes. ``systems``: those that its own codes are of. ``codes``: those that its logic names.
    ``units``: those of the quantities that it compares with, but for time's.
    """

    measure: str
    elements: Mapping[str, frozenset[str]]
    coded: Mapping[str, frozenset[str]]
    systems: frozenset[str]
    lookups: tuple[Lookup, ...]
    codes: frozenset[Key] = frozenset()
    units: frozenset[str] = frozenset()

    @property
    def plan(self) -> AcquisitionPlan:
        """What must be acquired for it."""
        return AcquisitionPlan(self.elements)

    def understands(self, system: str, code: str) -> bool:
        """Whether a code is of a system of its own, and no misspelling of one of its own codes."""
        if system not in self.systems or not _bare(code):
            return False
        return (system, code) in self.codes or (system, _bare(code)) not in self._bare_codes

    @cached_property
    def _bare_codes(self) -> frozenset[Key]:
        return frozenset((system, _bare(code)) for system, code in self.codes)

    @property
    def types(self) -> frozenset[str]:
        """The resource types that it reads; Patient always."""
        return self.plan.types

    def chooses(self, type_name: str) -> bool:
        """Whether it takes records of a type by their codes alone, and never all of them."""
        mine = [lookup for lookup in self.lookups if lookup.type == type_name]
        return bool(mine) and all(lookup.path for lookup in mine)


def needs_of(package: MeasurePackage) -> Needs:
    """The needs of a measure, from what its logic reads."""
    read = package.requirements
    return Needs(
        measure=package.url,
        elements=read.elements,
        coded=read.coded_paths,
        systems=read.systems,
        lookups=tuple(dict.fromkeys(_lookups(read))),
        codes=frozenset(map(_key, read.codes)),
        units=read.units,
    )


def plan_of(package: MeasurePackage) -> AcquisitionPlan:
    """What must be acquired for one measure."""
    return needs_of(package).plan


def _lookups(read: Requirements) -> Iterator[Lookup]:
    for use in read.retrieves:
        codes = {*use.codes, *(code for url in use.value_sets for code in read.expansion(url))}
        if use.code_path and codes:
            yield Lookup(use.type, use.code_path, frozenset(map(_key, codes)), _name(use))
        elif use.chosen and not use.code_path:
            chosen = use.chosen
            named = ", ".join(code.display or code.code or "" for code in chosen.codes)
            yield Lookup(use.type, chosen.path, frozenset(map(_key, chosen.codes)), named)
        else:
            yield Lookup(use.type)


def _key(code: Code) -> Key:
    return code.system or "", code.code or ""


def _bare(code: str) -> str:
    """A code without what is easily written otherwise: case, spaces, signs that nobody sees."""
    folded = normalize("NFKC", code).casefold()
    return "".join(sign for sign in folded if sign.isprintable() and not sign.isspace())


def _name(use: RetrieveUse) -> str:
    """The filter as people know it: the last word of a value set's address, or a code."""
    sets = [url.partition("|")[0].replace("/", ":").rpartition(":")[2] for url in use.value_sets]
    return ", ".join([*sets, *(code.display or code.code or "" for code in use.codes)])
