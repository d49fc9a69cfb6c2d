"""Parameters given to the CQL operation, as declarations of CQL.

"Parameters defined in this input will be made available by name to the CQL expression. If a
parameter appears more than once, it is represented with a List. If a parameter has parts, it is
represented as a Tuple." (http://hl7.org/fhir/uv/cql/OperationDefinition-cql-cql.html)
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from service.cql.literal import literal
from service.cql.values import Code, Concept, Date, DateTime, Interval, Long, Quantity, Ratio, Time
from service.errors import RequestError
from service.fhir.parameters import CQL_TYPE, EMPTY_LIST

Parameter = Mapping[str, Any]


def declarations(parameters: Any, now: datetime) -> str:
    """Parameters as CQL: each declared with its value as default.

    DateTimes without an offset take that of `now`. Raises RequestError (400).
    """
    offset = int((now.utcoffset() or timedelta()).total_seconds() // 60)
    try:
        return " ".join(
            f"parameter {_quoted(name)} default {literal(value)}"
            for name, value in _elements(parameters["parameter"], offset).items()
        )
    except (AttributeError, InvalidOperation, KeyError, RecursionError, TypeError, ValueError):
        raise RequestError(
            400,
            "value",
            "`parameters` is not a Parameters resource whose values the language has types for",
        ) from None


def _quoted(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _elements(parameters: Sequence[Parameter], offset: int) -> dict[str, Any]:
    """The values by name; those of one name are a list."""
    found: dict[str, list[Any]] = {}
    for one in parameters:
        found.setdefault(one["name"], []).append(_value(one, offset))
    return {name: all_ if len(all_) > 1 else all_[0] for name, all_ in found.items()}


def _value(parameter: Parameter, offset: int) -> Any:
    if "part" in parameter:
        return _elements(parameter["part"], offset)
    for key, json in parameter.items():
        if key in _READERS:
            return _typed(parameter, _READERS[key](json, offset))
    return [] if _is_empty_list(parameter) else None


def _is_empty_list(parameter: Parameter) -> bool:
    extension = parameter["_valueBoolean"]["extension"]
    return any(one["url"] == EMPTY_LIST and one["valueBoolean"] for one in extension)


def _typed(parameter: Parameter, value: Any) -> Any:
    """The value, as a Long where the extension cqf-cqlType says that it is one."""
    kinds = {one.get("valueString") for one in parameter.get("extension", ()) if _is_type(one)}
    return Long(value) if "System.Long" in kinds else value


def _is_type(extension: Parameter) -> bool:
    return bool(extension.get("url") == CQL_TYPE)


def _known(value: Any) -> Any:
    """The value that a text was read as. Raises ValueError when it is not one."""
    if value is None:
        raise ValueError("this is no value of its type")
    return value


def _date_time(json: Any, offset: int) -> DateTime | None:
    found: DateTime | None = _known(DateTime.parse(json, offset=offset)) if json else None
    return found


def _quantity(json: Any, offset: int = 0) -> Quantity | None:
    if json is None:
        return None
    return Quantity(Decimal(str(json["value"])), json.get("code") or json.get("unit") or "1")


def _ratio(json: Any, offset: int) -> Ratio:
    return Ratio(_known(_quantity(json["numerator"])), _known(_quantity(json["denominator"])))


def _period(json: Any, offset: int) -> Interval:
    return Interval(_date_time(json.get("start"), offset), _date_time(json.get("end"), offset))


def _range(json: Any, offset: int) -> Interval:
    return Interval(_quantity(json.get("low")), _quantity(json.get("high")))


def _code(json: Any, offset: int = 0) -> Code:
    return Code(json["code"], json.get("system"), json.get("version"), json.get("display"))


def _concept(json: Any, offset: int) -> Concept:
    return Concept(tuple(map(_code, json.get("coding") or ())), json.get("text"))


def _plain(type_: type) -> Callable[[Any, int], Any]:
    """What takes JSON of one type as it is."""

    def read(json: Any, offset: int) -> Any:
        if type(json) is not type_:
            raise TypeError(f"this is no {type_.__name__}")
        return json

    return read


_READERS: dict[str, Callable[[Any, int], Any]] = {
    "valueBoolean": _plain(bool),
    "valueInteger": _plain(int),
    "valuePositiveInt": _plain(int),
    "valueUnsignedInt": _plain(int),
    "valueDecimal": lambda json, offset: Decimal(str(json)),
    "valueDate": lambda json, offset: _known(Date.parse(json)),
    "valueDateTime": _date_time,
    "valueInstant": _date_time,
    "valueTime": lambda json, offset: _known(Time.parse(json)),
    "valueQuantity": _quantity,
    "valueRatio": _ratio,
    "valuePeriod": _period,
    "valueRange": _range,
    "valueCoding": _code,
    "valueCodeableConcept": _concept,
} | dict.fromkeys(
    ("valueCanonical", "valueCode", "valueId", "valueMarkdown", "valueString", "valueUri",
     "valueUrl", "valueUuid"),
    _plain(str),
)  # fmt: skip
