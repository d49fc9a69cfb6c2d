"""One line of an export: what is kept of it, whose it is, and what makes it unusable."""

import json
from typing import Any

import pytest

from service.errors import ConfigError
from service.site.intake import Intake
from service.site.plan import AcquisitionPlan, merge
from service.site.row import Row, Unasked
from service.site.verdict import Fault
from tests.reads import one_by_one

BASE = "https://ehr.example/fhir"
PLAN = AcquisitionPlan(
    {
        "Patient": frozenset({"birthDate"}),
        "Observation": frozenset({"code", "value"}),
        "Encounter": frozenset({"location"}),
        "Appointment": frozenset(),
        "Location": frozenset(),
        "Device": frozenset(),
    }
)
INTAKE = Intake(PLAN, BASE)
OF_ONE = b'{"resourceType":"Observation","id":"o","subject":{"reference":"Patient/1"},'


def read(resource: dict[str, Any] | bytes, expected: str = "Observation") -> Any:
    """What becomes of a line."""
    line = resource if isinstance(resource, bytes) else json.dumps(resource).encode()
    return INTAKE.read(line, expected)


def observation(**elements: Any) -> dict[str, Any]:
    """An Observation of patient 1."""
    subject = {"reference": "Patient/1"}
    return {"resourceType": "Observation", "id": "o", "subject": subject, **elements}


def kept(resource: dict[str, Any], expected: str = "Observation") -> dict[str, Any]:
    """The resource as it is stored."""
    row = read(resource, expected)
    assert isinstance(row, Row), row
    decoded: dict[str, Any] = json.loads(row.json)
    return decoded


# What is kept


def test_only_what_the_plan_names_is_kept() -> None:
    given = observation(
        code={"text": "pulse"},
        valueInteger=72,
        note=[{"text": "asked for his wife"}],
        performer=[{"display": "Dr Who"}],
        text={"div": "<div>a person</div>"},
        extension=[{"url": "u", "valueString": "x"}],
    )
    assert set(kept(given)) == {
        *("resourceType", "id", "subject"),
        *("code", "valueInteger"),
    }


def test_what_could_turn_the_meaning_round_is_always_kept() -> None:
    given = observation(
        status="entered-in-error",
        modifierExtension=[{"url": "urn:not", "valueBoolean": True}],
        implicitRules="urn:rules",
        meta={"profile": ["urn:p"], "tag": [{"code": "t"}], "lastUpdated": "2026-01-01T00:00:00Z"},
    )
    stored = kept(given)
    assert stored["status"] == "entered-in-error"
    assert stored["modifierExtension"] and stored["implicitRules"]
    assert stored["meta"] == {"profile": ["urn:p"]}


def test_a_choice_is_kept_in_whatever_type_it_comes() -> None:
    for name, value in {"valueQuantity": {"value": 1}, "valueString": "x"}.items():
        assert kept(observation(**{name: value}))[name] == value


def test_extensions_of_primitives_are_kept_with_them() -> None:
    patient = {"resourceType": "Patient", "id": "1", "_birthDate": {"extension": [{"url": "u"}]}}
    assert kept(patient, "Patient")["_birthDate"]


def test_decimals_keep_their_digits() -> None:
    for digits in (b"72.50", b"1e400", b"1" * 30, b"0." + b"1" * 5000):
        row = read(OF_ONE + b'"valueQuantity":{"value":' + digits + b"}}")
        assert digits in row.json


def test_contained_resources_are_kept_if_their_type_is_wanted() -> None:
    contained = [
        {"resourceType": "Practitioner", "id": "p", "name": [{"family": "Who"}]},
        {"resourceType": "Location", "id": "l", "name": "Ward", "status": "active"},
    ]
    stored = kept(observation(contained=contained))
    assert stored["contained"] == [{"resourceType": "Location", "id": "l", "status": "active"}]


