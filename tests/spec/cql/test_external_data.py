"""11. External Data: retrieves by type, profile and code."""

from typing import Any

import pytest

from service.cql.record import PatientRecord
from service.cql.values import Code
from service.errors import CompileError, EvaluationError
from tests.spec.cql.logic import (
    NOW,
    YEAR,
    compile_elm,
    compiled,
    concept,
    define,
    elm,
    evaluate,
    patient,
    value_set,
    x,
)

FEVER = value_set("urn:fever", "f1", "f2")
DECLARED = "valueset Fever: 'urn:fever' codesystem C: 'urn:codes' code Cough: 'c' from C\n"


def condition(name: str, code: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"resourceType": "Condition", "id": name, "code": code, **more}


RECORD = [
    condition("a", concept("f1")),
    condition("b", concept("c")),
    condition("c", concept("zzz", "f2")),
    condition("d", concept("f1", system="urn:other")),
    condition("e", {"text": "fever"}),
]


def ids(resources: list[Any]) -> list[str]:
    return [resource.json["id"] for resource in resources]


def conditions(retrieve: str) -> list[str]:
    body = f"{DECLARED} context Patient define X: {retrieve}"
    return ids(evaluate(body, *RECORD, value_sets=[FEVER]))


# By code


def test_a_retrieve_gives_the_resources_of_its_type_in_the_order_of_the_record() -> None:
    assert conditions("[Condition]") == ["a", "b", "c", "d", "e"]


def test_of_a_type_that_the_record_has_not_it_gives_an_empty_list() -> None:
    assert x("[Procedure]") == []


def test_a_value_set_takes_codes_by_system_and_code() -> None:
    assert conditions("[Condition: Fever]") == ["a", "c"]


def test_a_code_takes_its_own() -> None:
    assert conditions("[Condition: Cough]") == ["b"]


def test_codes_may_be_listed() -> None:
    listed = "[Condition: code in { Cough, Code { system: 'urn:other', code: 'f1' } }]"
    assert conditions(listed) == ["b", "d"]


def test_another_element_may_be_asked_for() -> None:
    body = "codesystem C: 'urn:codes' code Main: 'm' from C context Patient "
    record = [condition("a", concept("x"), category=[concept("y"), concept("m")])]
    assert ids(evaluate(f"{body} define X: [Condition: category in {{ Main }}]", *record)) == ["a"]


def test_an_element_that_is_a_choice_is_coded_where_it_holds_codes() -> None:
    body = f"{DECLARED} context Patient define X: [MedicationRequest: Fever]"

    def requested(name: str, **medication: Any) -> dict[str, Any]:
        return {"resourceType": "MedicationRequest", "id": name, **medication}

    record = [
        requested("a", medicationCodeableConcept=concept("f1")),
        requested("b", medicationReference={"reference": "Medication/m"}),
        requested("c", medicationReference={"reference": "Medication/other"}),
        {"resourceType": "Medication", "id": "m", "code": concept("f2")},
    ]
    # The translator adds those that refer to a Medication with such a code.
    assert ids(evaluate(body, *record, value_sets=[FEVER])) == ["a", "b"]


def test_an_element_without_codes_cannot_be_filtered() -> None:
    retrieve = {
        "type": "Retrieve",
        "dataType": "{http://hl7.org/fhir}Condition",
        "codeProperty": "recordedDate",
        "codes": {"type": "List", "element": []},
    }
    with pytest.raises(CompileError, match="has no codes at 'recordedDate'"):
        compile_elm(elm(define("X", retrieve)))


def test_resources_that_share_an_id_are_all_there() -> None:
    twice = [condition("a", concept("f1")), condition("a", concept("f2"))]
    assert ids(x("[Condition]", *twice)) == ["a", "a"]


# Value sets


def compiled_with(*value_sets: dict[str, Any], definition: str = "[Condition: Fever]") -> None:
    compiled(f"{DECLARED} context Patient define X: {definition}", value_sets=value_sets)


@pytest.mark.parametrize(
    ("value_sets", "told"),
    [
        ([], "is missing"),
        ([value_set("urn:fever")], "is empty"),
        ([{**FEVER, "expansion": {**FEVER["expansion"], "total": 1000}}], "is cut off"),
        ([{"resourceType": "ValueSet", "url": "urn:fever"}], "has no expansion"),
        ([{**FEVER, "version": "1"}, {**FEVER, "version": "2"}], "more than once"),
    ],
)
def test_a_value_set_that_the_logic_uses_has_to_be_whole(
    value_sets: list[dict[str, Any]], told: str
) -> None:
    with pytest.raises(CompileError, match=told) as raised:
        compiled_with(*value_sets)
    assert "'X'" in str(raised.value)  # the definition that uses it


