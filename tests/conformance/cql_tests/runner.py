"""HL7's cql-tests-runner, as far as a server sees it: what it asks, how it reads and compares.

Its expected values are CQL that it parses itself, its actual ones are read from the Parameters of
`$cql`, and dates are compared as text. Here a Tuple is a dict, an Interval a dict of four parts, a
Quantity one of value and unit. As the runner does, a list of one is taken for what is in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
EMPTY = {
    "http://hl7.org/fhir/StructureDefinition/cqf-isEmptyList": list,
    "http://hl7.org/fhir/StructureDefinition/cqf-isEmptyTuple": dict,
}
TYPE = "http://hl7.org/fhir/StructureDefinition/cqf-cqlType"
TEXT = "http://hl7.org/fhir/StructureDefinition/cqf-cqlText"


def question(expression: str) -> dict[str, Any]:
    """The body of its POST, sent as application/json."""
    parameter = {"name": "expression", "valueString": expression}
    return {"resourceType": "Parameters", "parameter": [parameter]}


def is_error(status: int, body: Mapping[str, Any]) -> bool:
    """Whether an answer says that the expression has no value."""
    names = [one.get("name") for one in body.get("parameter", ())]
    return not 200 <= status < 300 or "evaluation error" in names


def actual(body: Mapping[str, Any]) -> Any:
    """The value that an answer gives."""
    return _collapsed(body["parameter"])


def _collapsed(parameters: Sequence[Mapping[str, Any]]) -> Any:
    """One name's values are a list, more names a tuple; what stands alone stands for itself."""
    values: dict[str, list[Any]] = {}
    for one in parameters:
        values.setdefault(one["name"], []).append(_one(one))
    single = {name: all_[0] if len(all_) == 1 else all_ for name, all_ in values.items()}
    return next(iter(single.values())) if len(single) == 1 else single


def _one(parameter: Mapping[str, Any]) -> Any:
    if "part" in parameter:
        return _collapsed(parameter["part"])
    if parameter["name"] == "evaluation error":
        return parameter["resource"]["issue"][0]["details"]["text"]
    if "_valueBoolean" in parameter:
        (extension,) = parameter["_valueBoolean"]["extension"]
        return None if extension["url"] == ABSENT else EMPTY[extension["url"]]()
    (name,) = [key for key in parameter if key.startswith("value")]
    return _value(name.removeprefix("value"), parameter[name], parameter)


def _value(kind: str, json: Any, parameter: Mapping[str, Any]) -> Any:
    match kind:
        case "String" if _extension(parameter.get("_valueString", {}), TEXT):
            return parse(json)
        case "Date":
            return f"@{json}"
        case "DateTime":
            return _date_time(json)
        case "Time":
            return f"@T{json}"
        case "Quantity":
            return _quantity(json)
        case "Ratio":
            return {side: _quantity(json[side]) for side in ("numerator", "denominator")}
        case "Period":
            ends = (json.get(end) and _date_time(json[end]) for end in ("start", "end"))
            return _interval(*ends)
        case "Range":
            typed = _extension(parameter, TYPE)
            read = (lambda one: one["value"]) if typed else _quantity
            return _interval(*(read(json[end]) if end in json else None for end in ("low", "high")))
        case "Coding":
            return dict(json)
        case "CodeableConcept":
            codes = json["coding"]
            told = {"codes": codes[0] if len(codes) == 1 else codes}
            return told | ({"display": json["text"]} if "text" in json else {})
    return json


def _extension(element: Mapping[str, Any], url: str) -> bool:
    return any(one["url"] == url for one in element.get("extension", ()))


def _date_time(text: str) -> str:
    return f"@{text}T" if len(text) <= len("2014-01-01") else f"@{text}"


def _quantity(json: Mapping[str, Any]) -> dict[str, Any]:
    return {"value": json["value"], "unit": json.get("code", json.get("unit"))}


def _interval(low: Any, high: Any) -> dict[str, Any]:
    ends = {"low": low, "high": high}
    return ends | {f"{name}Closed": end is not None for name, end in ends.items()}


# The expected value