def test_all_elements_means_all_but_the_narrative() -> None:
    intake = Intake(AcquisitionPlan({"Observation": frozenset({"*"})}), BASE)
    line = json.dumps(observation(note=[{"text": "n"}], text={"div": "d"})).encode()
    row = intake.read(line, "Observation")
    assert isinstance(row, Row) and b"note" in row.json and b"div" not in row.json


# Whose it is


@pytest.mark.parametrize(
    "reference", ["Patient/1", "Patient/1/_history/3", f"{BASE}/Patient/1"], ids=str
)
def test_the_subject_is_stored_in_its_plain_form_and_without_a_name(reference: str) -> None:
    given = observation(subject={"reference": reference, "display": "Mary Contrary"})
    assert read(given).patient == "1"
    assert kept(given)["subject"] == {"reference": "Patient/1"}


def test_a_patient_is_their_own() -> None:
    assert read({"resourceType": "Patient", "id": "1"}, "Patient").patient == "1"


def test_an_appointment_is_of_the_patient_among_its_participants() -> None:
    actors = [{"actor": {"reference": ref}} for ref in ("Practitioner/9", "Patient/1")]
    given = {"resourceType": "Appointment", "id": "a", "participant": actors}
    assert read(given, "Appointment").patient == "1"


def test_a_record_of_two_patients_is_in_doubt() -> None:
    """It is stored as the first one's, and the other one lacks it."""
    seen = [{"actor": {"reference": f"Patient/{id}"}} for id in ("1", "2", "1")]
    given = {"resourceType": "Appointment", "id": "a", "participant": seen, "status": "booked"}
    assert (read(given, "Appointment").patient, read(given, "Appointment").doubt) == (
        "1",
        Fault.NOT_UNDERSTOOD,
    )
    assert read({**given, "participant": seen[::2]}, "Appointment").doubt is None
    merged = Intake(PLAN, BASE, {"2": "1"})
    row = merged.read(json.dumps(given).encode(), "Appointment")
    assert isinstance(row, Row) and row.doubt is None


def test_a_location_is_nobodys_and_a_device_only_somebodys_if_it_says_so() -> None:
    assert read({"resourceType": "Location", "id": "l"}, "Location").patient is None
    device = {"resourceType": "Device", "id": "d"}
    assert read(device, "Device").patient is None
    assert read({**device, "patient": {"reference": "Patient/1"}}, "Device").patient == "1"


@pytest.mark.parametrize(
    "subject",
    [
        None,
        {"display": "Mary Contrary"},
        {"identifier": {"value": "MRN-1"}},
        {"reference": "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"},
        {"reference": "https://elsewhere.example/fhir/Patient/1"},
    ],
    ids=str,
)
def test_a_record_whose_patient_cannot_be_told_is_a_fault(subject: object) -> None:
    given = observation()
    given.pop("subject")
    if subject is not None:
        given["subject"] = subject
    assert read(given) is Fault.UNKNOWN_PATIENT


@pytest.mark.parametrize("subject", ["Patients/1", "PATIENT/1", "Foo/1"])
def test_a_record_of_what_fhir_does_not_have_is_a_fault(subject: str) -> None:
    assert read(observation(subject={"reference": subject})) is Fault.UNKNOWN_PATIENT


def test_a_record_of_a_group_or_a_place_is_no_fault_and_not_kept() -> None:
    assert read(observation(subject={"reference": "Location/1"})) is Unasked.UNASKED


def test_a_plan_for_what_cannot_be_told_to_be_a_patients_is_refused() -> None:
    with pytest.raises(ConfigError, match="AuditEvent"):
        Intake(AcquisitionPlan({"AuditEvent": frozenset()}), BASE)


# What it refers to

ENCOUNTER = {"resourceType": "Encounter", "id": "e", "subject": {"reference": "Patient/1"}}
LOCATIONS = [
    {"location": {"reference": f"{BASE}/Location/7"}},
    {"location": {"reference": "Location/8", "display": "Ward"}},
    {"location": {"reference": "#inside"}},
]


