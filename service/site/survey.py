"""What the site's records hold of what measures look for: codes nobody mapped, and empty months.

A concept is understood when one of its codings is of a system that the measure's own codes are of,
and none of those codes misspelt, or has a row in the site's mapping. All others are counted
wherever a measure reads codes, and listed for the site's people to review; so are units that do not
convert to any of the measure's. Where a measure takes records by their code alone, other codes of a
record matter only once it is taken.
"""

import csv
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from service.cql.record import PatientRecord
from service.site.concepts import Json, codings, concepts, key_of
from service.site.mapping import CodeMapping, single_codings
from service.site.needs import Lookup, Needs
from service.site.plan import ALL_ELEMENTS
from service.site.quantities import UCUM, converts, measured
from service.site.shape import date_names
from service.site.undated import may_be_in, needs_time, undated
from service.site.verdict import Fault, Finding

UNMAPPED_FILE = "unmapped-codes.csv"
UNREVIEWED_FILE = "unreviewed-codes.csv"
UNDATED = "undated "  # in the place of a month, before what is known of it
SOME = 10  # records in a month: after as many, a month of none is no chance


class LocalCode(NamedTuple):
    """A code that is not a measure's own; ``path`` is as in Observation.code."""

    path: str
    system: str
    code: str
    display: str


class SeenCode(NamedTuple):
    """A code that was met so many ``times``.

    ``measures`` do not understand it; none when a row for all codes of its system settles it.
    """

    code: LocalCode
    measures: tuple[str, ...]
    times: int


class Seen(msgspec.Struct, frozen=True):
    """What was seen in some records: codes, and how many records each lookup found in a month, or
    with `UNDATED` in none.

    Lookups stand by their number in the survey.
    """

    codes: list[SeenCode]
    months: list[tuple[int, str, int]]


