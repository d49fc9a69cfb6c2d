"""``weir evaluate``: a measure on a folder of files, without any server."""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from service.cli import main
from service.cql import translator
from service.fhir.folder import Folder
from tests.fhir_models import check_r4
from tests.spec.measure.bundles import library
from tests.spec.measure.tiny import content, group_json, libraries

Json = dict[str, Any]
SECRET = "Secretname"  # what a message must never show
PERIOD = "2026-01-01/2026-12-31"
DENOMINATOR = ["initial-population", "denominator"]

pytestmark = pytest.mark.skipif(translator.missing() is not None, reason=str(translator.missing()))


class Run(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def reports(self) -> list[Json]:
        return [json.loads(line) for line in self.out.splitlines()]


Weir = Callable[..., Run]


@pytest.fixture
def weir(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Weir:
    def run(*arguments: str | Path) -> Run:
        monkeypatch.setattr(sys, "argv", ["weir", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        told = capfd.readouterr()
        return Run(int(ended.value.code or 0), told.out, told.err)

    return run


@pytest.fixture
def evaluate(weir: Weir, measure: Path, data: Path) -> Weir:
    return lambda *more: weir(
        "evaluate", "--measure", measure, "--data", data, "--period", PERIOD, *more
    )


@pytest.fixture
def measure(tmp_path: Path) -> Path:
    resources = [content(group_json("proportion", "Encounter")).measure]
    resources += [library(dict(elm)) for elm in libraries()]
    file = tmp_path / "measure.json"
    file.write_text(json.dumps(bundle(*resources)))
    return file


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


def bundle(*resources: Any) -> Json:
    entries = [{"resource": resource} for resource in resources]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


def person(id: str = "p1", **more: Any) -> Json:
    return {"resourceType": "Patient", "id": id, "name": [{"family": SECRET}], **more}


def encounter(id: str, *words: str, patient: str | None = "p1", **more: Any) -> Json:
    told = {"resourceType": "Encounter", "id": id, "type": [{"text": word} for word in words]}
    return told | ({"subject": {"reference": f"Patient/{patient}"}} if patient else {}) | more


def write(file: Path, content: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content if isinstance(content, str) else json.dumps(content))


def ndjson(*resources: Json) -> str:
    return "".join(json.dumps(resource) + "\n" for resource in resources)


def counts(report: Json) -> dict[str, int]:
    return {one["id"]: one["count"] for one in report["group"][0]["population"] if one["count"]}


# Bundles


@pytest.mark.full
def test_every_bundle_at_any_depth_is_one_patient(evaluate: Weir, data: Path) -> None:
    write(data / "a.json", bundle(person(), encounter("e1", *DENOMINATOR, "numerator")))
    write(data / "b/c/d.json", bundle(person("p2"), encounter("e1", *DENOMINATOR)))
    run = evaluate("--subjects")
    assert run.code == 0
    assert [report["subject"]["reference"] for report in run.reports] == [
        "Patient/p1",
        "Patient/p2",
    ]
    for report in run.reports:
        check_r4(report)
    run = evaluate()
    assert run.code == 0
    [summary] = run.reports
    check_r4(summary)
    assert counts(summary) == {"initial-population": 2, "denominator": 2, "numerator": 1}
    assert summary["group"][0]["measureScore"]["value"] == 0.5


@pytest.mark.full
def test_all_of_a_bundle_is_the_patients_whatever_it_says(evaluate: Weir, data: Path) -> None:
    others = encounter("e1", "initial-population", patient="somebody-else")
    write(data / "a.json", bundle(person(), others))
    assert counts(evaluate("--subjects").reports[0]) == {"initial-population": 1}


def test_resources_that_share_an_id_are_kept(evaluate: Weir, data: Path) -> None:
    twice = [encounter("e1", "initial-population"), encounter("e1", *DENOMINATOR)]
    write(data / "a.json", bundle(person(), *twice))
    found = counts(evaluate("--subjects").reports[0])
    assert found == {"initial-population": 2, "denominator": 1}


def test_other_files_are_left_out_with_a_notice(evaluate: Weir, data: Path, measure: Path) -> None:
    write(data / "a.json", bundle(person()))
    write(data / "list.csv", "patient")
    write(data / "patient.json", person("alone"))
    write(data / "bundles.ndjson", "no resource type")
    write(data / "measure.json", measure.read_text())
    run = evaluate()
    assert run.code == 0
    for name in ("list.csv", "patient.json", "bundles.ndjson", "measure.json"):
        assert f"notice: {name}: left out" in run.err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"resourceType": "Bundle", ', "cannot be read as JSON"),
        (bundle(encounter("e1")), "0 Patient resources"),
        (bundle(person(), person("p2")), "2 Patient resources"),
        (bundle({"resourceType": "Patient"}), "no id"),
        (bundle(person(), {"resourceType": "Horse", "name": SECRET}), "entry 2: unknown resource"),
        (bundle(person(), None), "entry 2: no resource"),
    ],
)
def test_a_bundle_that_is_no_patient_is_named(
    evaluate: Weir, data: Path, content: Any, said: str
) -> None:
    """The others are evaluated, the exit code says that not all were, and no sum is given out."""
    write(data / "bad.json", content)
    write(data / "good.json", bundle(person(), encounter("e1", "initial-population")))
    run = evaluate("--subjects")
    assert run.code == 1
    assert len(run.reports) == 1
    assert "error: bad.json" in run.err
    assert said in run.err
    assert SECRET not in run.err
    assert evaluate().out == ""


# NDJSON


def test_ndjson_is_grouped_by_patient_reference(evaluate: Weir, data: Path) -> None:
    write(data / "Patient.ndjson", ndjson(person("p1"), person("p2")))
    first = encounter("e1", *DENOMINATOR, patient="p2")
    second = encounter("e2", "initial-population", patient="p1")
    absolute = encounter("e3", "initial-population", patient=None)
    absolute["subject"] = {"reference": "https://ehr.example/fhir/Patient/p2/_history/4"}
    write(data / "Encounter.ndjson", ndjson(first, second) + "\n")
    with gzip.open(data / "Encounter.2.ndjson.gz", "wt") as file:
        file.write(ndjson(absolute))
    run = evaluate("--subjects")
    assert run.code == 0
    assert {one["subject"]["reference"]: counts(one) for one in run.reports} == {
        "Patient/p1": {"initial-population": 1},
        "Patient/p2": {"initial-population": 2, "denominator": 1},
    }


def test_bundles_and_ndjson_may_lie_together(evaluate: Weir, data: Path) -> None:
    write(data / "Patient.ndjson", ndjson(person("p1")))
    write(data / "a.json", bundle(person("p2")))
    assert len(evaluate("--subjects").reports) == 2


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"resourceType": "Encounter", "id": "e9"', "line 2"),
        (f'{{"resourceType": "Encounter", "id": 7, "x": "{SECRET}"}}', "line 2"),
        (json.dumps(person()), "line 2: not a Encounter"),
        ("[]", "line 2"),
        (json.dumps(encounter("e9", patient="nobody")), "line 2: of a patient who is not there"),
    ],
)
def test_a_broken_line_is_named_by_file_and_line(
    evaluate: Weir, data: Path, line: str, said: str
) -> None:
    write(data / "Patient.ndjson", ndjson(person()))
    good = json.dumps(encounter("e1", "initial-population"))
    write(data / "Encounter.ndjson", f"{good}\n{line}\n{good}\n")
    run = evaluate("--subjects")
    assert run.code == 1
    assert f"error: Encounter.ndjson, {said}" in run.err
    assert len(run.reports) == 1
    assert SECRET not in run.err


