"""MeasureReports for local eyes: individual, subject list and summary, with exact counts.

They are valid R4 and carry what DEQM's profiles ask for. None of them can be pushed: what leaves
a site is made from other parts (service.measure.summary).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

from service.measure.evaluator import Evaluator
from service.measure.group import Group
from service.measure.population import SYSTEM
from service.measure.result import PatientResult, Strata
from service.measure.scoring import score
from service.measure.stratifier import Stratifier
from service.measure.stratum import FALSE, TRUE, Stratum
from service.measure.tally import GroupTally, Tally

Json = dict[str, Any]
DEQM = "http://hl7.org/fhir/us/davinci-deqm/StructureDefinition/"
SCORING = f"{DEQM}extension-measureScoring"
GROUP_IMPROVEMENT = f"{DEQM}extension-groupImprovementNotation"
SCORING_SYSTEM = "http://terminology.hl7.org/CodeSystem/measure-scoring"
IMPROVEMENT_SYSTEM = "http://terminology.hl7.org/CodeSystem/measure-improvement-notation"
TIMEZONE = "http://hl7.org/fhir/StructureDefinition/timezone"
DATA_ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
OBSERVATION_VALUE = "urn:weir:observation-value"
RATE_AGGREGATION = "urn:weir:rate-aggregation"
PROFILES = {
    "individual": f"{DEQM}indv-measurereport-deqm",
    "subject-list": f"{DEQM}subjectlist-measurereport-deqm",
    "summary": f"{DEQM}summary-measurereport-deqm",
}
DIGITS = Decimal("1e-12")  # of a score

_encoder = msgspec.json.Encoder(decimal_format="number")


def to_json(report: Mapping[str, Any]) -> bytes:
    """The report as JSON on one line; decimals are numbers."""
    return _encoder.encode(report)


class Reporter:
    """Writes the reports of one evaluation. ``reporter`` names who reports, ``date`` when."""

    def __init__(
        self, evaluator: Evaluator, reporter: str = "Weir", date: datetime | None = None
    ) -> None:
        self.package = evaluator.package
        self.period = evaluator.period
        self.zone = evaluator.zone
        self.reporter = reporter
        self.date = (date or datetime.now(UTC)).isoformat(timespec="seconds")

    def individual(self, result: PatientResult) -> Json:
        """One patient's report: counts, observations, strata, and the resources it rests on."""
        tally = Tally(self.package.groups)
        tally.add(result)
        report = self._report("individual", tally)
        report["subject"] = {"reference": f"Patient/{result.patient}"}
        codes = {one.id: one.code for one in self.package.supplements}
        report |= _supplemental(result, codes)
        return report

    def summary(self, tally: Tally) -> Json:
        """All patients' report, with the score of each group."""
        return self._report("summary", tally)

    def subject_list(self, tally: Tally) -> Json:
        """The summary with a contained List of the patients of each population."""
        report = self._report("subject-list", tally)
        lists: list[Json] = []
        for group, told in zip(self.package.groups, report["group"], strict=True):
            for population in told.get("population", ()):
                name = f"subjects-{len(lists) + 1}"
                subjects = tally.groups[group.id].subjects.get(population["id"], [])
                lists.append(_list(name, subjects))
                population["subjectResults"] = {"reference": f"#{name}"}
        return report | {"contained": lists}

    def _report(self, type: str, tally: Tally) -> Json:
        groups = self.package.groups
        report: Json = {
            "resourceType": "MeasureReport",
            "meta": {"profile": [PROFILES[type]]},
            "status": "complete",
            "type": type,
            "measure": self.package.canonical,
            "date": self.date,
            "reporter": {"display": self.reporter},
            "period": {
                "extension": [{"url": TIMEZONE, "valueCode": self.zone.key}],
                "start": str(self.period.start),
                "end": str(self.period.end),
            },
        }
        improvements = {group.improvement for group in groups}
        shared = improvements.pop() if len(improvements) == 1 else None
        if shared:
            report["improvementNotation"] = _concept(IMPROVEMENT_SYSTEM, shared)
        report["group"] = [
            _group(group, tally.groups[group.id], type, own_notation=not shared) for group in groups
        ]
        if type != "individual":
            self._add_scores(report["group"], tally)
        return report

    def _add_scores(self, told: list[Json], tally: Tally) -> None:
        composite = self.package.composite
        for group, json in zip(self.package.groups, told, strict=True):
            own = tally.groups[group.id]
            if composite and group is composite.group:
                json["measureScore"] = _score(composite.score(tally.groups))
            elif group.scoring != "cohort":
                json["measureScore"] = _score(score(group, own.counts, own.observations))


