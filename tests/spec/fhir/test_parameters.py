"""The result of a CQL expression as Parameters, by the CQL operation."""

from decimal import Decimal
from typing import Any

import pytest
from fhir.resources.R4B.parameters import Parameters

from service.cql.values import (
    Code,
    Concept,
    Date,
    DateTime,
    Interval,
    Long,
    Quantity,
    Ratio,
    Time,
    Uncertainty,
    ValueSet,
)
from service.errors import TranslationError
from service.fhir.parameters import ABSENT, CQL_TEXT, CQL_TYPE, EMPTY_LIST, evaluation_error, result

NULL = {"_valueBoolean": {"extension": [{"url": ABSENT, "valueCode": "unknown"}]}}
MG = {
    "value": Decimal("5.5"),
    "unit": "mg",
    "system": "http://unitsofmeasure.org",
    "code": "mg",
}


def typed(kind: str) -> dict[str, Any]:
    return {"extension": [{"url": CQL_TYPE, "valueString": kind}]}


def told(kind: str, text: str) -> dict[str, Any]:
    marked = {"extension": [{"url": CQL_TEXT, "valueBoolean": True}]}
    return {**typed(kind), "valueString": text, "_valueString": marked}


def unity(value: int | Decimal) -> dict[str, Any]:
    return {"value": value, "system": "http://unitsofmeasure.org", "code": "1"}


SINGLE = [
    (None, NULL),
    (True, {"valueBoolean": True}),
    (5, {"valueInteger": 5}),
    (Decimal("5.50"), {"valueDecimal": Decimal("5.50")}),
    ("a", {"valueString": "a"}),
    (Long(5), {**typed("System.Long"), "valueString": "5"}),
    (Date(2014, 1), {"valueDate": "2014-01"}),
    (DateTime(2014), {"valueDateTime": "2014"}),
    (DateTime(2014, 1, 2, 8, 0, 0), {"valueDateTime": "2014-01-02T08:00:00Z"}),
    (DateTime(2014, 1, 2, 8), told("System.DateTime", "@2014-01-02T08+00:00")),
    (Time(8, 30, 0), {"valueTime": "08:30:00"}),
    (Quantity(Decimal("5.5"), "mg"), {"valueQuantity": MG}),
    (Quantity(Decimal(4), "days"), {"valueQuantity": {"value": Decimal(4), "unit": "days"}}),
    (
        Ratio(Quantity(Decimal("5.5"), "mg"), Quantity(Decimal("5.5"), "mg")),
        {"valueRatio": {"numerator": MG, "denominator": MG}},
    ),
    (Code("a", "urn:s"), {"valueCoding": {"system": "urn:s", "code": "a"}}),
    (
        Concept((Code("a"),), "A"),
        {"valueCodeableConcept": {"coding": [{"code": "a"}], "text": "A"}},
    ),
    (ValueSet.of("urn:v", ()), {"valueCanonical": "urn:v"}),
    (
        Interval(Date(2014), Date(2015), True, False),
        {**typed("Interval<System.Date>"), "valuePeriod": {"start": "2014", "end": "2014"}},
    ),
    (Interval(DateTime(2014), None), {"valuePeriod": {"start": "2014"}}),
    (
        Interval(Quantity(Decimal("5.5"), "mg"), None),
        {"valueRange": {"low": MG}},
    ),
    (
        Interval(1, 5, True, False),
        {
            **typed("Interval<System.Integer>"),
            "valueRange": {"low": unity(1), "high": unity(4)},
        },
    ),
    (
        Uncertainty(1, 5),
        {
            **typed("Interval<System.Integer>"),
            "valueRange": {"low": unity(1), "high": unity(5)},
        },
    ),
    (
        Interval(None, Decimal("1.5")),
        {**typed("Interval<System.Decimal>"), "valueRange": {"high": unity(Decimal("1.5"))}},
    ),
    (
        Interval(Time(8, 30, 0), None),
        told("Interval<System.Time>", "Interval[@T08:30:00, null]"),
    ),
]


@pytest.mark.parametrize(("value", "parameter"), SINGLE)
def test_a_single_value_is_one_return(value: Any, parameter: dict[str, Any]) -> None:
    found = result(value)
    assert found["parameter"] == [{"name": "return", **parameter}]
    Parameters.model_validate(found)


def test_a_list_repeats_the_return() -> None:
    found = result([1, None])
    assert found["parameter"] == [
        {"name": "return", "valueInteger": 1},
        {"name": "return", **NULL},
    ]


def test_an_empty_list_is_no_null() -> None:
    (parameter,) = result([])["parameter"]
    assert parameter["_valueBoolean"]["extension"] == [{"url": EMPTY_LIST, "valueBoolean": True}]


def test_tuples_and_lists_in_lists_are_parts() -> None:
    found = result([{"a": [1, 2], "b": None}, {"a": [], "b": "x"}])
    assert [parameter["part"][-1] for parameter in found["parameter"]] == [
        {"name": "b", **NULL},
        {"name": "b", "valueString": "x"},
    ]
    assert found["parameter"][0]["part"][:2] == [
        {"name": "a", "valueInteger": 1},
        {"name": "a", "valueInteger": 2},
    ]
    nested = result([[1], [2, 3]])["parameter"]
    assert [len(parameter["part"]) for parameter in nested] == [1, 2]
    assert nested[0]["part"] == [{"name": "element", "valueInteger": 1}]


def test_an_error_is_an_outcome_whose_text_says_what_happened() -> None:
    found = evaluation_error(TranslationError("line 1, character 3: what is this?"))
    Parameters.model_validate(found)
    (parameter,) = found["parameter"]
    assert parameter["name"] == "evaluation error"
    (issue,) = parameter["resource"]["issue"]
    assert (issue["code"], issue["details"]["text"]) == (
        "invalid", "line 1, character 3: what is this?",
    )  # fmt: skip
