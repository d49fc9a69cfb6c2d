"""The closed schema of what travels: a summary MeasureReport of codes and bounded integers.

Every element is named here and nothing else is accepted; docs/wire-format.md shows the same as
JSON. Strings are codes, hashes, canonical addresses and names from configuration: there is no
free text, no rate, and no date finer than a month but the period's bounds.
"""

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from service.measure.completeness import Reason, Verdict

PROFILE = "http://hl7.org/fhir/us/davinci-deqm/StructureDefinition/summary-measurereport-deqm"
SCORING = "http://hl7.org/fhir/us/davinci-deqm/StructureDefinition/extension-measureScoring"
SCORING_SYSTEM = "http://terminology.hl7.org/CodeSystem/measure-scoring"
POPULATION_SYSTEM = "http://terminology.hl7.org/CodeSystem/measure-population"
IMPROVEMENT_SYSTEM = "http://terminology.hl7.org/CodeSystem/measure-improvement-notation"
STRATUM_SYSTEM = "urn:weir:stratum"
ELIGIBLE = "urn:weir:eligible"
MET = "urn:weir:met"
DATA_ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
SMALLEST = 11  # no count of 1 to 10 patients is ever sent (CMS cell size policy)
SMALLEST_IN_FIVES = 10  # but where counts are rounded to fives, 10 stands for 8 to 12 (NHS Digital)
SMALL = "a count of 1 to 10 must not be sent"

