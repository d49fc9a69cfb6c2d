"""The engine counts in the demo's records whom a count by hand finds there, patient by patient.

Without servers and disclosure control between them, so that a difference is the measure's, the
mapping's or the engine's.
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest

from service.cql.record import PatientRecord
from service.demo.centers import CENTERS, Center
from service.demo.demo import SEED
from service.demo.folder import ROOT, make_site
from service.demo.records import records
from service.demo.story import Plan, tell
from service.measure.package import load_package
from service.site.evaluation import evaluate
from service.site.mapping import load_mapping
from service.site.signed_policy import read_policy
from tests.by_hand import ByHand
from tests.sampling import sampled

AS_OF = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (date(2024, 10, 1), date(2025, 3, 1)),
        pytest.param(date(2024, 1, 1), date(2025, 12, 1), marks=pytest.mark.full),
    ],
)
@pytest.mark.parametrize("center", sampled(CENTERS, 2), ids=lambda center: center.id)
def test_the_engine_finds_whom_a_count_by_hand_finds(
    tmp_path: Any, center: Center, first: date, last: date
) -> None:
    site = make_site(tmp_path, center, (first, last), 8001, "http://127.0.0.1:8002")
    policy = read_policy(site.path / "policy.toml")
    packages = [load_package(ROOT / "measures" / name) for name in ("dreaming", "readmission")]
    resources = list(records(center, tell(Plan(center.zone, SEED, first, last, center.change))))
    by_hand = ByHand(center, resources)
    mapping = load_mapping(ROOT / "mappings" / center.id)
    mapped = map(mapping.apply, _patients(resources))
    results = evaluate(mapped, packages, policy, center.zone, AS_OF)
    assert len(results) == 4 * len(policy.periods("urn:weir:measure:readmission"))
    for exact in results:
        assert not exact.failed
        count = by_hand.dreaming if exact.package is packages[0] else by_hand.readmission
        expected = count(exact.period.start, exact.period.end)
        for group in exact.table.groups:
            for code, members in group.populations.items():
                found = {(f"Patient/{m.patient}", m.unit) for m in members}
                assert found == expected[group.id][code], (exact.period, group.id, code)


def _patients(resources: list[dict[str, Any]]) -> Iterator[PatientRecord]:
    by_patient: dict[str, dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for each in resources:
        own = f"Patient/{each['id']}" if each["resourceType"] == "Patient" else None
        patient = own or each.get("subject", {}).get("reference")
        if patient:
            by_patient[patient][each["resourceType"]].append(each)
    for patient, of in by_patient.items():
        yield PatientRecord(patient.removeprefix("Patient/"), of)