def test_references_to_the_plans_types_are_found_wherever_they_stand() -> None:
    row = read({**ENCOUNTER, "location": LOCATIONS}, "Encounter")
    assert row.references == {("Location", "7"), ("Location", "8")}
    assert BASE.encode() not in row.json  # so that references and ids meet


def test_a_reference_to_another_server_is_one_that_nothing_here_resolves() -> None:
    location = {"location": {"reference": "https://other.example/fhir/Location/7"}}
    row = read({**ENCOUNTER, "location": [location]}, "Encounter")
    assert row.references == {("Location", "https://other.example/fhir/7")}


def test_a_reference_to_the_same_bundle_is_one_that_nothing_resolves() -> None:
    location = {"location": {"reference": "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"}}
    row = read({**ENCOUNTER, "location": [location]}, "Encounter")
    assert row.references == {("Resource", "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0")}


@pytest.mark.parametrize("many", [False, True])
def test_slashes_may_be_escaped(many: bool) -> None:
    """As JSON allows, and as PHP writes them."""
    escaped = json.dumps({**ENCOUNTER, "location": LOCATIONS, "status": "\\/"}).replace("/", "\\/")
    if many:
        [row] = one_by_one(INTAKE, escaped.encode(), "Encounter")
    else:
        row = read(escaped.encode(), "Encounter")
    assert isinstance(row, Row) and row.patient == "1"
    assert row.references == {("Location", "7"), ("Location", "8")}
    assert json.loads(row.json)["status"] == "\\/"
    plain = read({**ENCOUNTER, "location": LOCATIONS, "status": "\\/"}, "Encounter")
    assert json.loads(row.json) == json.loads(plain.json)


# What makes it unusable


@pytest.mark.parametrize(
    "line",
    [
        b'{"resourceType":"Observation","id":"o","subject":{"reference":"Pat',
        b"not json",
        b"[]",
        b"null",
        b'"Observation"',
        b"\xff\xfe{}",
        b'{"resourceType":"Observation","id":"\xe9"}',
        b'{"resourceType":"Observation","subject":{"reference":"Patient/1"}}',
        b'{"resourceType":"Observation","id":7,"subject":{"reference":"Patient/1"}}',
        b'{"resourceType":"Observation","id":"a\\tb","subject":{"reference":"Patient/1"}}',
        b'{"resourceType":"Observation","id":"o","subject":' + b"[" * 100_000,
        OF_ONE + b'"valueQuantity":' + b"[" * 800 + b"]" * 800 + b"}",
        OF_ONE + b'"valueInteger":' + b"1" * 5000 + b"}",
    ],
    ids=lambda line: repr(line[:40]),
)
def test_a_line_that_is_no_resource_is_a_fault(line: bytes) -> None:
    assert read(line) is Fault.UNREADABLE


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        (r"cut \ud83d", "cut \ufffd"),
        (r"\uDe00 cut", "\ufffd cut"),
        (r"\ud83d\ude00 \ud83d", "\U0001f600 \ufffd"),
        (r"\\ud83d \ude00", "\\ud83d \ufffd"),
    ],
)
@pytest.mark.parametrize("many", [False, True])
def test_a_text_that_was_cut_in_the_middle_of_a_character_is_read(
    written: str, stored: str, many: bool
) -> None:
    line = OF_ONE + b'"valueString":"' + written.encode() + b'"}'
    if many:
        [row] = one_by_one(INTAKE, line + b"\n", "Observation")
    else:
        row = read(line)
    assert isinstance(row, Row), row
    assert json.loads(row.json)["valueString"] == stored


def test_a_type_that_r4_does_not_have_is_a_fault() -> None:
    assert read({"resourceType": "Wish", "id": "w"}) is Fault.UNKNOWN_TYPE


def test_a_type_that_was_not_asked_for_is_in_the_wrong_file() -> None:
    """A Bundle in the place of a record holds records that nobody has seen."""
    for name in ("Claim", "Bundle"):
        assert read({"resourceType": name, "id": "c"}) is Fault.MISPLACED


