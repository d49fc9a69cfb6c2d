"""Examples of operators as tables: operands and result in CQL, a line each.

    test_overlaps = examples(
        "Overlaps",
        "... returns true if the first interval overlaps the second.",
        '''
        Interval[1, 5] | Interval[4, 9] | true
        ''',
    )

makes a test of every line: all cells but the last are operands, the last is the result. It may be
`error`; `17..44` is a number known only to lie in between. With `precision` it is that keyword.
"""

import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from service.cql.literal import literal
from service.cql.operators.registry import OPERATORS
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
)
from service.errors import EvaluationError

TOKEN = re.compile(
    r"""\s*(?:
    (?P<time>@T[\d:.]+) |
    (?P<date_time>@\d{4}(?:-\d\d){0,2}T(?:\d\d(?::\d\d){0,2}(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?)?) |
    (?P<date>@\d{4}(?:-\d\d){0,2}) |
    (?P<range>-?\d+(?:\.\d+)?\.\.-?\d+(?:\.\d+)?) |
    (?P<long>-?\d+L) |
    (?P<decimal>-?\d+\.\d+) |
    (?P<integer>-?\d+) |
    (?P<string>'(?:[^'\\]|\\.)*') |
    (?P<word>\w+) |
    (?P<sign>[\[\](){},:])
    )""",
    re.VERBOSE,
)


class Clock:
    """An evaluation at half past noon on 21 November 2026, UTC."""

    now = DateTime(2026, 11, 21, 12, 30, 15, 123)

    def __init__(self) -> None:
        self.messages: list[tuple[str, str | None, str | None]] = []

    def message(self, severity: str, code: str | None, text: str | None) -> None:
        self.messages.append((severity, code, text))

    def subsumes(self, ancestor: Code, descendant: Code) -> bool | None:
        """As if codes were paths: a/b is below a. Nothing is known of codes without system."""
        if ancestor.system is None:
            return None
        return f"{descendant.code}/".startswith(f"{ancestor.code}/")


def examples(name: str, rule: str, table: str, precision: bool = False) -> Callable[..., None]:
    """A test of each line of `table` for the operator `name`; `rule` is what they show."""
    lines = [line.strip() for line in table.strip().splitlines() if line.strip()]

    @pytest.mark.parametrize("line", lines)
    def test(line: str) -> None:
        *operands, expected = (cell.strip() for cell in re.split(r"\s\|\s", line))
        given = [value_of(cell) if cell != "-" else None for cell in operands]
        keywords = {"precision": given.pop()} if precision else {}
        if expected == "error":
            with pytest.raises(EvaluationError):
                apply(name, *given, **keywords)
            return
        found = apply(name, *given, **keywords)
        wanted = value_of(expected)
        assert (type(found), found) == (type(wanted), wanted), f"{literal(found)}: {rule}"

    test.__doc__ = rule
    return test


def apply(name: str, *operands: Any, **keywords: Any) -> Any:
    """What the operator gives, as the compiler calls it."""
    operator = OPERATORS[name]
    if operator.nulls == "propagate" and None in [each for each in operands if each is None]:
        return None
    context = (Clock(),) if operator.context else ()
    return operator.function(*context, *operands, **keywords)


def value_of(text: str) -> Any:
    """The value that a CQL literal writes."""
    tokens = list(_tokens(text))
    value = _value(tokens)
    assert not tokens, f"{text!r} is more than a value"
    return value


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(text.rstrip()):
        match = TOKEN.match(text, at)
        assert match and match.lastgroup, f"{text[at:]!r} is no CQL"
        yield match.lastgroup, match.group(match.lastgroup)
        at = match.end()


def _value(tokens: list[tuple[str, str]]) -> Any:
    value = _single(tokens)
    if isinstance(value, Quantity | int | Decimal) and tokens[:1] == [("sign", ":")]:
        tokens.pop(0)
        return Ratio(_quantity(value), _quantity(_single(tokens)))
    return value


def _quantity(value: Any) -> Quantity:
    return value if isinstance(value, Quantity) else Quantity(Decimal(value))


def _single(tokens: list[tuple[str, str]]) -> Any:
    kind, text = tokens.pop(0)
    if kind in ("integer", "decimal") and tokens and tokens[0][0] in ("string", "word"):
        return Quantity(Decimal(text), _string(tokens.pop(0)[1]))
    if kind == "sign":
        assert text == "{"
        return [value for _, value in _elements(tokens)]
    return _word(text, tokens) if kind == "word" else READ[kind](text)


def _word(text: str, tokens: list[tuple[str, str]]) -> Any:
    match text:
        case "null" | "true" | "false":
            return {"null": None, "true": True, "false": False}[text]
        case "Interval":
            return _interval(tokens)
        case "Tuple":
            tokens.pop(0)
            return dict(_elements(tokens))
        case "Code":
            tokens.pop(0)
            return Code(**{"code": None, **dict(_elements(tokens))})
        case "Concept":
            tokens.pop(0)
            parts = dict(_elements(tokens))
            return Concept(tuple(parts["codes"]), parts.get("display"))
    raise AssertionError(f"{text!r} is no value")


def _interval(tokens: list[tuple[str, str]]) -> Interval:
    opening = tokens.pop(0)[1]
    low = _value(tokens)
    tokens.pop(0)
    high = _value(tokens)
    point = "Integer" if low is None and high is None else None
    return Interval(low, high, opening == "[", tokens.pop(0)[1] == "]", point)


def _elements(tokens: list[tuple[str, str]]) -> Iterator[tuple[str, Any]]:
    """Elements up to the closing brace, with their names if they have any."""
    while tokens[0] != ("sign", "}"):
        name = ""
        if tokens[0][0] == "word" and tokens[1:2] == [("sign", ":")]:
            name = tokens.pop(0)[1]
            tokens.pop(0)
        yield name, _value(tokens)
        if tokens[0] == ("sign", ","):
            tokens.pop(0)
    tokens.pop(0)


def _string(text: str) -> str:
    if not text.startswith("'"):
        return text
    return re.sub(
        r"\\(.)", lambda match: {"n": "\n", "t": "\t"}.get(match[1], match[1]), text[1:-1]
    )


def _range(text: str) -> Uncertainty:
    low, high = (Decimal(end) if end.count(".") else int(end) for end in text.split(".."))
    return Uncertainty(low, high)


READ: dict[str, Callable[[str], Any]] = {
    "time": lambda text: Time.parse(text[1:]),
    "date_time": lambda text: DateTime.parse(text[1:]),
    "date": lambda text: Date.parse(text[1:]),
    "range": _range,
    "long": lambda text: Long(text[:-1]),
    "decimal": Decimal,
    "integer": int,
    "string": _string,
}
