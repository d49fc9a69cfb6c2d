"""A thousand patient-level resources, alone, in reports and in Bundles: all refused, none kept."""

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text

from service.fhir import signature
from tests.sampling import sampled
from tests.spec.network.reports import KEYS, Sender, body_of, summary_of

SECRET = "Quackenbush"  # in every string of every resource
TYPES = (
    *("Patient", "Encounter", "Observation", "Condition", "Procedure", "MedicationRequest"),
    *("MedicationAdministration", "Immunization", "AllergyIntolerance", "DiagnosticReport"),
    *("DocumentReference", "CarePlan", "CareTeam", "Coverage", "Claim", "Consent", "Specimen"),
    *("Device", "Goal", "QuestionnaireResponse", "RelatedPerson", "Person", "Practitioner"),
    *("ServiceRequest", "Task", "Binary", "Composition", "List", "Group", "Provenance"),
    *("FamilyMemberHistory", "ImagingStudy", "MeasureReport", "Parameters", "Bundle"),
)
ELEMENTS = ("name", "subject", "patient", "note", "text", "valueString", "birthDate", "identifier")
CASES, PARTS = 1000, 10


@pytest.fixture
def database(tmp_path: object) -> str:
    return f"sqlite:///{tmp_path}/network.db"


def resource(chance: random.Random) -> dict[str, Any]:
    """Something of a patient, of any type, nested at random."""
    made: dict[str, Any] = {"resourceType": chance.choice(TYPES), "id": f"{SECRET}-1"}
    for name in chance.sample(ELEMENTS, chance.randint(1, 4)):
        made[name] = value(chance, 3)
    return made


def value(chance: random.Random, depth: int) -> Any:
    kind = chance.randint(0, 4 if depth else 1)
    if kind == 0:
        return f"{SECRET} {chance.randint(0, 9999)}"
    if kind == 1:
        return {"reference": f"Patient/{SECRET}"}
    if kind == 2:
        return [value(chance, depth - 1) for _ in range(chance.randint(1, 3))]
    if kind == 3:
        return {chance.choice(ELEMENTS): value(chance, depth - 1)}
    return resource(chance)


def deliveries(part: int) -> Iterator[tuple[str, bytes]]:
    """A path and a body: alone, inside a report, for one of its elements, in a Bundle."""
    chance = random.Random(part)
    report = json.loads(body_of(summary_of()))
    for _ in range(CASES // PARTS):
        inside = resource(chance)
        way = chance.randint(0, 4)
        if way == 0:
            yield "/fhir/MeasureReport", json.dumps(inside).encode()
        elif way == 1:
            name = chance.choice(["contained", "evaluatedResource", *ELEMENTS])
            yield "/fhir/MeasureReport", json.dumps({**report, name: [inside]}).encode()
        elif way == 2:
            place = chance.choice(sorted(report))
            yield "/fhir/MeasureReport", json.dumps({**report, place: inside}).encode()
        else:
            request = {"method": "POST", "url": "MeasureReport"}
            entries = [{"resource": each, "request": request} for each in (report, inside)]
            kind = chance.choice(["transaction", "batch", "collection"])
            bundle = {"resourceType": "Bundle", "type": kind, "entry": entries}
            yield "/fhir", json.dumps(bundle).encode()


@pytest.mark.parametrize("part", sampled(range(PARTS), PARTS))
def test_are_refused_before_anything_is_stored(
    sender: Sender, caplog: pytest.LogCaptureFixture, part: int
) -> None:
    caplog.set_level("DEBUG")
    refused = 0
    for path, body in deliveries(part):
        headers = {
            "Content-Type": "application/fhir+json",
            signature.HEADER: signature.sign(body, KEYS["north"], "north-1"),
        }
        answer = sender.client.post(path, content=body, headers=headers)
        assert answer.status_code == 422, body
        assert answer.json()["resourceType"] == "OperationOutcome"
        assert SECRET not in answer.text
        refused += 1
    assert refused == CASES // PARTS
    assert SECRET not in caplog.text
    engine = sender.client.app.state.network.engine  # type: ignore[attr-defined]
    with engine.connect() as connection:
        for table in ("submission", "envelope", "group_counts"):
            assert connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() == 0