def test_another_type_of_the_plan_is_read_as_what_it_is() -> None:
    assert read({"resourceType": "Location", "id": "l"}, "Observation").type == "Location"


@pytest.mark.parametrize(
    ("severity", "result"),
    [("information", Unasked.UNASKED), ("warning", Fault.OUTCOME_AMONG_RECORDS), ("?", None)],
)
def test_an_outcome_among_the_records_is_a_fault_unless_it_is_harmless(
    severity: str, result: object
) -> None:
    given = {"resourceType": "OperationOutcome", "issue": [{"severity": severity}]}
    assert read(given) is (result or Fault.OUTCOME_AMONG_RECORDS)


@pytest.mark.parametrize("born", [None, "", "the fifties", "57", 1957, "0001-01-01", "2957-03-29"])
def test_a_patient_without_a_birth_date_is_kept_and_known(born: object) -> None:
    given = {"resourceType": "Patient", "id": "1"} | ({"birthDate": born} if born else {})
    row = read(given, "Patient")
    assert isinstance(row, Row) and row.doubt is Fault.NO_BIRTH_DATE
    for fine in ("1957", "1957-03", "1957-03-29"):
        assert read({**given, "birthDate": fine}, "Patient").doubt is None


def test_a_birth_date_that_no_measure_reads_is_not_missed() -> None:
    intake = Intake(AcquisitionPlan({}), BASE)
    row = intake.read(b'{"resourceType":"Patient","id":"1"}', "Patient")
    assert isinstance(row, Row) and row.doubt is None


# What FHIR demands: without it a record would count for nothing, and nobody would know

WHOLE = {
    "MedicationRequest": {
        **{"status": "active", "intent": "order"},
        "medicationReference": {"reference": "Medication/m"},
    },
    "Encounter": {"status": "finished", "class": {"code": "IMP"}},
    "Location": {},
}
DEMANDING = Intake(
    AcquisitionPlan(
        {
            "MedicationRequest": frozenset({"medication"}),
            "Encounter": frozenset({"class"}),
            "Location": frozenset(),
        }
    ),
    BASE,
)


def doubt(type_name: str, **other: Any) -> Fault | None:
    """What is doubted of a record that is whole but for these elements."""
    told = {"resourceType": type_name, "id": "1", "subject": {"reference": "Patient/1"}}
    given = {**told, **WHOLE[type_name], **other}
    line = json.dumps({name: value for name, value in given.items() if value != "gone"}).encode()
    row = DEMANDING.read(line, type_name)
    assert isinstance(row, Row), row
    assert one_by_one(DEMANDING, line, type_name) == [row]
    return row.doubt


@pytest.mark.parametrize("type_name", WHOLE)
def test_a_record_that_has_it_is_in_no_doubt(type_name: str) -> None:
    assert doubt(type_name) is None


@pytest.mark.parametrize("status", ["gone", None, "", "Finished", "done", "fin ished"])
def test_a_status_that_is_missing_or_none_of_its_codes_is_doubted(status: str | None) -> None:
    assert doubt("Encounter", status=status) is Fault.NOT_UNDERSTOOD


def test_what_need_not_be_there_may_be_missing_and_not_be_anything() -> None:
    assert doubt("Location", status="active") is None
    assert doubt("Location", status="torn down") is Fault.NOT_UNDERSTOOD


@pytest.mark.parametrize("empty", ["gone", None, {}, [], ""])
def test_an_element_that_must_be_there_and_is_not_is_doubted(empty: object) -> None:
    assert doubt("Encounter", **{"class": empty}) is Fault.NOT_UNDERSTOOD
    assert doubt("MedicationRequest", medicationReference=empty) is Fault.NOT_UNDERSTOOD


def test_a_choice_is_there_in_whatever_type_it_comes() -> None:
    given = {"medicationReference": "gone", "medicationCodeableConcept": {"text": "a drug"}}
    assert doubt("MedicationRequest", **given) is None