class Survey:
    """Looks through records for several measures, and adds up what is seen."""

    def __init__(self, mapping: CodeMapping, needs: Sequence[Needs]) -> None:
        self._mapping = mapping
        self._needs = needs
        self._lookups = list(dict.fromkeys(lookup for one in needs for lookup in one.lookups))
        self._paths = _paths(needs)
        self._units = any(one.units for one in needs)
        self._decisions: dict[tuple[str, str, tuple[tuple[str, str], ...]], _Decision] = {}
        self._codes: Counter[tuple[LocalCode, tuple[str, ...]]] = Counter()
        self._months: defaultdict[int, Counter[str]] = defaultdict(Counter)

    def of(self, record: PatientRecord) -> Seen:
        """What there is in a record as it was read, before it is mapped."""
        codes: Counter[tuple[LocalCode, tuple[str, ...]]] = Counter()
        months: Counter[tuple[int, str]] = Counter()
        for type_name in self._paths:
            for resource in record.resources.get(type_name, ()):
                self._look(type_name, resource, codes, months)
        return Seen(
            [SeenCode(code, measures, count) for (code, measures), count in codes.items()],
            [(lookup, month, count) for (lookup, month), count in months.items()],
        )

    def add(self, seen: Seen, times: int = 1) -> None:
        """Count what was seen, so many times."""
        for code, measures, count in seen.codes:
            self._codes[LocalCode(*code), tuple(measures)] += count * times
        for lookup, month, count in seen.months:
            self._months[lookup][month] += count * times

    @property
    def unmapped(self) -> Counter[LocalCode]:
        """Codes that nobody has looked at, in places where a measure reads codes."""
        return self._counted(unreviewed=False)

    @property
    def unreviewed(self) -> Counter[LocalCode]:
        """Codes that only a row for all codes of their system settles."""
        return self._counted(unreviewed=True)

    def findings(self, needs: Needs) -> list[Finding]:
        """What unmapped codes mean for the verdict on a measure: one finding for each path."""
        by_path: Counter[str] = Counter()
        for (code, measures), count in self._codes.items():
            if needs.measure in measures:
                by_path[code.path] += count
        return [
            Finding(Fault.UNMAPPED_CODE, path, count, path.partition(".")[0])
            for path, count in sorted(by_path.items())
        ]

    def undated(self, needs: Needs, first: str, last: str) -> list[Finding]:
        """What a measure looks for, reads the time of, and that does not say when it was, and may
        have been in some months (YYYY-MM)."""
        return [
            Finding(Fault.UNDATED, str(lookup), count, lookup.type)
            for number, lookup in enumerate(self._lookups)
            if lookup in needs.lookups
            and needs_time(needs.elements.get(lookup.type, frozenset()), lookup.type)
            and (count := _undated_in(self._months[number], first, last))
        ]

    def gaps(self, needs: Needs, months: Iterable[str]) -> list[Finding]:
        """What a measure looks for that is in none of some months (YYYY-MM), and was before."""
        found: dict[Lookup, Mapping[str, int]] = {
            lookup: self._months.get(number, {}) for number, lookup in enumerate(self._lookups)
        }
        return [
            Finding(Fault.EMPTY_MONTH, f"{lookup} in {month}", count, lookup.type)
            for month in months
            for lookup in needs.lookups
            if (count := _lost(found[lookup], month))
        ]

    def write(self, data_dir: Path) -> None:
        """List the codes, the most frequent first, in files that stay at the site."""
        _write(data_dir / UNMAPPED_FILE, self.unmapped)
        _write(data_dir / UNREVIEWED_FILE, self.unreviewed)

    def _counted(self, *, unreviewed: bool) -> Counter[LocalCode]:
        counts: Counter[LocalCode] = Counter()
        for (code, measures), count in self._codes.items():
            if unreviewed is not bool(measures):
                counts[code] += count
        return counts

    def _look(
        self,
        type_name: str,
        resource: Json,
        codes: Counter[tuple[LocalCode, tuple[str, ...]]],
        months: Counter[tuple[int, str]],
    ) -> None:
        met = [
            (path, self._decision(type_name, path, concept), concept)
            for path in self._paths[type_name]
            for concept in _concepts(resource, type_name, path)
        ]
        if self._units:
            met += [
                (path, self._unit_decision(type_name, path, concept), concept)
                for path, concept in measured(resource, type_name)
            ]
        found = {lookup for _, decision, _ in met for lookup in decision.lookups}
        found.update(self._lookups.index(one) for one in self._whole(type_name))
        when = [_month(resource, type_name)]
        if (known := undated(resource, type_name)) is not None:
            when.append(UNDATED + known)
        for lookup in found:
            months.update((lookup, month) for month in when if month)
        for path, decision, concept in met:
            measures = tuple(
                needs.measure
                for needs in decision.strange
                if self._matters(needs, type_name, path, found)
            )
            if measures or decision.unreviewed:
                for coding in codings(concept):
                    system, code = key_of(coding)
                    display = str(coding.get("display", ""))
                    codes[LocalCode(f"{type_name}.{path}", system, code, display), measures] += 1

    def _whole(self, type_name: str) -> list[Lookup]:
        return [one for one in self._lookups if one.type == type_name and one.path is None]

    def _matters(self, needs: Needs, type_name: str, path: str, found: set[int]) -> bool:
        """Whether a code at a path of a record can change what the measure counts."""
        if not needs.chooses(type_name):
            return True
        mine = [one for one in needs.lookups if one.type == type_name]
        return any(one.path == path or self._lookups.index(one) in found for one in mine)

    def _decision(self, type_name: str, path: str, concept: Json) -> "_Decision":
        keys = tuple(key_of(coding) for coding in codings(concept))
        decision = self._decisions.get((type_name, path, keys))
        if decision is None:
            decision = self._decisions[type_name, path, keys] = self._decide(type_name, path, keys)
        return decision

    def _unit_decision(self, type_name: str, path: str, concept: Json) -> "_Decision":
        """Who cannot compare a quantity of this unit, or of that which it is mapped to."""
        key = key_of(concept["coding"][0])
        decision = self._decisions.get((type_name, path, (key,)))
        if decision is None:
            element = path.partition(".")[0]
            system, unit = key
            if (mapped := self._mapping.unit(key)) is not None:
                system, unit = UCUM, mapped
            strange = (
                one
                for one in self._needs
                if one.units
                and not one.elements.get(type_name, frozenset()).isdisjoint({element, ALL_ELEMENTS})
                and not (system in ("", UCUM) and converts(unit, one.units))
            )
            settled = self._mapping.lists(*key) and not self._mapping.targets(*key)
            decision = _Decision(() if settled else tuple(strange), unreviewed=False, lookups=())
            self._decisions[type_name, path, (key,)] = decision
        return decision

    def _decide(self, type_name: str, path: str, keys: Sequence[tuple[str, str]]) -> "_Decision":
        reading = [one for one in self._needs if path in one.coded.get(type_name, ())]
        strange = [one for one in reading if not any(one.understands(*key) for key in keys)]
        known = any(self._mapping.knows(*key) for key in keys)
        if path in single_codings(type_name) and any(
            len(self._mapping.targets(*key)) > 1 for key in keys
        ):
            known = False  # there is no room for two
        listed = any(self._mapping.lists(*key) for key in keys)
        meant = {*keys, *(target for key in keys for target in self._mapping.targets(*key))}
        return _Decision(
            strange=() if known else tuple(strange),
            unreviewed=bool(strange) and known and not listed,
            lookups=tuple(
                number
                for number, one in enumerate(self._lookups)
                if one.type == type_name and one.path == path and not one.codes.isdisjoint(meant)
            ),
        )


