"""References as servers write them, and whose record a resource is."""

import pytest

from service.fhir.compartment import patient_link
from service.fhir.reference import parse_reference

BASE = "https://ehr.example/fhir"


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("Patient/1", ("Patient", "1")),
        ("Patient/1/_history/7", ("Patient", "1")),
        (f"{BASE}/Patient/1", ("Patient", "1")),
        (f"{BASE}/Patient/1/_history/7", ("Patient", "1")),
        ("Location/a.b-C_9", ("Location", "a.b-C_9")),
        ("https://elsewhere.example/fhir/Patient/1", None),
        ("#contained", None),
        ("urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0", None),
        ("Patient?identifier=1", None),
        ("Patient/", None),
        ("Patient/a\x00b", None),
        ("", None),
    ],
)
def test_a_literal_reference_names_a_type_and_an_id(
    text: str, target: tuple[str, str] | None
) -> None:
    assert parse_reference(text, BASE) == target


@pytest.mark.parametrize(
    ("type_name", "link"),
    [
        ("Observation", "subject"),
        ("Immunization", "patient"),
        ("Coverage", "beneficiary"),
        ("Task", "for"),
        ("Appointment", "participant.actor"),
        ("Account", "subject"),
        ("Patient", None),
        ("Location", None),
        ("Measure", None),  # its subject is a kind of thing, not a person
    ],
)
def test_a_record_is_its_subjects(type_name: str, link: str | None) -> None:
    assert patient_link(type_name) == link