def test_a_line_that_is_not_utf_8_is_an_error(evaluate: Weir, data: Path) -> None:
    write(data / "Patient.ndjson", ndjson(person()))
    good = json.dumps(encounter("e1", "initial-population", text="?")).encode()
    (data / "Encounter.ndjson").write_bytes(good.replace(b"?", b"\xff") + b"\n")
    run = evaluate()
    assert (run.code, run.out) == (1, "")
    assert "UTF-8" in run.err or "line 1" in run.err


def test_a_file_that_is_cut_off_is_an_error(evaluate: Weir, data: Path) -> None:
    write(data / "Patient.ndjson", ndjson(person()))
    whole = gzip.compress(ndjson(*(encounter(f"e{n}") for n in range(2000))).encode())
    (data / "Encounter.ndjson.gz").write_bytes(whole[: len(whole) // 2])
    run = evaluate()
    assert (run.code, run.out) == (1, "")
    assert "Encounter.ndjson.gz, after line" in run.err


def test_one_patient_given_twice_in_the_same_words_is_one(evaluate: Weir, data: Path) -> None:
    write(data / "Patient.ndjson", ndjson(person(), person()))
    assert len(evaluate("--subjects").reports) == 1


def test_two_different_patients_of_one_id_are_an_error(evaluate: Weir, data: Path) -> None:
    write(data / "Patient.ndjson", ndjson(person(), person(gender="male")))
    run = evaluate()
    assert run.code == 1
    assert "two different Patients of one id" in run.err


def test_a_byte_order_mark_is_no_content(evaluate: Weir, data: Path) -> None:
    (data / "Patient.ndjson").write_bytes(b"\xef\xbb\xbf" + ndjson(person()).encode())
    (data / "a.json").write_bytes(b"\xef\xbb\xbf" + json.dumps(bundle(person("p2"))).encode())
    run = evaluate("--subjects")
    assert (run.code, len(run.reports)) == (0, 2)


# Output and errors


def test_no_patients_at_all_is_an_error(evaluate: Weir) -> None:
    run = evaluate()
    assert (run.code, run.out) == (1, "")
    assert "no patients" in run.err


def test_out_is_written_whole_or_not_at_all(evaluate: Weir, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "reports.ndjson"
    out.write_text("before")
    write(data / "a.json", bundle(person()))
    write(data / "bad.json", "{")
    assert evaluate("--out", out).code == 1
    assert out.read_text() == "before"
    (data / "bad.json").unlink()
    assert evaluate("--out", out).code == 0
    assert json.loads(out.read_text())["type"] == "summary"
    assert sorted(file.name for file in tmp_path.iterdir() if file.is_file()) == [
        "measure.json",
        "reports.ndjson",
    ]


def test_the_time_zone_is_stated(evaluate: Weir, data: Path) -> None:
    write(data / "a.json", bundle(person()))
    [report] = evaluate("--timezone", "America/New_York").reports
    assert report["period"]["extension"][0]["valueCode"] == "America/New_York"


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--period", "last year", "Not a period"),
        ("--period", "2026-12-31/2026-01-01", "ends before it starts"),
        ("--timezone", "Nowhere/Else", "No such time zone"),
        ("--data", "/nowhere", "Not a folder"),
        ("--measure", "/nowhere", "cannot be read"),
        ("--out", "/nowhere/out", "Cannot write there"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line(
    evaluate: Weir, data: Path, option: str, value: str, said: str
) -> None:
    write(data / "a.json", bundle(person()))
    run = evaluate(option, value)
    assert run.code == 1
    assert said in run.err
    assert "Traceback" not in run.err


# Records that name no patient


def test_what_a_patients_record_refers_to_comes_along(data: Path) -> None:
    """A Location is nobody's; the patient has those that their encounters refer to."""
    write(data / "Patient.ndjson", ndjson(person("p1"), person("p2")))
    write(
        data / "Encounter.ndjson",
        ndjson(encounter("e1", location=[{"location": {"reference": "Location/ward"}}])),
    )
    ward = {"resourceType": "Location", "id": "ward", "partOf": {"reference": "Location/house"}}
    write(data / "Location.ndjson", ndjson(ward, {"resourceType": "Location", "id": "house"}))
    with Folder(data) as folder:
        folder.gather()
        records = {found.record.id: found.record.resources for found in folder.patients()}
    assert [one["id"] for one in records["p1"]["Location"]] == ["ward", "house"]
    assert "Location" not in records["p2"]
    assert not folder.faults


def test_what_refers_to_a_patients_record_comes_along_if_it_is_somebodys(data: Path) -> None:
    """A Task without `for` is of the patient whose request it is about."""
    write(data / "Patient.ndjson", ndjson(person("p1"), person("p2")))
    write(data / "Encounter.ndjson", ndjson(encounter("e1"), encounter("e2", patient="p2")))
    task = {"resourceType": "Task", "id": "t1", "focus": {"reference": "Encounter/e2"}}
    write(data / "Task.ndjson", ndjson(task))
    with Folder(data) as folder:
        folder.gather()
        records = {found.record.id: found.record.resources for found in folder.patients()}
    assert "Task" not in records["p1"]
    assert [one["id"] for one in records["p2"]["Task"]] == ["t1"]


def test_a_record_of_nobody_who_is_known_is_a_notice(evaluate: Weir, data: Path) -> None:
    write(data / "Patient.ndjson", ndjson(person()))
    write(data / "Encounter.ndjson", ndjson(encounter("e1"), encounter("e2", patient=None)))
    run = evaluate()
    assert run.code == 0
    assert "notice: Encounter.ndjson: left out, 1 records of no known patient" in run.err
    assert "line 2" in run.err


# Why one patient counted


def test_one_patient_is_explained_as_a_tree(evaluate: Weir, data: Path) -> None:
    write(data / "Patient.ndjson", ndjson(person("p1"), person("p2")))
    write(data / "Encounter.ndjson", ndjson(encounter("e1"), encounter("e2", patient="p2")))
    run = evaluate("--explain", "p2")
    assert run.code == 0
    assert run.out.startswith("Patient/p2, 2026-01-01/2026-12-31, urn:test:tiny|1\n")
    assert "Encounter/e2 (Encounter.ndjson, line 2)" in run.out
    assert "e1" not in run.out


def test_one_patient_is_explained_in_a_report(evaluate: Weir, data: Path) -> None:
    write(data / "p.json", json.dumps(bundle(person(), encounter("e1"))))
    run = evaluate("--explain", "Patient/p1", "--fhir")
    (report,) = run.reports
    check_r4(report)
    assert report["extension"][0]["url"] == "urn:weir:explanation"


def test_a_patient_who_is_not_there_is_not_explained(evaluate: Weir, data: Path) -> None:
    write(data / "p.json", json.dumps(bundle(person())))
    run = evaluate("--explain", "nobody")
    assert (run.code, run.out) == (1, "")
    assert run.err.endswith("error: There is no such patient (" + str(data) + ")\n")


@pytest.mark.parametrize("more", [["--fhir"], ["--explain", "p1", "--subjects"]])
def test_explaining_goes_with_its_own_options(evaluate: Weir, data: Path, more: list[str]) -> None:
    write(data / "p.json", json.dumps(bundle(person())))
    assert evaluate(*more).code == 1
