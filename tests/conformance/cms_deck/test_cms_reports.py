"""Reports of the deck's measures are valid R4 and have what DEQM's profiles require.

Of each scoring and basis there is in the deck one measure: every kind of report of its patients.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from typing import Any

import msgspec
import pytest

from service.cql.record import PatientRecord
from service.fhir.folder import Folder
from service.measure.evaluator import Evaluator
from service.measure.package import load_package
from service.measure.period import Period
from service.measure.report import Reporter, to_json
from service.measure.tally import Tally
from tests.conformance.cms_deck import deck
from tests.fhir_models import check_r4
from tests.sampling import sampled

pytestmark = pytest.mark.skipif(
    not deck.there(), reason=f"the CMS deck is neither in {deck.DECK} nor at {deck.TAR}"
)

Json = dict[str, Any]
INDIVIDUALS = 6
DEQM = "http://hl7.org/fhir/us/davinci-deqm/StructureDefinition/"
# Elements of cardinality 1..1 or 1..* in indv-measurereport-deqm and summary-measurereport-deqm,
# those of their base included.
REQUIRED = {"status", "type", "measure", "date", "reporter", "period", "group"}
PROFILE = {
    "individual": "indv-measurereport-deqm",
    "summary": "summary-measurereport-deqm",
    "subject-list": "subjectlist-measurereport-deqm",
}


@cache
def spread() -> dict[str, str]:
    """A measure for each scoring and basis, and one with strata: "ratio of Encounters" -> name."""
    manifest = json.loads((deck.unpacked() / "manifest.json").read_text())
    found: dict[str, str] = {}
    for name in deck.measures():
        for group in manifest["measures"][name]["groups"]:
            found.setdefault(f"{group['scoring']}-{group['basis']}", name)
            if group.get("stratifiers"):
                found.setdefault("stratified", name)
    return found


def records(measure: str) -> Iterator[PatientRecord]:
    with Folder(deck.unpacked() / measure / "tests") as folder:
        folder.gather()
        for found in folder.patients():
            yield found.record


def as_sent(report: Json) -> Json:
    """The report as its reader has it: valid R4, decimals as they are written."""
    text = to_json(report)
    decoded: Json = msgspec.json.decode(text)
    check_r4(decoded)
    exact: Json = json.loads(text, parse_float=Decimal)
    return exact


def check_deqm(report: Json) -> None:
    assert report.keys() >= REQUIRED | ({"subject"} if report["type"] == "individual" else set())
    assert report["meta"]["profile"] == [DEQM + PROFILE[report["type"]]]
    assert report["status"] == "complete"
    url, _, version = report["measure"].partition("|")
    assert url and version
    assert {"start", "end"} <= report["period"].keys()
    (zone,) = report["period"]["extension"]
    assert zone["valueCode"] == "UTC"
    for group in report["group"]:
        scorings = [one for one in group["extension"] if one["url"].endswith("measureScoring")]
        assert len(scorings) == 1
        for population in group["population"]:
            (coding,) = population["code"]["coding"]
            assert coding["code"] and coding["system"]
            assert population["count"] >= 0


@pytest.mark.parametrize(
    "kind",
    sampled(spread() if deck.there() else (), 3),
)
def test_every_kind_of_report_is_valid(kind: str) -> None:
    name = spread()[kind]
    package = load_package(deck.unpacked() / name / "measure-bundle.json")
    days = next(iter(deck.expected(name).values()))["period"]
    evaluator = Evaluator(package, Period.parse("/".join(days.values())))
    reporter = Reporter(evaluator)
    tally = Tally(package.groups, subjects=True)
    for number, record in enumerate(records(name)):
        result = evaluator.evaluate(record, details=True)
        tally.add(result)
        if number < INDIVIDUALS:
            individual = as_sent(reporter.individual(result))
            check_deqm(individual)
            check_individual(individual, record)
    summary = as_sent(reporter.summary(tally))
    check_deqm(summary)
    for group in summary["group"]:
        check_score(group)
    subjects = as_sent(reporter.subject_list(tally))
    check_deqm(subjects)
    check_subjects(subjects)


def check_individual(report: Json, record: PatientRecord) -> None:
    assert report["subject"] == {"reference": f"Patient/{record.id}"}
    there = {
        f"{type_}/{one.get('id')}" for type_, found in record.resources.items() for one in found
    }
    contained = {f"#{one['id']}" for one in report.get("contained", ())}
    told = {one["reference"] for one in report["evaluatedResource"]}
    assert told <= there | contained
    assert any(one.startswith("Patient/") for one in told)
    for group in report["group"]:
        assert "measureScore" not in group
        for population in group["population"]:
            if population["code"]["coding"][0]["code"] == "measure-observation":
                assert len(population.get("extension", ())) == population["count"]


def check_score(group: Json) -> None:
    """Of a proportion the score follows from the counts that stand beside it."""
    scoring = group["extension"][0]["valueCodeableConcept"]["coding"][0]["code"]
    assert ("measureScore" in group) == (scoring != "cohort")
    if scoring != "proportion":
        return
    counts = {one["code"]["coding"][0]["code"]: one["count"] for one in group["population"]}
    out = ("denominator-exclusion", "denominator-exception")
    below = counts["denominator"] - sum(counts.get(code, 0) for code in out)
    above = counts["numerator"] - counts.get("numerator-exclusion", 0)
    assert abs(group["measureScore"]["value"] - Decimal(above) / below) < Decimal("1e-12")


def check_subjects(report: Json) -> None:
    lists = {f"#{one['id']}": one.get("entry", []) for one in report["contained"]}
    for group in report["group"]:
        for population in group["population"]:
            entries = lists.pop(population["subjectResults"]["reference"])
            assert len(entries) <= population["count"]
            assert bool(entries) == bool(population["count"]) or (
                population["code"]["coding"][0]["code"] == "measure-observation"
            )
    assert not lists
