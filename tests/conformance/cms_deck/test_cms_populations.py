"""The deck's patients multiplied and written as a bulk export: the sums come out as expected.

`weir evaluate` runs as people run it, in a process of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.cms_deck import deck
from tests.sampling import sampled

TOOL = Path(__file__).parents[4] / "shared" / "tools" / "make_population.py"
MEASURES = (
    "CMS165FHIRControllingHighBP",  # patients
    "CMS819FHIRHHORAE",  # stays
    "CMS349FHIRHIVScreening",
    "CMS50FHIRReceiptofSpecialistReport",  # Tasks that name no patient
)

pytestmark = pytest.mark.skipif(
    not deck.there() or not TOOL.exists(), reason=f"the CMS deck or {TOOL} is not there"
)


@pytest.mark.parametrize("measure", sampled(MEASURES, 4))
@pytest.mark.full
def test_a_bulk_export_is_summed_up_as_expected(measure: str, tmp_path: Path) -> None:
    check(measure, 300, tmp_path)


@pytest.mark.full
@pytest.mark.parametrize("measure", MEASURES)
def test_a_large_bulk_export_is_summed_up_as_expected(measure: str, tmp_path: Path) -> None:
    check(measure, 20_000, tmp_path)


def check(measure: str, patients: int, folder: Path) -> None:
    make = [sys.executable, str(TOOL), str(deck.unpacked() / measure), str(patients), str(folder)]
    subprocess.run([*make, "--gzip"], check=True, stdout=subprocess.DEVNULL)
    told = json.loads((folder / "expected-summary.json").read_text())
    report = evaluate(measure, folder, told["measurementPeriod"])
    for group in report["group"]:
        found = {one["code"]["coding"][0]["code"]: one["count"] for one in group["population"]}
        assert found == told["expected"][group["id"]]


def evaluate(measure: str, folder: Path, period: str) -> dict[str, Any]:
    weir = Path(sys.executable).with_name("weir")
    bundle = deck.unpacked() / measure / "measure-bundle.json"
    run = subprocess.run(
        [weir, "evaluate", "--measure", bundle, "--data", folder, "--period", period],
        check=True,
        capture_output=True,
    )
    report: dict[str, Any] = json.loads(run.stdout)
    return report