_TOKEN = re.compile(
    r"""\s*(
      @[0-9T:.+Z-]+
    | '(?:\\.|[^'\\])*'
    | [+-]?[0-9]+(?:\.[0-9]+)?L?
    | [A-Za-z_"`][\w."`]*
    | [][(){},:]
    )""",
    re.VERBOSE,
)
_CALENDAR = re.compile(r"(year|month|week|day|hour|minute|second|millisecond)s?")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "f": "\f"}


class _Text:
    """What is left to parse, a token at a time."""

    def __init__(self, text: str) -> None:
        self.tokens = _TOKEN.findall(text)
        self.at = 0

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def next(self) -> str:
        self.at += 1
        return str(self.tokens[self.at - 1])

    def until(self, closing: str) -> Iterator[None]:
        """Once for each part up to `closing`, over the commas between them."""
        while self.peek() != closing:
            if self.peek() in (",", ":"):
                self.next()
                continue
            yield
        self.next()


def parse(text: str) -> Any:
    """An expected value, as the runner parses it."""
    return _term(_Text(text))


def without_offset(value: Any) -> Any:
    """The value without the offset of UTC, which FHIR asks of every time of a day."""
    if isinstance(value, str) and value.startswith("@"):
        return value.removesuffix("Z").removesuffix("+00:00")
    if isinstance(value, list):
        return [without_offset(each) for each in value]
    if isinstance(value, dict):
        return {name: without_offset(each) for name, each in value.items()}
    return value


def _term(text: _Text) -> Any:
    token = text.next()
    if token in ("true", "false", "null"):
        return {"true": True, "false": False, "null": None}[token]
    if token == "Interval":
        return _interval_of(text)
    if token == "{":
        return _list(text)
    if token[0].isalpha():
        text.next()
        return {text.next().strip('"'): _named(text) for _ in text.until("}")}
    if token[0] == "'":
        return re.sub(r"\\(u[0-9a-fA-F]{4}|.)", _character, token[1:-1])
    if token[0] == "@":
        return token
    return _number(token, text)


def _list(text: _Text) -> Any:
    """A list, or a tuple without its name."""
    if text.tokens[text.at + 1 : text.at + 2] == [":"]:
        return {text.next(): _named(text) for _ in text.until("}")}
    return [_term(text) for _ in text.until("}")]


def _character(escaped: re.Match[str]) -> str:
    code = escaped[1]
    return chr(int(code[1:], 16)) if len(code) > 1 else _ESCAPES.get(code, code)


def _named(text: _Text) -> Any:
    assert text.next() == ":"
    return _term(text)


def _number(token: str, text: _Text) -> Any:
    """A number, a Quantity, or a Ratio of two."""
    if token.endswith("L"):
        return token[:-1]  # R4 has no type for it: it is sent as a string
    number = float(token) if "." in token else int(token)
    if not (text.peek().startswith("'") or _CALENDAR.fullmatch(text.peek())):
        return number
    quantity = {"value": number, "unit": text.next().strip("'")}
    if text.peek() != ":":
        return quantity
    text.next()
    return {"numerator": quantity, "denominator": _term(text)}


def _interval_of(text: _Text) -> dict[str, Any]:
    low_closed = text.next() == "["
    low = _term(text)
    text.next()
    high = _term(text)
    return {
        "low": low,
        "high": high,
        "lowClosed": low_closed,
        "highClosed": text.next() == "]",
    }


def equal(expected: Any, got: Any) -> bool:
    """Whether it takes two values for the same."""
    if isinstance(expected, list) and len(expected) == 1 and not isinstance(got, list):
        return equal(expected[0], got)
    if isinstance(expected, bool) or expected is None:
        return got is expected
    if isinstance(expected, int | float):
        return isinstance(got, int | float) and abs(got - expected) < 1e-8
    if isinstance(expected, dict) and isinstance(got, dict):
        return expected.keys() == got.keys() and all(
            equal(each, got[name]) for name, each in expected.items()
        )
    if isinstance(expected, list) and isinstance(got, list):
        return len(expected) == len(got) and all(map(equal, expected, got))
    return bool(expected == got)