Scoring = Literal["proportion", "ratio", "continuous-variable", "cohort"]
Improvement = Literal["increase", "decrease"]
PopulationCode = Literal[
    "initial-population",
    "denominator",
    "denominator-exclusion",
    "denominator-exception",
    "numerator",
    "numerator-exclusion",
    "measure-population",
    "measure-population-exclusion",
]
AbsentReason = Literal["masked", "error"]
StratumValue = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9<>=+.,()_-]+( [A-Za-z0-9<>=+.,()_-]+)*$", max_length=64),
]
Sha256 = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
Mapping = Annotated[str, StringConstraints(pattern=r"^(none|sha256:[0-9a-f]{64})$")]
Canonical = Annotated[
    str, StringConstraints(pattern=r"^[a-z]+:[A-Za-z0-9./:_~%-]{1,200}\|[A-Za-z0-9.+-]{1,40}$")
]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Version = Annotated[str, StringConstraints(pattern=r"^[0-9][A-Za-z0-9.+-]{0,39}$")]
Zone = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Za-z0-9_+/-]{0,63}$")]
Month = Annotated[str, StringConstraints(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$")]


class Wire(BaseModel):
    """An element with exactly the children that are named."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Meta(Wire):
    profile: tuple[
        Literal[
            "http://hl7.org/fhir/us/davinci-deqm/StructureDefinition/summary-measurereport-deqm"
        ]
    ]


class ScoringCoding(Wire):
    system: Literal["http://terminology.hl7.org/CodeSystem/measure-scoring"]
    code: Scoring


class ScoringConcept(Wire):
    coding: tuple[ScoringCoding]


class ScoringExtension(Wire):
    url: Literal["http://hl7.org/fhir/us/davinci-deqm/StructureDefinition/extension-measureScoring"]
    valueCodeableConcept: ScoringConcept


class Package(Wire):
    url: Literal["package"]
    valueString: Sha256


class MappingTables(Wire):
    url: Literal["mapping"]
    valueString: Mapping


class Engine(Wire):
    url: Literal["engine"]
    valueString: Version


class PolicyFile(Wire):
    url: Literal["policy"]
    valueString: Sha256


class Timezone(Wire):
    url: Literal["timezone"]
    valueString: Zone


class ProvenanceExtension(Wire):
    url: Literal["urn:weir:provenance"]
    extension: tuple[Package, MappingTables, Engine, PolicyFile, Timezone]


class CompletenessEntry(Wire):
    url: Literal["verdict", "reason"]
    valueCode: Verdict | Reason


class CompletenessExtension(Wire):
    url: Literal["urn:weir:completeness"]
    extension: tuple[CompletenessEntry, ...] = Field(min_length=1, max_length=1 + len(Reason))

    @property
    def verdict(self) -> Verdict:
        """What may be said of the counts."""
        return Verdict(self.extension[0].valueCode)

    @property
    def reasons(self) -> frozenset[Reason]:
        """Why the verdict is not `complete`."""
        return frozenset(Reason(each.valueCode) for each in self.extension[1:])

    @model_validator(mode="after")
    def _one_verdict_and_its_reasons(self) -> Self:
        kinds = [(each.url, type(each.valueCode)) for each in self.extension]
        if kinds != [("verdict", Verdict)] + [("reason", Reason)] * (len(kinds) - 1):
            raise ValueError("one verdict comes first, then its reasons")
        if len(self.reasons) != len(kinds) - 1:
            raise ValueError("a reason is given twice")
        if (self.verdict is Verdict.COMPLETE) is bool(self.reasons):
            raise ValueError("a verdict other than complete has reasons, and complete has none")
        return self


class RoundingExtension(Wire):
    url: Literal["urn:weir:rounding"]
    valueInteger: Annotated[int, Field(ge=3, le=100)]


class Identifier(Wire):
    system: Literal["urn:weir:release"]
    value: Sha256


class SiteIdentifier(Wire):
    system: Literal["urn:weir:site"]
    value: Name


class Reporter(Wire):
    identifier: SiteIdentifier


class ReportPeriod(Wire):
    start: date
    end: date

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.start > self.end:
            raise ValueError("the period ends before it starts")
        return self


class ImprovementCoding(Wire):
    system: Literal["http://terminology.hl7.org/CodeSystem/measure-improvement-notation"]
    code: Improvement


class ImprovementConcept(Wire):
    coding: tuple[ImprovementCoding]


class PopulationCoding(Wire):
    system: Literal["http://terminology.hl7.org/CodeSystem/measure-population"]
    code: PopulationCode


class PopulationConcept(Wire):
    coding: tuple[PopulationCoding]


class AbsentExtension(Wire):
    url: Literal["http://hl7.org/fhir/StructureDefinition/data-absent-reason"]
    valueCode: AbsentReason


class AbsentCount(Wire):
    extension: tuple[AbsentExtension]


class WireCell(Wire):
    """An element that has a count, or the reason why there is none."""

    count: Annotated[int, Field(ge=0, le=10_000_000)] | None = None

    @property
    def reason(self) -> AbsentReason | None:
        """Why there is no count; each kind of cell says it in an element of its own."""
        return None

    @property
    def state(self) -> int | AbsentReason:
        """The count, or why there is none."""
        return self.reason or self.count or 0

    @model_validator(mode="after")
    def _one_state(self) -> Self:
        if (self.count is None) is (self.reason is None):
            raise ValueError("a population has either a count or the reason why it has none")
        if self.count is not None and 0 < self.count < SMALLEST_IN_FIVES:
            raise ValueError(SMALL)
        return self


class WirePopulation(WireCell):
    code: PopulationConcept
    absent: AbsentCount | None = Field(None, alias="_count")

    @property
    def reason(self) -> AbsentReason | None:
        return self.absent.extension[0].valueCode if self.absent else None


class SideOfScore(WireCell):
    """What the score's denominator counts, or its numerator."""

    url: Literal["urn:weir:eligible", "urn:weir:met"]
    count: Annotated[int, Field(ge=0, le=10_000_000)] | None = Field(None, alias="valueInteger")
    extension: tuple[AbsentExtension] | None = None

    @property
    def reason(self) -> AbsentReason | None:
        return self.extension[0].valueCode if self.extension else None


class WireCounts(Wire):
    """The counts of a group or of a stratum of it."""

    extension: tuple[SideOfScore, ...] = Field((), max_length=2)
    population: tuple[WirePopulation, ...] = Field(min_length=1, max_length=20)

    @property
    def names(self) -> list[str]:
        """What is counted, in its order."""
        sides: list[str] = [each.url for each in self.extension]
        return sides + [each.code.coding[0].code for each in self.population]

    @property
    def cells(self) -> tuple[WireCell, ...]:
        """Every count of it."""
        return (*self.extension, *self.population)

    @model_validator(mode="after")
    def _distinct_populations(self) -> Self:
        codes = {each.code.coding[0].code for each in self.population}
        if len(codes) != len(self.population):
            raise ValueError("a population stands twice in its group")
        if [each.url for each in self.extension] not in ([], [ELIGIBLE], [ELIGIBLE, MET]):
            raise ValueError("a group tells who is eligible, then who met it, each once")
        return self


class StratumCoding(Wire):
    system: Literal["urn:weir:stratum"]
    code: StratumValue


class StratumConcept(Wire):
    coding: tuple[StratumCoding]


class WireStratum(WireCounts):
    value: StratumConcept


class WireStratifier(Wire):
    id: Name
    stratum: tuple[WireStratum, ...] = Field(min_length=1, max_length=50)

    @model_validator(mode="after")
    def _distinct_strata(self) -> Self:
        if len({each.value.coding[0].code for each in self.stratum}) != len(self.stratum):
            raise ValueError("a stratum stands twice in its stratifier")
        return self


class WireGroup(WireCounts):
    id: Name
    stratifier: tuple[WireStratifier, ...] = Field((), max_length=10)

    @property
    def strata(self) -> tuple[WireStratum, ...]:
        """The strata of all stratifiers."""
        return tuple(stratum for each in self.stratifier for stratum in each.stratum)

    @model_validator(mode="after")
    def _strata_of_this_group(self) -> Self:
        if len({each.id for each in self.stratifier}) != len(self.stratifier):
            raise ValueError("a stratifier stands twice in its group")
        if any(stratum.names != self.names for stratum in self.strata):
            raise ValueError("a stratum counts what its group counts, in the same order")
        return self


class WireReport(Wire):
    """The MeasureReport itself."""

    resourceType: Literal["MeasureReport"]
    meta: Meta
    extension: tuple[
        ScoringExtension, ProvenanceExtension, CompletenessExtension, RoundingExtension
    ]
    identifier: tuple[Identifier]
    status: Literal["complete"]
    type: Literal["summary"]
    measure: Canonical
    date: Month
    reporter: Reporter
    period: ReportPeriod
    improvementNotation: ImprovementConcept | None = None
    group: tuple[WireGroup, ...] = Field(min_length=1, max_length=100)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        scoring = self.extension[0].valueCodeableConcept.coding[0].code
        if scoring != "cohort" and self.improvementNotation is None:
            raise ValueError(f"a {scoring} measure states which way is better (deqm-2)")
        if len({each.id for each in self.group}) != len(self.group):
            raise ValueError("a group stands twice in the report")
        computable = self.extension[2].verdict is not Verdict.NOT_COMPUTABLE
        for group in self.group:
            for counts in (group, *group.strata):
                for cell in counts.cells:
                    self._check(cell, computable)
        return self

    def _check(self, cell: WireCell, computable: bool) -> None:
        if (cell.state == "error") is computable:
            raise ValueError("all counts of a not-computable report, and no others, are in error")
        base = self.extension[3].valueInteger
        if cell.count is not None and 0 < cell.count < SMALLEST and base != 5:
            raise ValueError(SMALL)
        if cell.count is not None and cell.count % base:
            raise ValueError("a count is not a multiple of the rounding that the report states")
