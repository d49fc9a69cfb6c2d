"""Whatever stands on a line, it is kept whole, set aside, or known not to be wanted."""

import json
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from service.site.intake import Intake
from service.site.plan import AcquisitionPlan
from service.site.row import Row, Unasked
from service.site.verdict import Fault

INTAKE = Intake(
    AcquisitionPlan(
        {
            "Patient": frozenset({"birthDate"}),
            "Encounter": frozenset({"location", "class"}),
            "Appointment": frozenset(),
            "Location": frozenset({"name"}),
        }
    ),
    "https://ehr.example/fhir",
)
GOOD = [
    {"resourceType": "Patient", "id": "1", "birthDate": "1957-03-29", "meta": {"profile": ["p"]}},
    {
        "resourceType": "Encounter",
        "id": "e",
        "subject": {"reference": "Patient/1", "display": "Zoë Ünal"},
        "location": [{"location": {"reference": "https://ehr.example/fhir/Location/l"}}],
        "contained": [{"resourceType": "Location", "id": "in", "name": "here"}],
    },
    {
        "resourceType": "Appointment",
        "id": "a",
        "participant": [{"actor": {"reference": "Patient/1"}}],
    },
    {"resourceType": "Location", "id": "l", "name": "Ward\\t7"},
]
json_values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


def check(line: bytes) -> None:
    """The reading of a line is one of three, and what is kept can be stored."""
    for expected in ("Patient", "Encounter", "Appointment", "Location"):
        read = INTAKE.read(line, expected)
        assert isinstance(read, Row | Fault | Unasked)
        if isinstance(read, Row):
            kept = msgspec.json.decode(read.json)
            assert (kept["resourceType"], kept["id"]) == (read.type, read.id)
            columns = [read.json.decode(), read.id, read.patient or "", read.updated]
            assert not any(c in column for column in columns for c in "\t\r\n")


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A good line with some bytes lost and some put in."""
    line = json.dumps(draw(st.sampled_from(GOOD)), ensure_ascii=draw(st.booleans())).encode()
    start = draw(st.integers(0, len(line)))
    end = draw(st.integers(start, min(len(line), start + 20)))
    return line[:start] + draw(st.binary(max_size=5)) + line[end:]


@st.composite
def twisted(draw: st.DrawFn) -> dict[str, Any]:
    """A good resource with another value in place of one of its own."""
    resource = draw(st.sampled_from(GOOD))
    return {**resource, draw(st.sampled_from([*resource, "meta", "subject"])): draw(json_values)}


@given(st.binary() | damaged())
def test_damaged_lines(line: bytes) -> None:
    check(line)


@given(twisted() | json_values)
def test_resources_of_unexpected_shapes(resource: Any) -> None:
    check(json.dumps(resource).encode())


@given(st.sampled_from(GOOD), st.sampled_from([None, "\t", 2]))
def test_however_a_resource_is_laid_out_it_is_kept(
    resource: dict[str, Any], indent: str | int | None
) -> None:
    line = json.dumps(resource, indent=indent).replace("\n", " ").encode()
    assert isinstance(INTAKE.read(line, resource["resourceType"]), Row)
    check(line)


good_lines = st.sampled_from(GOOD).map(lambda resource: json.dumps(resource).encode())
other_lines = damaged().filter(lambda line: b"\n" not in line) | st.sampled_from([b"", b" \r"])


@given(
    st.lists(good_lines, min_size=1) | st.lists(good_lines | other_lines, min_size=1),
    st.sampled_from(["Patient", "Encounter", "Appointment", "Location"]),
)
def test_many_lines_at_once_are_read_as_each_by_itself(lines: list[bytes], expected: str) -> None:
    each = [INTAKE.read(line, expected) if line.strip() else None for line in lines]
    text = b"\n".join(lines)
    assert INTAKE.read_lines(text + b"\n", expected) == each
    if lines[-1]:
        assert INTAKE.read_lines(text, expected) == each
