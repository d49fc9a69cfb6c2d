"""Whatever stands on a line, it is kept whole, set aside, or known not to be wanted."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.site.columns import Columns
from service.site.intake import Intake
from service.site.plan import AcquisitionPlan
from service.site.row import Row, Unasked
from service.site.verdict import Fault
from tests.reads import one_by_one

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
    assert one_by_one(INTAKE, text + b"\n", expected) == each
    if lines[-1]:
        assert one_by_one(INTAKE, text, expected) == each


# Records as most are, but for what is drawn for one or all of them
USUAL: dict[str, dict[str, Any]] = {
    "Observation": {
        "resourceType": "Observation",
        "id": "o-1",
        "meta": {"lastUpdated": "2026-03-04T05:06:07.890+01:00", "profile": ["p"]},
        "status": "final",
        "code": {"coding": [{"system": "s", "code": "c"}]},
        "subject": {"reference": "Patient/1", "display": "Somebody"},
        "effectiveDateTime": "2025-12-31T23:59:00Z",
        "valueString": "so",
    },
    "Patient": {
        "resourceType": "Patient",
        "id": "1",
        "meta": {"lastUpdated": "2026-03-04T05:06:07.890+01:00", "profile": ["p"]},
        "active": True,
        "gender": "female",
        "birthDate": "1957-03-29",
    },
}
MANY = Intake(
    AcquisitionPlan(
        {
            "Observation": frozenset({"code", "effective", "value", "encounter", "performer"}),
            "Patient": frozenset({"birthDate", "gender", "managingOrganization"}),
            "Encounter": frozenset({"status"}),
            "Organization": frozenset({"name"}),
        }
    ),
    "https://ehr.example/fhir",
    {"old": "new"},
)
ABSENT = object()
# Deeper than is kept, in more than 1,500 letters, and in less of more bytes
DEEP = [json.loads("[" * 250 + f'"{text}"' + "]" * 250) for text in ("x" * 1500, "ü" * 600)]
OF_ANY: dict[str, list[Any]] = {
    "resourceType": ["Patient", "Observation", "Encounter", "Group", "", None, 5, ABSENT],
    "id": ["é", "", "a b", "a:b+c_d", "old", "1" * 256, "1" * 257, None, ABSENT],
    "meta": [
        *(ABSENT, None, {}, 5, {"profile": []}, {"profile": ["p", "q"]}, {"lastUpdated": None}),
        *({"lastUpdated": told, "profile": ["p"]} for told in ("soon", "1" * 41, "", None, "é", 5)),
        *({"lastUpdated": "2026", "tag": []}, {"security": []}),
        *(
            {"lastUpdated": "2026-03-04T05:06:07Z", "profile": ["p"], "tag": tag}
            for tag in ([{"code": "SUBSETTED"}], [{"code": "x"}], {}, None, 5)
        ),
        {"security": [{"code": "REDACTED"}], "profile": ["p"]},
    ],
    "contained": [[{"resourceType": "Encounter", "id": "in", "status": "finished"}], [], None],
    "modifierExtension": [[{"url": "u"}], [], None],
    "implicitRules": ["urn:r", "", None],
}
REFERENCES: list[Any] = [
    *(
        {"display": "x"},
        {"identifier": {"value": "7"}},
        {"reference": None},
        {"reference": {"reference": "Encounter/7"}},
        None,
    ),
    *(
        {"reference": reference}
        for reference in [
            *(
                "Encounter/7",
                "Encounter/",
                "Encounter/a b",
                "Encounter/é",
                "Encounter/7/_history/2",
            ),
            *("Organization/7", "Device/7", "#in", "urn:uuid:7", "7", "Encounter", "encounter/7"),
            *("https://ehr.example/fhir/Encounter/7", "https://other.example/fhir/Encounter/7"),
            *("Encounter/" + "e" * 256, "Encounter/" + "e" * 257),
        ]
    ),
]
OF_OBSERVATIONS: dict[str, list[Any]] = {
    "status": ["registered", "entered-in-error", "preliminary", "new", "", None, ABSENT],
    "code": [{}, None, "", {"text": "x"}, ABSENT],
    "subject": [
        *({"reference": "Patient/old"}, {"reference": "https://ehr.example/fhir/Patient/1"}),
        *({"reference": "Patient/1/_history/2"}, {"reference": "Group/1"}, {"reference": ""}),
        *({"reference": "Patient/é"}, {"reference": "Patient/"}, {"display": "x"}, None, ABSENT),
        {"reference": "Patient/" + "p" * 257},
        *({"reference": "Patient/1\nPatient/2"}, {"reference": "\nPatient/1"}),
        *({"reference": "XPatient/1"}, {"reference": "1"}, {"reference": "patient/1"}),
    ],
    "effectiveDateTime": ["2025", "2025-13-01", "2025-02", "2025-02-31", "soon", "", None, ABSENT],
    "effectivePeriod": [{"start": "2025-01-01", "end": "2025-01-02"}, {"end": "2025-03"}, {}, None],
    "encounter": REFERENCES,
    "performer": [
        [{"reference": reference}]
        for reference in [
            *("Patient/2", "Patient/", "Patient/a b", "Patient/x?y", "Patient/#a", "Patient/x/"),
            *("Patient/1/_history/2", "Patient/" + "p" * 257, "https://ehr.example/fhir/Patient/1"),
            *("Organization/1", "Organization/a b"),
        ]
    ]
    + [[{"reference": f"Organization/{n}"} for n in (2, 1, 2)]],
    "valueString": ["ü", "a\tb", 'a"b', "\ud800", '"reference"', "x" * 1500, "ü" * 1000, *DEEP, {}],
    "issued": ["2026-01-01", 5],
}


OF_PATIENTS: dict[str, list[Any]] = {
    "birthDate": ["1957", "1957-03", "1879-12-31", "2957-03-29", "soon", "", 1957, None, ABSENT],
    "gender": ["other", 5, None, ABSENT],
    "active": [False, None, "no", ABSENT],
    "deceasedBoolean": [True, False],
    "deceasedDateTime": ["2025-12-31T23:59:00Z", None],
    "link": [
        [{"other": {"reference": "Patient/new"}, "type": "replaced-by"}],
        [{"other": {"reference": "RelatedPerson/7"}, "type": "seealso"}],
        *([], None, "new"),
    ],
    "managingOrganization": [*REFERENCES, {"reference": "Patient/1"}],
}
OTHERWISE = {"Observation": OF_ANY | OF_OBSERVATIONS, "Patient": OF_ANY | OF_PATIENTS}


def usual(name: str, count: int) -> list[dict[str, Any]]:
    """Records as most are."""
    return [{**USUAL[name], "id": f"o-{n}"} for n in range(count)]


@st.composite
def neighbours(draw: st.DrawFn, name: str) -> list[bytes]:
    """Those that have something in common, or one of which has what the others have not."""
    many = usual(name, draw(st.integers(1, 4)))
    for _ in range(draw(st.integers(0, 3))):
        element = draw(st.sampled_from(sorted(OTHERWISE[name])))
        value = draw(st.sampled_from(OTHERWISE[name][element]))
        for each in draw(st.sampled_from([many, many[:1], many[-1:]])):
            each[element] = value
    return written(many, ascii=draw(st.booleans()), compact=draw(st.booleans()))


def written(
    many: list[dict[str, Any]], *, ascii: bool = False, compact: bool = False
) -> list[bytes]:
    """The lines of some records, without what is absent."""
    lines = [{name: value for name, value in each.items() if value is not ABSENT} for each in many]
    between = (",", ":") if compact else None
    texts = [json.dumps(each, ensure_ascii=ascii, separators=between) for each in lines]
    return [text.encode("utf-8", "replace") for text in texts]


def check_together(lines: list[bytes], name: str = "Observation") -> None:
    """They are read together as each is by itself."""
    each = [MANY.read(line, name) if line.strip() else None for line in lines]
    assert one_by_one(MANY, b"\n".join(lines) + b"\n", name) == each


@pytest.mark.parametrize(
    ("name", "element"), [(name, element) for name in OTHERWISE for element in OTHERWISE[name]]
)
@pytest.mark.parametrize(
    "among", [slice(0, 1), slice(1, 2), slice(3)], ids=["first", "last", "all"]
)
def test_whatever_some_have_otherwise_each_is_read_as_by_itself(
    name: str, element: str, among: slice
) -> None:
    for value in OTHERWISE[name][element]:
        many = usual(name, 2)
        for each in many[among]:
            each[element] = value
        check_together(written(many), name)
        check_together(written(many, compact=True), name)


@settings(max_examples=500)
@given(neighbours("Observation"))
def test_observations_are_read_column_by_column_as_each_by_itself(lines: list[bytes]) -> None:
    check_together(lines)


@settings(max_examples=500)
@given(neighbours("Patient"))
def test_patients_are_read_column_by_column_as_each_by_itself(lines: list[bytes]) -> None:
    check_together(lines, "Patient")


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"encounter": {"reference": "Encounter/7"}},
        {"encounter": {"reference": "Device/7"}},
        {"performer": [{"reference": "Patient/1"}, {"reference": "Organization/1"}]},
    ],
)
def test_observations_as_most_are_are_read_column_by_column(more: dict[str, Any]) -> None:
    lines = written([each | more for each in usual("Observation", 2)], compact=True)
    assert isinstance(MANY.read_lines(b"\n".join(lines), "Observation"), Columns)


@pytest.mark.parametrize("more", [{}, {"managingOrganization": {"reference": "Organization/1"}}])
def test_patients_as_most_are_are_read_column_by_column(more: dict[str, Any]) -> None:
    lines = written([each | more for each in usual("Patient", 2)], compact=True)
    assert isinstance(MANY.read_lines(b"\n".join(lines), "Patient"), Columns)


@given(st.data(), st.sampled_from(["", "\n", "\r\n", "\n\n", " \n ", "\n{", "}\n"]))
def test_lines_are_no_records_unless_each_holds_one(data: st.DataObject, put: str) -> None:
    """Neither two records on a line nor one that is broken over two makes up for the other."""
    lines = written(usual("Observation", 3), compact=data.draw(st.booleans()))
    text = b"\n".join(lines)
    for _ in range(data.draw(st.integers(1, 2))):
        at = data.draw(st.integers(0, len(text)))
        text = text[:at] + put.encode() + text[at:]
    ends = [n for n, letter in enumerate(text) if letter == ord("\n")]
    for at in sorted(data.draw(st.sets(st.sampled_from(ends), max_size=2)), reverse=True):
        text = text[:at] + text[at + 1 :]
    check_together(text.split(b"\n"))


def test_two_records_on_a_line_do_not_make_up_for_one_on_two() -> None:
    one, two, three = written(usual("Observation", 3))
    for broken in (three.replace(b'"code": {', b'"code":\n{'), three.replace(b"{", b"{\n", 1)):
        check_together([one + two, *broken.split(b"\n")])
    check_together([one + two, b"", three])