@pytest.mark.parametrize("told", [{"display": "a drug"}, {"identifier": {"value": "4711"}}])
def test_a_medication_that_is_named_and_not_referred_to_is_not_there(told: object) -> None:
    assert doubt("MedicationRequest", medicationReference=told) is Fault.NOT_UNDERSTOOD


def test_of_a_type_that_is_kept_whole_all_is_demanded() -> None:
    intake = Intake(AcquisitionPlan({"Encounter": frozenset({"*"})}), BASE)
    row = intake.read(json.dumps({**ENCOUNTER, "status": "finished"}).encode(), "Encounter")
    assert isinstance(row, Row) and row.doubt is Fault.NOT_UNDERSTOOD  # of no class


@pytest.mark.parametrize(
    "strange",
    [
        {"modifierExtension": [{"url": "urn:not", "valueBoolean": True}]},
        {"implicitRules": "urn:rules"},
        {"meta": {"security": [{"code": "REDACTED"}], "lastUpdated": "2026-01-01T00:00:00Z"}},
    ],
    ids=str,
)
def test_what_says_that_it_is_not_what_it_seems_is_doubted(strange: dict[str, Any]) -> None:
    assert doubt("Encounter", **strange) is Fault.NOT_UNDERSTOOD


def test_a_record_that_is_not_all_there_is_of_it_is_doubted_unless_that_was_asked_for() -> None:
    system = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue"
    tagged = {"tag": [{"system": system, "code": "SUBSETTED"}], "profile": ["urn:p"]}
    assert doubt("Encounter", meta=tagged) is Fault.NOT_UNDERSTOOD
    assert doubt("Encounter", meta={"tag": [{"code": "teaching"}]}) is None
    asked = Intake(PLAN, BASE, subsets=True)
    line = json.dumps({**ENCOUNTER, "status": "finished", "meta": tagged}).encode()
    [row] = one_by_one(asked, line, "Encounter")
    assert isinstance(row, Row) and row.doubt is None
    assert json.loads(row.json)["meta"] == {"profile": ["urn:p"]}


def test_labels_and_empty_modifiers_are_no_reason_for_doubt() -> None:
    labels = {"security": [{"code": "R"}]}
    for harmless in ({"meta": labels}, {"meta": {**labels, "profile": ["urn:p"]}}):
        assert doubt("Encounter", **harmless) is None
    assert doubt("Encounter", modifierExtension=[]) is None


def place(reference: object) -> dict[str, Any]:
    """What an Encounter says of where it was."""
    return {"location": [{"location": {"reference": reference}}]}


@pytest.mark.parametrize(
    "reference",
    ["Location/7/", "Location/7 ", "Location/7?x=1", "Location/7#x", "", "Location?name=7", "7"],
)
def test_a_reference_of_no_known_form_is_doubted(reference: str) -> None:
    """It leads nowhere in the logic of a measure, and is none that could be looked up."""
    given = {**ENCOUNTER, "status": "finished", **place(reference)}
    assert read(given, "Encounter").doubt is Fault.NOT_UNDERSTOOD
    assert read({**given, **place("Location/7")}, "Encounter").doubt is None
    assert read({**given, **place(None)}, "Encounter").doubt is None


@pytest.mark.parametrize(
    "said", [{"identifier": {"value": "7"}}, {"display": "Ward 7"}, {"display": "x", "type": "y"}]
)
def test_a_place_that_is_told_by_name_alone_is_doubted(said: dict[str, Any]) -> None:
    """A measure that looks at its type would not find it."""
    given = {**ENCOUNTER, "status": "finished"}
    told = {"location": [{"location": {"reference": "Location/7"}}, {"location": said}]}
    assert read({**given, **told}, "Encounter").doubt is Fault.LEADS_NOWHERE
    named = {"location": [{"location": {**said, "reference": "Location/7"}}]}
    assert read({**given, **named}, "Encounter").doubt is None


