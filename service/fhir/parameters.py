"""The result of a CQL expression as FHIR Parameters, by the CQL operation.

See http://hl7.org/fhir/uv/cql/OperationDefinition-cql-cql.html. A list repeats the parameter; the
elements of tuples and of lists in lists are parts. An interval of numbers is a Range without unit
and a Long a string of digits; the extension cqf-cqlType says what they are. What R4 has no type for
(times without minutes, intervals of Times) is a string with the CQL literal, marked by cqf-cqlText.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from service.cql.elements import Element
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
    Time,
    Uncertainty,
    ValueSet,
)
from service.cql.values.precision import HOUR, MINUTE
from service.cql.values.units import canonical, is_calendar
from service.errors import CompileError, TranslationError, WeirError

ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
CQL_TEXT = "http://hl7.org/fhir/StructureDefinition/cqf-cqlText"
CQL_TYPE = "http://hl7.org/fhir/StructureDefinition/cqf-cqlType"
EMPTY_LIST = "http://hl7.org/fhir/StructureDefinition/cqf-isEmptyList"
EMPTY_TUPLE = "http://hl7.org/fhir/StructureDefinition/cqf-isEmptyTuple"
UCUM = "http://unitsofmeasure.org"
RESULT = "return"
ERROR = "evaluation error"

Parameter = dict[str, Any]


def result(value: Any) -> dict[str, Any]:
    """Parameters with the value as `return`."""
    return {"resourceType": "Parameters", "parameter": _named(RESULT, value)}


def issue_type(error: WeirError) -> str:
    """The code of FHIR's value set issue-type for an expression that has no value."""
    return next(code for kind, code in _ISSUE_TYPES if isinstance(error, kind))


_ISSUE_TYPES: tuple[tuple[type[WeirError], str], ...] = (
    (TranslationError, "invalid"),
    (CompileError, "not-supported"),
    (WeirError, "processing"),
)


def evaluation_error(error: WeirError) -> dict[str, Any]:
    """Parameters that say why an expression has no value."""
    issue = {"severity": "error", "code": issue_type(error), "details": {"text": str(error)}}
    outcome = {"resourceType": "OperationOutcome", "issue": [issue]}
    return {"resourceType": "Parameters", "parameter": [{"name": ERROR, "resource": outcome}]}


def _named(name: str, value: Any) -> list[Parameter]:
    """The parameters that say `value`: one, or one for each element of a list."""
    if isinstance(value, list | tuple):
        if not value:
            return [{"name": name, **_marked(EMPTY_LIST)}]
        return [_parameter(name, each) for each in value]
    return [_parameter(name, value)]


def _parameter(name: str, value: Any) -> Parameter:
    if isinstance(value, list | tuple):
        parts = [part for each in value for part in _named("element", each)]
        return {"name": name, "part": parts} if parts else {"name": name, **_marked(EMPTY_LIST)}
    if isinstance(value, Mapping):
        parts = [part for key, each in value.items() for part in _named(key, each)]
        return {"name": name, "part": parts} if parts else {"name": name, **_marked(EMPTY_TUPLE)}
    if isinstance(value, Element):
        return {"name": name, **_element(value)}
    written = _WRITTEN.get(type(value))
    return {"name": name, **(written(value) if written else _text(value))}


def _marked(url: str) -> Parameter:
    return {"_valueBoolean": {"extension": [{"url": url, "valueBoolean": True}]}}


def _null(value: None) -> Parameter:
    return {"_valueBoolean": {"extension": [{"url": ABSENT, "valueCode": "unknown"}]}}


def _text(value: Any) -> Parameter:
    """The literal as a string, with the type that it is of."""
    marked = {"extension": [{"url": CQL_TEXT, "valueBoolean": True}]}
    return {**_typed(value), "valueString": literal(value), "_valueString": marked}


def _typed(value: Any) -> Parameter:
    """The extension that says a value's type."""
    kind = f"System.{type(value).__name__}"
    if isinstance(value, Interval):
        kind = f"Interval<System.{value.point or 'Any'}>"
    return {"extension": [{"url": CQL_TYPE, "valueString": kind}]}


