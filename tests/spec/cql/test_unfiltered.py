"""The Unfiltered context: logic about all patients, and how it and a patient's refer to each other.

The quoted rules are those of the Author's Guide of CQL 1.5.3, "Retrieve Context".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from service.cql.program import Program
from service.cql.record import PatientRecord
from service.errors import CompileError, EvaluationError
from tests.spec.cql.logic import NOW, compiled, concept, value_set

ALL = 'context Unfiltered define "All": [Encounter] '


class Hospital:
    """All patients there are; `passes` counts how often they were gone through."""

    def __init__(self, *records: PatientRecord) -> None:
        self.records = records
        self.passes = 0

    def __call__(self) -> Iterator[PatientRecord]:
        self.passes += 1
        yield from self.records

    def x(self, body: str | Program, **options: Any) -> list[Any]:
        """The value of the definition X for each patient."""
        program = compiled(body, **options) if isinstance(body, str) else body
        session = program.prepare({}, NOW, self)
        return [session.patient(record).evaluate("X") for record in self.records]


def patient(id: str, *encounters: str, **more: list[dict[str, Any]]) -> PatientRecord:
    made = [
        {
            "resourceType": "Encounter",
            "id": name,
            "type": [concept(name[0])],
            "subject": {"reference": f"Patient/{id}"},
        }
        for name in encounters
    ]
    return PatientRecord(
        id, {"Patient": [{"resourceType": "Patient", "id": id}], "Encounter": made, **more}
    )


def hospital() -> Hospital:
    return Hospital(patient("p1", "a1", "b2"), patient("p2"), patient("p3", "a3"))


# Retrieves


def test_a_retrieve_is_not_limited_to_a_patient() -> None:
    """ "Unfiltered - all the encounters in the underlying system." """
    body = "context Unfiltered define X: [Encounter] E return all E.id.value"
    there = hospital()
    session = compiled(body).prepare({}, NOW, there)
    assert session.evaluate("X") == ["a1", "b2", "a3"]


def test_it_is_filtered_by_codes_as_any_other() -> None:
    body = (
        'valueset "A": \'urn:a\' context Unfiltered define "Coded": [Encounter: type in "A"] '
        'context Patient define X: Count("Coded")'
    )
    assert hospital().x(body, value_sets=[value_set("urn:a", "a")]) == [2, 2, 2]


def test_the_same_retrieve_in_both_contexts_gives_both() -> None:
    body = ALL + 'context Patient define X: Count("All") * 10 + Count([Encounter])'
    assert hospital().x(body) == [32, 30, 31]


def test_within_a_query_all_patients_are_meant_too() -> None:
    body = (
        "context Unfiltered "
        'define "Alone": [Patient] P without [Encounter] E '
        "such that E.subject.reference.value = 'Patient/' + P.id.value return P.id.value "
        'context Patient define X: "Alone"'
    )
    assert hospital().x(body) == [["p2"]] * 3


def test_a_record_that_is_in_several_patients_records_is_one() -> None:
    ward = {"resourceType": "Location", "id": "ward"}
    there = Hospital(patient("p1", Location=[ward]), patient("p2", Location=[dict(ward)]))
    assert there.x(
        "context Unfiltered define L: [Location] context Patient define X: Count(L)"
    ) == [
        1,
        1,
    ]


def test_records_of_one_id_that_say_different_things_are_not() -> None:
    there = Hospital(patient("p1", "same"), patient("p2", "same"))
    assert there.x(ALL + 'context Patient define X: Count("All")') == [2, 2]


# From one context to the other


def test_for_a_patient_the_value_is_that_of_all_patients() -> None:
    """ "In a specific context (such as Patient), a reference to an Unfiltered context expression
    results in the evaluation of the Unfiltered context expression, and the result type is
    unaffected."
    """
    body = (
        ALL + 'define "Most": Max({ Count("All"), 1 }) '
        'context Patient define X: Count([Encounter]) * 2 > "Most"'
    )
    assert hospital().x(body) == [True, False, False]


def test_for_all_patients_it_is_the_list_of_each_patient_s_value() -> None:
    """ "If the result type of an expression in a specific context is not a list, the result of
    accessing it from an Unfiltered context will be a list with elements of the type of the
    expression."
    """
    body = (
        'context Patient define "In": exists [Encounter] '
        'context Unfiltered define "Those In": Count("In" I where I is true) '
        'context Patient define X: "Those In"'
    )
    assert hospital().x(body) == [2, 2, 2]


def test_lists_become_one_list() -> None:
    """ "... the results of the evaluation for each patient in the unfiltered context flattened into
    a single list."
    """
    body = (
        "context Patient define Own: [Encounter] E return all E.id.value "
        "context Unfiltered define Everybody's: Own "
        "context Patient define X: Everybody's"
    ).replace("Everybody's", '"Everybody\'s"')
    assert hospital().x(body) == [["a1", "b2", "a3"]] * 3


def test_a_constant_of_the_patient_context_is_there_for_each_patient() -> None:
    body = "context Patient define One: 1 context Unfiltered define N: Sum(One) "
    assert hospital().x(body + "context Patient define X: N + One") == [4, 4, 4]


def test_patient_in_the_unfiltered_context_is_all_patients() -> None:
    body = "context Patient context Unfiltered define Ids: Patient P return all P.id.value "
    assert hospital().x(body + "context Patient define X: Ids") == [["p1", "p2", "p3"]] * 3


def test_contexts_may_refer_to_each_other_in_turn() -> None:
    body = (
        ALL + 'context Patient define "Share": Count([Encounter]) * 100 div Count("All") '
        'context Unfiltered define "Largest": Max("Share") '
        'context Patient define X: "Share" = "Largest"'
    )
    assert hospital().x(body) == [True, False, False]


def test_a_function_is_about_whom_its_caller_is() -> None:
    body = (
        "context Patient define function Times(n Integer): Count([Encounter]) * n "
        "context Unfiltered define N: Times(1) "
        "context Patient define X: Times(10) + N"
    )
    assert hospital().x(body) == [23, 3, 13]


def test_a_function_of_another_patient_s_record_is_still_about_its_caller() -> None:
    body = (
        "context Patient define function Times(e Encounter): Count([Encounter]) "
        + ALL
        + 'context Patient define X: "All" E return all Times(E)'
    )
    assert hospital().x(body) == [[2, 2, 2], [0, 0, 0], [1, 1, 1]]


# What it costs


def test_all_retrieves_are_one_pass_over_the_patients() -> None:
    body = (
        ALL + 'define "People": [Patient] context Patient define X: Count("All") + Count("People")'
    )
    there = hospital()
    assert there.x(body) == [6, 6, 6]
    assert there.passes == 1


def test_each_definition_of_the_patient_context_is_another() -> None:
    body = (
        "context Patient define A: exists [Encounter] define B: Patient.id.value "
        "context Unfiltered define N: Count(A) + Count(B) context Patient define X: N"
    )
    there = hospital()
    assert there.x(body) == [6, 6, 6]
    assert there.passes == 2


def test_logic_about_single_patients_makes_no_pass() -> None:
    body = "context Unfiltered define One: 1 context Patient define X: Count([Encounter]) + One"
    program = compiled(body)
    there = hospital()
    assert there.x(program) == [3, 1, 2]
    assert (there.passes, program.needs_everyone) == (0, False)


# What is refused


def test_without_all_patients_there_is_no_value() -> None:
    session = compiled(ALL + 'context Patient define X: Count("All")').prepare({}, NOW)
    with pytest.raises(EvaluationError, match="asks for the records of all patients"):
        session.patient(patient("p1")).evaluate("X")


def test_what_is_not_defined_for_one_patient_is_not_for_all() -> None:
    body = (
        "context Patient "
        "define Broken: Message(1, Patient.id.value = 'p2', 'b', 'Error', 'Broken') "
        "context Unfiltered define N: Sum(Broken) context Patient define X: N"
    )
    there = hospital()
    session = compiled(body).prepare({}, NOW, there)
    for record in there.records:
        with pytest.raises(EvaluationError, match="Broken"):
            session.patient(record).evaluate("X")
    assert there.passes == 1


def test_a_function_that_uses_a_patient_s_definition_is_called_for_a_patient() -> None:
    body = (
        "context Patient define Own: Count([Encounter]) define function Twice(): Own * 2 "
        "context Unfiltered define X: Twice()"
    )
    with pytest.raises(CompileError, match="A function about one patient uses 'Own'"):
        compiled(body)


def test_another_context_is_not_taken_for_the_unfiltered_one() -> None:
    with pytest.raises(CompileError, match="does not know the context 'Practitioner'"):
        compiled("context Practitioner define X: [Encounter]", names=["X"])
