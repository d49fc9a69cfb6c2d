"""A package's test patients: each with the report that the measure must give.

tests/<case>/bundle.json      one patient
tests/<case>/expected.json    an individual MeasureReport: period (with time zone, UTC if none is
                              given), groups with the count of each population, and, where they
                              matter, strata and observation values; ``date`` is what Now() says.
                              Or an OperationOutcome: the patient must not be evaluated at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from service.cql.record import PatientRecord
from service.errors import EvaluationError
from service.measure.content import read_json
from service.measure.evaluator import Evaluator
from service.measure.package import MeasurePackage
from service.measure.period import Period, timezone
from service.measure.report import TIMEZONE, Reporter

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Case:
    """One test patient; ``differences`` is empty when the measure says what is expected."""

    name: str
    differences: tuple[str, ...]


def run_cases(package: MeasurePackage, folder: Path) -> Iterator[Case]:
    """Evaluate every case under ``folder``/tests."""
    for case in sorted(path.parent for path in (folder / "tests").glob("*/expected.json")):
        yield Case(case.name, tuple(_differences(package, case)))


def _differences(package: MeasurePackage, case: Path) -> Iterator[str]:
    expected = read_json(case / "expected.json")
    refused = expected["resourceType"] == "OperationOutcome"
    try:
        report = _report(package, read_record(case), {} if refused else expected)
    except EvaluationError as error:
        if not refused:
            yield f"the patient was not evaluated: {error}"
        return
    if refused:
        yield "the patient was evaluated and must not be"
        return
    yield from _compare(expected, report)


def read_record(case: Path) -> PatientRecord:
    resources: dict[str, list[Json]] = {}
    for entry in read_json(case / "bundle.json")["entry"]:
        resources.setdefault(entry["resource"]["resourceType"], []).append(entry["resource"])
    return PatientRecord(str(resources["Patient"][0]["id"]), resources)


def _report(package: MeasurePackage, record: PatientRecord, expected: Json) -> Json:
    period = expected.get("period") or {"start": "2026-01-01", "end": "2026-12-31"}
    zones = (one["valueCode"] for one in period.get("extension", ()) if one["url"] == TIMEZONE)
    now = datetime.fromisoformat(expected["date"]) if "date" in expected else None
    evaluator = Evaluator(
        package,
        Period.parse(f"{period['start']}/{period['end']}"),
        timezone(next(zones, "UTC")),
        now,
        lambda: [record],
    )
    return Reporter(evaluator).individual(evaluator.evaluate(record, details=True))


def _compare(expected: Json, report: Json) -> Iterator[str]:
    """Every number that is expected and not found."""
    found = dict(_numbers(report))
    for what, number in _numbers(expected):
        if found.get(what) != number:
            yield f"{' '.join(what)}: {found.get(what, 'nothing')} where {number} is expected"


def _numbers(report: Json) -> Iterator[tuple[tuple[str, ...], Any]]:
    for group in report.get("group", ()):
        for population in group.get("population", ()):
            name = (group["id"], population.get("id") or _code(population))
            yield name, population["count"]
            for number, one in enumerate(population.get("extension", ()), 1):
                yield (*name, f"value {number}"), float(one["valueDecimal"])
        for stratifier in group.get("stratifier", ()):
            for stratum in stratifier.get("stratum", ()):
                for population in stratum.get("population", ()):
                    where = (group["id"], stratifier["id"], _stratum(stratum), _code(population))
                    yield where, population["count"]


def _code(population: Json) -> str:
    return str(population["code"]["coding"][0]["code"])


def _stratum(stratum: Json) -> str:
    values = [part["value"] for part in stratum.get("component", ())] or [stratum["value"]]
    return "/".join(value["text"] for value in values)