def _long(value: Long) -> Parameter:
    return {**_typed(value), "valueString": str(int(value))}


def _element(value: Element) -> Parameter:
    """A resource as itself, an element under its type's name."""
    if isinstance(value.json, Mapping) and "resourceType" in value.json:
        return {"resource": value.json}
    kind = value.type_name.rpartition("}")[2]
    return {f"value{kind[0].upper()}{kind[1:]}": value.json}


def _quantity(value: Quantity) -> Parameter:
    """With the UCUM code; a calendar duration has a unit and no code."""
    if is_calendar(value.unit):
        return {"value": value.value, "unit": value.unit}
    return {
        "value": value.value,
        "unit": value.unit,
        "system": UCUM,
        "code": canonical(value.unit),
    }


def _coding(value: Code) -> Parameter:
    return _known(
        system=value.system, version=value.version, code=value.code, display=value.display
    )


def _concept(value: Concept) -> Parameter:
    coding = [_coding(code) for code in value.codes]
    return {"valueCodeableConcept": _known(coding=coding, text=value.display)}


def _interval(value: Interval) -> Parameter:
    """A Period or Range, from the first to the last point; of other points the literal."""
    start = None if value.low is None else value.start
    end = None if value.high is None else value.end
    kinds = {type(point) for point in (start, end) if point is not None}
    if kinds and all(_has_type(point) for point in (start, end)):
        if kinds <= {Date, DateTime}:
            typed = _typed(value) if kinds == {Date} else {}
            return {
                **typed,
                "valuePeriod": _known(start=start and str(start), end=end and str(end)),
            }
        if kinds == {Quantity}:
            return {"valueRange": _known(low=_maybe(start), high=_maybe(end))}
        if kinds <= {int, Long, Decimal}:
            return {**_typed(value), "valueRange": _known(low=_unity(start), high=_unity(end))}
    return _text(value)


def _maybe(value: Quantity | None) -> Parameter | None:
    return None if value is None else _quantity(value)


def _unity(value: int | Decimal | None) -> Parameter | None:
    """A number as a Quantity without unit."""
    return None if value is None else {"value": value, "system": UCUM, "code": "1"}


def _known(**parts: Any) -> Parameter:
    return {name: part for name, part in parts.items() if part is not None}


def _has_type(value: Any) -> bool:
    """Whether FHIR can say the value: its dateTime and time have seconds when they have hours."""
    if isinstance(value, DateTime | Time):
        return value.precision not in (HOUR, MINUTE)
    return True


def _moment(name: str) -> Callable[[Any], Parameter]:
    return lambda value: {name: _said(value)} if _has_type(value) else _text(value)


def _said(value: Any) -> str | None:
    """A date or time in FHIR's words."""
    return None if value is None else str(value).replace("+00:00", "Z")


def _ratio(value: Ratio) -> Parameter:
    parts = {"numerator": value.numerator, "denominator": value.denominator}
    return {"valueRatio": {name: _quantity(part) for name, part in parts.items()}}


_WRITTEN: dict[type, Callable[[Any], Parameter]] = {
    type(None): _null,
    bool: lambda value: {"valueBoolean": value},
    int: lambda value: {"valueInteger": value},
    Long: _long,
    Decimal: lambda value: {"valueDecimal": value},
    str: lambda value: {"valueString": value},
    Date: lambda value: {"valueDate": str(value)},
    DateTime: _moment("valueDateTime"),
    Time: _moment("valueTime"),
    Quantity: lambda value: {"valueQuantity": _quantity(value)},
    Ratio: _ratio,
    Code: lambda value: {"valueCoding": _coding(value)},
    Concept: _concept,
    Interval: _interval,
    Uncertainty: lambda value: _interval(Interval(value.low, value.high)),
    ValueSet: lambda value: {"valueCanonical": value.id},
    CodeSystem: lambda value: {"valueCanonical": value.id},
}