def test_what_leads_to_no_type_that_a_measure_needs_may_have_a_name_alone() -> None:
    to = {"hospitalization": {"destination": {"display": "home"}}}
    assert doubt("Encounter", **to) is None
    elements = {"Encounter": frozenset({"hospitalization", "location"})}
    alone = Intake(AcquisitionPlan({"Patient": frozenset(), **elements}), BASE)
    line = json.dumps({**ENCOUNTER, "status": "finished", **to, **place(None)}).encode()
    line = line.replace(b'{"reference": null}', b'{"display": "Ward 7"}')
    [row] = one_by_one(alone, line, "Encounter")
    assert isinstance(row, Row) and row.doubt is None


def test_a_reference_to_a_version_is_one_to_the_resource() -> None:
    given = {**ENCOUNTER, "status": "finished", **place(f"{BASE}/Location/7/_history/2")}
    row = read(given, "Encounter")
    assert row.references == {("Location", "7")} and b"_history" not in row.json


def test_what_is_contained_and_referred_to_becomes_a_resource_of_its_own() -> None:
    """So that logic, which follows references, is led to it."""
    ward = {"resourceType": "Location", "id": "w", "status": "active", "name": "not kept"}
    bed = {"resourceType": "Location", "id": "b", "partOf": {"reference": "#w"}}
    given = {**ENCOUNTER, "status": "finished", **place("#b"), "contained": [ward, bed]}
    row = read(given, "Encounter")
    id = f"Encounter~{given['id']}"
    assert (row.doubt, row.references) == (None, {("Location", f"{id}~b")})
    parts = {part.id: json.loads(part.json) for part in row.parts}
    assert parts.keys() == {f"{id}~w", f"{id}~b"}
    assert all((part.type, part.patient) == ("Location", None) for part in row.parts)
    assert parts[f"{id}~w"] == {"resourceType": "Location", "id": f"{id}~w", "status": "active"}


@pytest.mark.parametrize("of", [{"display": "x"}, {"reference": "Group/9"}, {"identifier": {}}])
def test_whose_a_contained_device_is_its_holder_tells(of: dict[str, Any]) -> None:
    intake = Intake(AcquisitionPlan({**PLAN.elements, "Observation": frozenset({"device"})}), BASE)
    device = {"resourceType": "Device", "id": "d", "patient": of}
    given = observation(status="final", device={"reference": "#d"}, contained=[device])
    told = given | {"meta": {"lastUpdated": "2026-05-01T00:00:00Z"}}
    [row] = one_by_one(intake, json.dumps(told).encode(), "Observation")
    assert isinstance(row, Row) and row.doubt is None
    [part] = row.parts
    assert (part.patient, part.updated) == (None, row.updated)


@pytest.mark.parametrize("inner", [{"id": "x"}, None, 5])
def test_an_odd_thing_in_what_is_contained_costs_that_record_alone(inner: Any) -> None:
    within = [{"resourceType": "Location", "id": "l", "status": "active", "contained": [inner]}]
    odd = {**ENCOUNTER, "status": "finished", **place("#l"), "contained": within}
    lines = [odd, {**ENCOUNTER, "status": "finished", "id": "fine"}]
    text = b"\n".join(json.dumps(each).encode() for each in lines)
    first, second = one_by_one(INTAKE, text, "Encounter")
    assert first is Fault.UNREADABLE or (isinstance(first, Row) and first.doubt)
    assert isinstance(second, Row)


@pytest.mark.parametrize("id", ['e"1', "r\\1", "é"])
def test_what_has_an_id_that_is_none_of_fhirs_is_not_lifted_out(id: str) -> None:
    within = [{"resourceType": "Location", "id": "l", "status": "active"}]
    given = {**ENCOUNTER, "id": id, "status": "finished", **place("#l"), "contained": within}
    [row] = one_by_one(INTAKE, json.dumps(given).encode(), "Encounter")
    assert isinstance(row, Row) and row.doubt is Fault.NOT_UNDERSTOOD


