"""A value as a CQL literal: nothing of it is lost but trailing zeros."""

from decimal import Decimal

import pytest

from service.cql.literal import literal
from service.cql.values import (
    Code,
    CodeSystem,
    Concept,
    Date,
    DateTime,
    Interval,
    Long,
    Quantity,
    Ratio,
    Structured,
    Time,
    Uncertainty,
    ValueSet,
)


class Period(Structured):
    @property
    def type_name(self) -> str:
        return "{http://hl7.org/fhir}Period"

    def elements(self) -> dict[str, object]:
        return {"start": Date(2014)}


WRITTEN = [
    (None, "null"),
    (True, "true"),
    (5, "5"),
    (Long(5), "5L"),
    (Decimal(5), "5.0"),
    (Decimal("1.50"), "1.5"),
    (Decimal("-0.00"), "0.0"),
    (Decimal("1E-8"), "0.00000001"),
    ("it's\n\\ 5\x00 é 🙂", r"'it\'s\n\\ 5\u0000 é 🙂'"),
    (Date(2014, 1), "@2014-01"),
    (DateTime(2014), "@2014T"),
    (DateTime(2014, 1, 2, 8, offset=330), "@2014-01-02T08+05:30"),
    (DateTime(2014, 1, 2, 8, 0, 0, 5), "@2014-01-02T08:00:00.005+00:00"),
    (Time(8, 30), "@T08:30"),
    (Quantity(Decimal("5"), "mg"), "5.0 'mg'"),
    (Quantity(Decimal("4"), "days"), "4.0 days"),
    (Ratio(Quantity(Decimal(1)), Quantity(Decimal(128))), "1.0 '1':128.0 '1'"),
    (Interval(1, 5), "Interval[1, 5]"),
    (Interval(1, None, False, False), "Interval(1, null)"),
    (Interval(None, None, True, True, "Integer"), "Interval[null as Integer, null as Integer]"),
    (Uncertainty(17, 44), "Interval[17, 44]"),
    (Uncertainty(Decimal(8), Decimal(22)), "Interval[8.0, 22.0]"),
    ([], "{ }"),
    ([1, [None]], "{ 1, { null } }"),
    ({}, "Tuple { : }"),
    ({"a": 1, "b c": None}, 'Tuple { a: 1, "b c": null }'),
    (Code("8480-6", "http://loinc.org"), "Code { code: '8480-6', system: 'http://loinc.org' }"),
    (
        Concept((Code("a"),), "A"),
        "Concept { codes: { Code { code: 'a' } }, display: 'A' }",
    ),
    (ValueSet.of("urn:v", (), name="V"), "ValueSet { id: 'urn:v', name: 'V' }"),
    (CodeSystem("urn:s", "1"), "CodeSystem { id: 'urn:s', version: '1' }"),
    (Period(), "FHIR.Period { start: @2014 }"),
]


@pytest.mark.parametrize(("value", "text"), WRITTEN, ids=[text for _, text in WRITTEN])
def test_a_value_is_written_as(value: object, text: str) -> None:
    assert literal(value) == text