def test_one_that_it_declares_and_does_not_use_may_be_missing_and_is_told() -> None:
    program = compiled(f"{DECLARED} context Patient define X: 1")
    assert program.notices == ("Value set urn:fever is declared in Test 1, not used and missing",)


def test_one_that_is_cut_off_is_made_from_its_rules_where_they_list_the_codes() -> None:
    cut = {**FEVER, "expansion": {"total": 3, "contains": FEVER["expansion"]["contains"]}}
    own = {"system": "urn:codes", "concept": [{"code": "f1"}]}
    excluded = {"system": "urn:codes", "concept": [{"code": "no"}]}
    rules = {"include": [{"valueSet": ["urn:more"]}, own], "exclude": [excluded]}
    more = value_set("urn:more", "f3", "no")
    record = [condition(code, concept(code)) for code in ("f1", "f2", "f3", "no")]
    body = f"{DECLARED} context Patient define X: [Condition: Fever]"
    found = evaluate(body, *record, value_sets=[{**cut, "compose": rules}, more])
    assert ids(found) == ["f1", "f3"]


def test_rules_that_filter_cannot_be_followed() -> None:
    rules = {"include": [{"system": "urn:codes", "filter": [{"property": "p"}]}]}
    with pytest.raises(CompileError, match="defined by a filter"):
        compiled_with({"resourceType": "ValueSet", "url": "urn:fever", "compose": rules})


# By profile

QI = "http://hl7.org/fhir/us/qicore/StructureDefinition/"


def request(name: str, *profiles: str, **more: Any) -> dict[str, Any]:
    meta = {"meta": {"profile": list(profiles)}} if profiles else {}
    return {"resourceType": "ServiceRequest", "id": name, **meta, **more}


REQUESTS = [
    request("declared", QI + "qicore-servicerequest"),
    request("versioned", QI + "qicore-servicerequest|6.0.0"),
    request("not requested", QI + "qicore-servicenotrequested", doNotPerform=True),
    request("misspelt", QI + "qicore-servicerequests"),
    request("undeclared"),
    request("undeclared, prohibited", doNotPerform=True),
]


@pytest.mark.parametrize(
    ("profile", "found"),
    [
        (QI + "qicore-servicerequest", ["declared", "versioned", "undeclared"]),
        (QI + "qicore-servicenotrequested", ["not requested", "undeclared, prohibited"]),
        (
            "http://hl7.org/fhir/StructureDefinition/ServiceRequest",
            [one["id"] for one in REQUESTS],
        ),
        ("urn:of-another-guide", ["undeclared", "undeclared, prohibited"]),
    ],
)
def test_a_profile_takes_what_declares_it_or_declares_none_and_is_like_it(
    profile: str, found: list[str]
) -> None:
    retrieve = {
        "type": "Retrieve",
        "dataType": "{http://hl7.org/fhir}ServiceRequest",
        "templateId": profile,
    }
    program = compile_elm(elm(define("X", retrieve)))
    assert ids(patient(program, *REQUESTS).evaluate("X")) == found


def test_a_value_set_itself_is_what_stands_for_the_whole_of_it() -> None:
    """`code ~ "Fever"`: none of these codes was done (cqf-notDoneValueSet), as a union asks."""
    extension = {
        "url": "http://hl7.org/fhir/StructureDefinition/cqf-notDoneValueSet",
        "valueCanonical": "urn:fever",
    }
    record = [
        condition("whole", {"extension": [extension]}),
        condition("one of them", concept("f1")),
    ]
    retrieve = {
        "type": "Retrieve",
        "dataType": "{http://hl7.org/fhir}Condition",
        "codeProperty": "code",
        "codes": {"type": "ValueSetRef", "name": "Fever", "preserve": True},
    }
    declared = [{"name": "Fever", "id": "urn:fever"}]
    for comparator, found in (("~", ["whole"]), ("in", ["one of them"])):
        asked = elm(define("X", {**retrieve, "codeComparator": comparator}), valueSets=declared)
        program = compile_elm(asked, FEVER)
        assert ids(patient(program, *record).evaluate("X")) == found


# By date