class _Decision(NamedTuple):
    """What a concept at a path means: the measures that do not understand it, whether only a row
    for all codes of its system settles it, and the lookups that it is of."""

    strange: tuple[Needs, ...]
    unreviewed: bool
    lookups: tuple[int, ...]


def _paths(needs: Iterable[Needs]) -> dict[str, list[str]]:
    """By type that a measure looks at, every path at which one reads codes."""
    paths: dict[str, set[str]] = {}
    for one in needs:
        for type_name, of in one.coded.items():
            paths.setdefault(type_name, set()).update(of)
        for lookup in one.lookups:
            paths.setdefault(lookup.type, set()).update([lookup.path] if lookup.path else ())
    return {type_name: sorted(of) for type_name, of in sorted(paths.items())}


def _undated_in(counts: Mapping[str, int], first: str, last: str) -> int:
    """How many records of no day may have been in some months."""
    return sum(
        count
        for key, count in counts.items()
        if key.startswith(UNDATED) and may_be_in(key.removeprefix(UNDATED), first, last)
    )


def _lost(months: Mapping[str, int], month: str) -> int:
    """How many records the last month with any had, when this one has none and that had `SOME`."""
    year_ago = f"{int(month[:4]) - 1:04}{month[4:]}"
    before = [each for each in months if year_ago <= each < month]  # UNDATED is after all
    if months.get(month) or not before:
        return 0
    count = months[max(before)]
    return count if count >= SOME else 0


def _concepts(resource: Json, type_name: str, path: str) -> Iterator[Json]:
    """The concepts at a path; where what a record is has none, an empty one."""
    found = list(concepts(resource, type_name, path))
    yield from found or ([{}] if path == "code" else [])


def _month(resource: Json, type_name: str) -> str:
    """YYYY-MM of when a record was; "" when it does not say."""
    for name in date_names(type_name):
        value = resource.get(name)
        if isinstance(value, dict):
            value = value.get("start") or value.get("end")
        if isinstance(value, str) and value:
            return value[:7]
    return ""


def _write(path: Path, counts: Mapping[LocalCode, int]) -> None:
    part = path.with_name(f"{path.name}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow([*LocalCode._fields, "count"])
        for code, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
            table.writerow([*code, count])
    os.replace(part, path)
