"""``weir evaluate`` with a measure whose logic asks for the data of all patients.

Who is counted: patients with at least as many encounters as patients have on average.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service.cli import main
from service.cql import translator
from service.cql.record import PatientRecord
from service.errors import EvaluationError, MeasureError
from service.measure.content import Content
from service.measure.evaluator import Evaluator
from service.measure.package import MeasurePackage, compile_package
from service.site.pipeline import load_packages
from service.site.state import open_state
from tests.spec.measure.bundles import library
from tests.spec.measure.tiny import PERIOD, content, criteria, group_json, libraries
from tests.spec.site_api.conftest import write_site

Json = dict[str, Any]
CQL = """
library Often version '1'
using FHIR version '4.0.1'
include FHIRHelpers version '4.0.1'
parameter "Measurement Period" Interval<DateTime>

context Patient
define "Encounters": Count([Encounter])
define "Initial Population": true
define "Denominator": true
define "Numerator": "Encounters" >= "Average"
define "All Encounters Are Mine": "Everybody's Encounters"

context Unfiltered
define "Everybody's Encounters": [Encounter]
define "Average": Count("Everybody's Encounters") / Count("Patients")
define "Patients": [Patient]
define "Somebody Has One": exists "Everybody's Encounters"
define "Most": Max("Encounters")
"""

pytestmark = pytest.mark.skipif(translator.missing() is not None, reason=str(translator.missing()))


def often(*, numerator: str = "Numerator", basis: str = "boolean") -> Content:
    """The measure, with another definition as its numerator."""
    group = group_json("proportion", basis)
    named = {
        "initial-population": "Initial Population",
        "denominator": "Denominator",
        "numerator": numerator,
    }
    populations = [
        one | {"criteria": criteria(named[one["id"]])}
        for one in group["population"]
        if one["id"] in named
    ]
    group["population"] = populations
    made = content(group, improvementNotation={"coding": [{"code": "increase"}]})
    elm = (translator.translate(CQL), *libraries()[1:])
    return Content(made.measure | {"library": ["urn:test:Often"]}, "Often", elm, (), ())


def package(**options: str) -> MeasurePackage:
    return compile_package(often(**options), "often")


@pytest.fixture
def measure(tmp_path: Path) -> Path:
    made = often()
    file = tmp_path / "measure.json"
    resources = [made.measure, *(library(dict(elm)) for elm in made.libraries)]
    file.write_text(json.dumps(bundle(*resources)))
    return file


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three patients: p1 has three encounters, p2 one and p3 none; on average it is 4/3."""
    folder = tmp_path / "data"
    folder.mkdir()
    patients = [{"resourceType": "Patient", "id": id} for id in ("p1", "p2")]
    encounters = [encounter("e1", "p1"), encounter("e2", "p1"), encounter("e3", "p1")]
    ward = {"resourceType": "Location", "id": "ward"}
    (folder / "Patient.ndjson").write_text(ndjson(*patients))
    (folder / "Encounter.ndjson").write_text(ndjson(*encounters, encounter("e4", "p2")))
    (folder / "Location.ndjson").write_text(ndjson(ward))
    (folder / "p3.json").write_text(json.dumps(bundle({"resourceType": "Patient", "id": "p3"})))
    return folder


@pytest.fixture
def weir(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, measure: Path, data: Path
) -> Callable[..., tuple[int, str, str]]:
    def run(*more: str) -> tuple[int, str, str]:
        told = ["evaluate", "--measure", str(measure), "--data", str(data), "--period", "2026"]
        monkeypatch.setattr(sys, "argv", ["weir", *told, *more])
        with pytest.raises(SystemExit) as ended:
            main()
        found = capfd.readouterr()
        return int(ended.value.code or 0), found.out, found.err

    return run


def encounter(id: str, patient: str) -> Json:
    subject = {"reference": f"Patient/{patient}"}
    location = [{"location": {"reference": "Location/ward"}}]
    return {"resourceType": "Encounter", "id": id, "subject": subject, "location": location}


def bundle(*resources: Any) -> Json:
    entries = [{"resource": resource} for resource in resources]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


def ndjson(*resources: Json) -> str:
    return "".join(json.dumps(resource) + "\n" for resource in resources)


def counts(report: Json) -> dict[str, int]:
    return {one["id"]: one["count"] for one in report["group"][0]["population"]}


# A folder is all the patients there are


def test_patients_are_measured_against_all_others(weir: Any) -> None:
    code, out, err = weir()
    assert (code, "error" in err) == (0, False)
    assert counts(json.loads(out)) == {"initial-population": 3, "denominator": 3, "numerator": 1}


def test_a_patient_s_report_names_that_patient_s_records_alone(weir: Any) -> None:
    reports = {
        report["subject"]["reference"]: report
        for report in map(json.loads, weir("--subjects")[1].splitlines())
    }
    assert counts(reports["Patient/p1"])["numerator"] == 1
    named = [one["reference"] for one in reports["Patient/p1"]["evaluatedResource"]]
    assert sorted(named) == ["Encounter/e1", "Encounter/e2", "Encounter/e3"]
    assert counts(reports["Patient/p3"])["numerator"] == 0


def test_as_long_as_not_everybody_can_be_read_nobody_is_counted(weir: Any, data: Path) -> None:
    (data / "broken.json").write_text("{")
    code, out, err = weir("--subjects")
    assert (code, out) == (1, "")
    assert "error: broken.json: cannot be read as JSON" in err
    assert err.count("broken.json") == 1
    assert "The result depends on all patients, and not all can be read" in err


def test_an_explanation_tells_what_others_come_to_and_names_none_of_them(weir: Any) -> None:
    code, out, _ = weir("--explain", "p2")
    assert code == 0
    assert '"Average"' in out
    assert "1.33333333" in out
    assert "Encounter/e4" in out
    assert not any(id in out for id in ("e1", "e2", "e3", "p1", "p3"))


# What is refused


def test_elsewhere_than_in_a_folder_no_patient_has_a_result() -> None:
    evaluator = Evaluator(package(), PERIOD)
    with pytest.raises(EvaluationError, match="asks for the records of all patients"):
        evaluator.evaluate(PatientRecord("p1", {"Patient": [{"resourceType": "Patient"}]}))


def test_who_is_counted_is_not_said_in_the_unfiltered_context() -> None:
    with pytest.raises(MeasureError, match=r"'Somebody Has One' is about all patients and none"):
        package(numerator="Somebody Has One")


def test_other_patients_records_are_not_counted_for_a_patient() -> None:
    made = often(numerator="All Encounters Are Mine", basis="Encounter")
    (group,) = made.measure["group"]
    for one in group["population"]:
        one["criteria"] = criteria("All Encounters Are Mine")
    record = PatientRecord("p1", {"Encounter": [encounter("e1", "p1")]})
    evaluator = Evaluator(compile_package(made, "often"), PERIOD, everyone=lambda: [record])
    with pytest.raises(EvaluationError, match="retrieved in the Unfiltered context"):
        evaluator.evaluate(record)


def test_a_site_does_not_count_by_it(measure: Path, tmp_path: Path) -> None:
    """A released cell would be about more patients than those that disclosure control weighs."""
    with pytest.raises(MeasureError, match="depends on other patients' data"):
        load_packages([measure])
    with pytest.raises(MeasureError, match="depends on other patients' data"):
        open_state(write_site(tmp_path).model_copy(update={"measures": (measure,)}))
