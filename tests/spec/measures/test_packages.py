"""Each package under measures/ gives its test patients the reports that are written beside them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from service.cql import translator
from service.measure.build import parted, translated
from service.measure.cases import Case, run_cases
from service.measure.content import read_json
from service.measure.package import load_package
from tests.fhir_models import check_r4

MEASURES = Path(__file__).parents[3] / "measures"
FOLDERS = sorted(path.parent for path in MEASURES.glob("*/measure.json"))
CASES = [path.parent for path in sorted(MEASURES.glob("*/tests/*/expected.json"))]


def name(path: Path) -> str:
    return str(path.relative_to(MEASURES))


@cache
def results(folder: Path) -> dict[str, Case]:
    return {case.name: case for case in run_cases(load_package(folder), folder)}


@pytest.mark.parametrize("case", CASES, ids=name)
def test_a_patient_is_reported_as_expected(case: Path) -> None:
    assert results(case.parents[1])[case.name].differences == ()


@pytest.mark.parametrize("case", CASES, ids=name)
def test_a_case_is_written_in_valid_fhir(case: Path) -> None:
    check_r4(read_json(case / "expected.json"))
    for entry in read_json(case / "bundle.json")["entry"]:
        check_r4(entry["resource"])


@pytest.mark.parametrize("folder", FOLDERS, ids=name)
def test_a_package_is_written_in_valid_fhir(folder: Path) -> None:
    for file in [folder / "measure.json", *folder.glob("valuesets/*.json")]:
        check_r4(read_json(file))


@pytest.mark.parametrize("folder", FOLDERS, ids=name)
def test_elm_is_the_one_that_was_made_from_the_cql(folder: Path) -> None:
    assert list(parted(folder)) == []


@pytest.mark.skipif(translator.missing() is not None, reason=str(translator.missing()))
@pytest.mark.parametrize("folder", FOLDERS, ids=name)
def test_translating_again_gives_the_same_elm(folder: Path) -> None:
    _, made = translated(folder)
    assert made == {file.stem: file.read_bytes() for file in folder.glob("elm/*.json")}


@pytest.mark.parametrize("folder", FOLDERS, ids=name)
def test_no_licensed_code_is_in_a_package(folder: Path) -> None:
    text = "".join(file.read_text() for file in folder.rglob("*.*") if file.suffix != ".md")
    for system in (
        "http://snomed.info/sct",
        "http://www.ama-assn.org/go/cpt",
        "hl7.org/fhir/sid/icd",
    ):
        assert system not in text