def test_what_is_contained_and_no_measure_needs_may_be_referred_to() -> None:
    intake = Intake(
        AcquisitionPlan({**PLAN.elements, "Observation": frozenset({"performer", "device"})}), BASE
    )
    within = [{"resourceType": "Practitioner", "id": "p"}, {"resourceType": "Device", "id": "d"}]
    refers = {"performer": [{"reference": "#p"}], "device": {"reference": "#d"}}
    given = observation(status="final", code={"text": "x"}, contained=within, **refers)
    row = intake.read(json.dumps(given).encode(), "Observation")
    assert isinstance(row, Row) and row.doubt is None
    drug = {"resourceType": "Medication", "id": "m"}
    chosen = {"medicationReference": {"identifier": {"value": "x"}, "reference": "#m"}}
    assert doubt("MedicationRequest", contained=[drug], **chosen) is Fault.NOT_UNDERSTOOD


def test_what_is_contained_and_cannot_be_lifted_out_is_doubted() -> None:
    """No logic is led to it; and a contained Observation is none of the patient's."""
    given = {**ENCOUNTER, "status": "finished", **place("#l")}
    for within in (
        [{"resourceType": "Location", "id": "other"}],
        [{"resourceType": "Location", "id": "l", "implicitRules": "urn:rules"}],
        [{"resourceType": "Location", "id": "l", "name": "x"}, {**observation(), "id": "l"}],
        [{**observation(), "id": "l"}],
    ):
        row = read({**given, "contained": within}, "Encounter")
        assert row.doubt is Fault.NOT_UNDERSTOOD, within
    drug = {"medicationReference": {"reference": "#m"}}
    assert doubt("MedicationRequest", **drug) is Fault.NOT_UNDERSTOOD


@pytest.mark.parametrize(
    ("type_name", "element", "done", "doubtful"),
    [
        ("Procedure", "notDone", [False, None], [True]),
        ("Procedure", "notPerformed", [False], [True, "yes"]),
        ("Immunization", "wasNotGiven", [False], [True]),
        ("MedicationStatement", "taken", ["y"], ["n", "unk", "na"]),
    ],
)
def test_what_earlier_versions_of_fhir_say_is_not_passed_over(
    type_name: str, element: str, done: list[Any], doubtful: list[Any]
) -> None:
    """Completed, and not done: as a server writes that calls itself R4."""
    plan = AcquisitionPlan({"Patient": frozenset(), type_name: frozenset({"status"})})
    owner = {"patient" if type_name == "Immunization" else "subject": {"reference": "Patient/1"}}
    given = {"resourceType": type_name, "id": "p", "status": "completed", **owner}
    for value in (*done, *doubtful):
        row = Intake(plan, BASE).read(json.dumps({**given, element: value}).encode(), type_name)
        doubt = Fault.NOT_UNDERSTOOD if value in doubtful else None
        assert isinstance(row, Row) and row.doubt is doubt, value


def test_null_is_as_good_as_nothing() -> None:
    given = observation(status="final", contained=None, code={"text": "pulse"})
    row = read({**given, "meta": {"profile": None, "lastUpdated": None}})
    assert isinstance(row, Row) and row.doubt is None and row.updated == ""


def test_what_no_measure_reads_is_not_missed() -> None:
    assert read({**ENCOUNTER, "status": "finished"}, "Encounter").doubt is None  # of no class


# Plans


def test_plans_of_several_measures_become_one() -> None:
    first = AcquisitionPlan({"Encounter": frozenset({"period"})})
    second = AcquisitionPlan({"Encounter": frozenset({"class"}), "Condition": frozenset({"code"})})
    both = merge([first, second])
    assert both.types == {"Patient", "Encounter", "Condition"}
    assert both.elements["Encounter"] == {"period", "class"}
    assert both.without(["Condition"]).types == {"Patient", "Encounter"}