def _group(group: Group, tally: GroupTally, type: str, *, own_notation: bool) -> Json:
    extension = [_extension(SCORING, SCORING_SYSTEM, group.scoring)]
    if own_notation and group.improvement:
        extension.append(_extension(GROUP_IMPROVEMENT, IMPROVEMENT_SYSTEM, group.improvement))
    if group.rate_aggregation:
        extension.append({"url": RATE_AGGREGATION, "valueString": group.rate_aggregation})
    told: Json = {"id": group.id, "extension": extension}
    told["population"] = list(_populations(group, tally, type))
    if group.stratifiers:
        told["stratifier"] = [_stratifier(one, group, tally) for one in group.stratifiers]
    return told


def _populations(group: Group, tally: GroupTally, type: str) -> Iterator[Json]:
    """Every population's count; of an observation also its values in individual reports."""
    for population in group.populations:
        told: Json = {"id": population.id, "code": _concept(SYSTEM, population.code)}
        if population.code != "measure-observation":
            yield told | {"count": tally.counts[population.id]}
            continue
        values = tally.observations.get(population.id, [])
        if values and type == "individual":
            told["extension"] = [
                {"url": OBSERVATION_VALUE, "valueDecimal": value} for value in values
            ]
        yield told | {"count": len(values)}


def _stratifier(stratifier: Stratifier, group: Group, tally: GroupTally) -> Json:
    told: Json = {"id": stratifier.id}
    if stratifier.code:
        told["code"] = [stratifier.code]
    strata: dict[Strata, Counter[str]] = {}
    if stratifier.is_test:
        strata = {(TRUE,): Counter(), (FALSE,): Counter()}
    strata |= tally.strata.get(stratifier.id, {})
    if strata:
        told["stratum"] = [
            _stratum(stratum, stratifier) | {"population": list(_parts(group, stratifier, counts))}
            for stratum, counts in strata.items()
        ]
    return told


def _stratum(stratum: Strata, stratifier: Stratifier) -> Json:
    if stratifier.single:
        return {"value": dict(stratum[0].concept)}
    return {
        "component": [
            {"code": part.code or {"text": part.expression}, "value": dict(value.concept)}
            for part, value in zip(stratifier.components, stratum, strict=True)
        ]
    }


def _parts(group: Group, stratifier: Stratifier, counts: Mapping[str, int]) -> Iterator[Json]:
    for population in group.populations:
        if population.code != "measure-observation" and stratifier.tells(population.code):
            code = _concept(SYSTEM, population.code)
            yield {"id": population.id, "code": code, "count": counts.get(population.id, 0)}


def _supplemental(result: PatientResult, codes: Mapping[str, Any]) -> Json:
    """The resources that were evaluated, and supplemental data as contained Observations."""
    contained: list[Json] = []
    references = [{"reference": one} for one in result.evaluated]
    for name, value in result.supplemental.items():
        items = value if isinstance(value, list) else [value]
        for item in (item for item in items if item is not None):
            stratum = Stratum.of(item)
            contained.append(
                {
                    "resourceType": "Observation",
                    "id": f"supplemental-{len(contained) + 1}",
                    "status": "final",
                    "code": codes.get(name) or {"text": name},
                    "valueCodeableConcept": dict(stratum.concept),
                }
            )
            references.append({"reference": f"#{contained[-1]['id']}"})
    told = {"contained": contained, "evaluatedResource": references}
    return {key: value for key, value in told.items() if value}


def _list(name: str, subjects: list[str]) -> Json:
    entries = [{"item": {"reference": f"Patient/{one}"}} for one in subjects]
    told = {"resourceType": "List", "id": name, "status": "current", "mode": "snapshot"}
    return told | ({"entry": entries} if entries else {})


def _score(value: Decimal | None) -> Json:
    if value is None:
        return {"extension": [{"url": DATA_ABSENT, "valueCode": "not-applicable"}]}
    return {
        "value": value.quantize(DIGITS).normalize() if value % 1 else value.quantize(Decimal(1))
    }


def _concept(system: str, code: str) -> Json:
    return {"coding": [{"system": system, "code": code}]}


def _extension(url: str, system: str, code: str) -> Json:
    return {"url": url, "valueCodeableConcept": _concept(system, code)}
