"""SMART scopes: asked for sparingly, and read carefully."""

import pytest

from service.fhir.scopes import refused_types, scopes_for

TYPES = {"Patient", "Observation"}


def test_each_type_is_asked_for_by_itself_in_the_servers_own_syntax() -> None:
    assert scopes_for(TYPES, version_2=True) == ("system/Observation.rs", "system/Patient.rs")
    assert scopes_for(TYPES, version_2=False) == ("system/Observation.read", "system/Patient.read")


@pytest.mark.parametrize(
    ("granted", "refused"),
    [
        ("system/*.read", set()),
        ("system/*.*", set()),
        ("system/*.cruds", set()),
        ("system/Patient.rs system/Observation.read", set()),
        ("openid system/Patient.rs fhirUser", {"Observation"}),
        ("system/Patient.r system/Observation.rs", {"Patient"}),  # read, but not search
        ("system/Patient.write system/Observation.cud", TYPES),
        ("user/*.read patient/Patient.read", TYPES),  # somebody else's scopes
        ("system/Patient.rs system/Observation.rs?category=laboratory", {"Observation"}),
        ("system/Patient.rs system/ObservationX.rs", {"Observation"}),
        ("", TYPES),
    ],
)
def test_what_is_not_granted_in_full_is_refused(granted: str, refused: set[str]) -> None:
    assert refused_types(TYPES, granted) == refused


def test_to_create_is_asked_for_where_reports_are_sent() -> None:
    assert scopes_for(["MeasureReport"], version_2=True, creates=True) == (
        "system/MeasureReport.crs",
    )
    assert scopes_for(["MeasureReport"], version_2=False, creates=True) == (
        "system/MeasureReport.read",
        "system/MeasureReport.write",
    )