def test_a_date_range_takes_the_resources_whose_date_is_in_it() -> None:
    retrieve = {
        "type": "Retrieve",
        "dataType": "{http://hl7.org/fhir}Encounter",
        "dateProperty": "period",
        "dateRange": {"type": "ParameterRef", "name": "Period"},
    }
    parameter = {
        "name": "Period",
        "parameterTypeSpecifier": {
            "type": "IntervalTypeSpecifier",
            "pointType": {
                "type": "NamedTypeSpecifier",
                "name": "{urn:hl7-org:elm-types:r1}DateTime",
            },
        },
    }
    record: list[dict[str, Any]] = [
        {
            "resourceType": "Encounter",
            "id": year,
            "period": {"start": f"{year}-01-30", "end": f"{year}-02-01"},
        }
        for year in ("2025", "2026", "2027")
    ]
    record.append({"resourceType": "Encounter", "id": "undated"})
    program = compile_elm(elm(define("X", retrieve), parameters=[parameter]))
    found = patient(program, *record, parameters={"Period": YEAR}).evaluate("X")
    assert ids(found) == ["2026"]


# What is retrieved, and by whom


def test_the_resources_that_the_answer_rests_on_are_known_afterwards() -> None:
    body = f"{DECLARED} context Patient define X: exists [Condition: Fever]"
    context = patient(compiled(body, value_sets=[FEVER]), *RECORD)
    assert context.retrieved() == []
    assert context.evaluate("X") is True
    assert ids(context.retrieved()) == ["a", "c"]


def test_patients_do_not_see_each_other() -> None:
    session = compiled("context Patient define X: Count([Condition])").prepare({}, NOW)
    first = session.patient(PatientRecord("1", {"Condition": [RECORD[0]]}))
    second = session.patient(PatientRecord("2", {"Condition": RECORD[:2]}))
    assert (first.evaluate("X"), second.evaluate("X"), first.evaluate("X")) == (1, 2, 1)


def test_two_patients_in_one_record_are_an_error_where_the_patient_is_asked_for() -> None:
    two = [{"resourceType": "Patient", "id": name} for name in ("a", "b")]
    with pytest.raises(EvaluationError):
        x("Patient.id", *two)


# What a program tells that it uses


def test_uses_tell_value_sets_codes_profiles_and_elements() -> None:
    body = f"""{DECLARED} context Patient
    define X: [Condition: Fever] C where C.onset is not null and exists [Encounter]
    define Y: [Condition: Cough] C return C.subject.reference.value
    """
    uses = compiled(body, value_sets=[FEVER]).uses
    assert uses.value_sets == {"urn:fever"}
    assert uses.elements["Condition"] == {"id", "code", "onset", "subject"}
    assert uses.elements["Encounter"] == {"id"}
    filters = {(use.type, use.value_sets, use.codes) for use in uses.retrieves}
    assert ("Condition", ("urn:fever",), ()) in filters
    assert ("Condition", (), (Code("c", "urn:codes"),)) in filters
    assert ("Encounter", (), ()) in filters


def test_uses_tell_nothing_of_what_is_not_reached() -> None:
    body = f"{DECLARED} context Patient define X: 1 define Y: [Condition: Fever]"
    uses = compiled(body, names=["X"]).uses
    assert (uses.value_sets, uses.retrieves, uses.elements) == (frozenset(), (), {})


def test_equal_codes_are_equal_in_all_their_parts() -> None:
    """3.1: Codes are equal when all their elements are; null in one of them leaves it unknown."""
    declared = "codesystem C: 'urn:codes' code Cough: 'c' from C display 'cough'\n"
    body = declared + "context Patient\ndefine X: [Condition: code = Cough] S return S.id.value"
    same = {"coding": [{"system": "urn:codes", "code": "c", "display": "cough"}]}
    record = [condition("same", same), condition("no display", concept("c"))]
    assert evaluate(body, *record) == ["same"]
    assert evaluate(body.replace("=", "~"), *record) == ["same", "no display"]


def test_a_value_set_is_never_equal_to_a_code() -> None:
    body = DECLARED + "context Patient\ndefine X: [Condition: code = Fever]"
    with pytest.raises(CompileError, match="compare with `in`"):
        evaluate(body, value_sets=[FEVER])


def test_what_is_fetched_along_changes_nothing() -> None:
    retrieve = {"type": "Retrieve", "dataType": "{http://hl7.org/fhir}Condition"}
    asked = elm(define("X", {**retrieve, "include": [{"relatedDataType": "Encounter"}]}))
    found = patient(compile_elm(asked), *RECORD).evaluate("X")
    assert [one.json["id"] for one in found] == ["a", "b", "c", "d", "e"]
