"""HL7's cql-tests: the XML files, and their expressions as ELM.

The files lie in `<clone>/../shared/data/cql-tests` (or WEIR_CQL_TESTS) and are never copied here.
Translating 3,000 expressions takes a minute, so their ELM is kept under ~/.cache/weir/cql-tests, by
a hash of the expression and of the translator.
"""

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec

from service.cql import expression, translator
from service.cql.values import Interval, Uncertainty
from service.errors import TranslationError
from service.fhir.model import r4

ROOT = Path(__file__).parents[3]
FOLDER = Path(os.environ.get("WEIR_CQL_TESTS", ROOT.parent / "shared" / "data" / "cql-tests"))
CACHE = Path.home() / ".cache" / "weir" / "cql-tests"
NOW = datetime(2026, 11, 21, 12, 30, 15, 123_000, tzinfo=UTC)
VERSION = (1, 5)
_NS = "{http://hl7.org/fhirpath/tests}"


@dataclass(frozen=True)
class Case:
    """One test: an expression and what it gives, or that it is not valid."""

    file: str
    group: str
    name: str
    expression: str
    output: str | None
    invalid: str | None

    @property
    def id(self) -> str:
        return f"{self.file}:{self.group}:{self.name}"


def cases() -> list[Case]:
    """Every test of every file that is for this version of CQL."""
    return [case for path in sorted(FOLDER.glob("*.xml")) for case in _cases(path)]


def _cases(path: Path) -> Iterator[Case]:
    for group in ElementTree.parse(path).getroot().iter(f"{_NS}group"):
        for test in group.iter(f"{_NS}test"):
            if not _is_for_this_version(test) or not _is_for_this_version(group):
                continue
            asked = test.find(f"{_NS}expression")
            assert asked is not None and asked.text, f"{path.name}: a test without expression"
            output = test.find(f"{_NS}output")
            yield Case(
                path.stem.removeprefix("Cql"),
                group.get("name", ""),
                test.get("name", ""),
                asked.text.strip(),
                None if output is None or output.text is None else _output(output.text),
                None if asked.get("invalid") in (None, "false") else asked.get("invalid"),
            )


def _output(text: str) -> str:
    """The expected value as CQL; the files write a Concept's one code without the list's braces."""
    return re.sub(r"codes: (Code \{[^}]*\})", r"codes: { \1 }", text.strip())


def _is_for_this_version(element: ElementTree.Element) -> bool:
    limit = element.get("versionTo")
    return limit is None or tuple(map(int, limit.split("."))) >= VERSION


def evaluate(text: str) -> Any:
    """The value of a CQL expression; its ELM is translated once and kept."""
    return expression.evaluate_elm(_elm(text), r4(), NOW)


def _elm(text: str) -> dict[str, Any]:
    path = CACHE / _key(text)
    if path.exists():
        kept: dict[str, Any] = msgspec.json.decode(path.read_bytes())
    else:
        kept = _translated(text)
        CACHE.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}")
        part.write_bytes(msgspec.json.encode(kept))
        part.replace(path)
    if "error" in kept:
        raise TranslationError(kept["error"])
    return kept


def _translated(text: str) -> dict[str, Any]:
    try:
        return expression.translate_expression(text)
    except TranslationError as error:
        if translator.missing():
            raise
        return {"error": error.what}


def _key(text: str) -> str:
    return hashlib.sha256(_translator() + text.encode()).hexdigest()


@cache
def _translator() -> bytes:
    """What the ELM of an expression rests on besides its text."""
    parts = [translator.TOOL / name for name in translator.FILES]
    sources = [Path(translator.__file__), Path(expression.__file__)]
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in parts + sources)).digest()


def agrees(got: Any, expected: Any) -> bool:
    """Whether two results are the same, down to type and precision.

    The files write 10 where the Decimal 10.0 is meant, and an interval for a number that is known
    only to lie in it.
    """
    got, expected = _shown(got), _shown(expected)
    if isinstance(got, list) and isinstance(expected, list):
        return len(got) == len(expected) and all(map(agrees, got, expected))
    if isinstance(got, dict) and isinstance(expected, dict):
        return got.keys() == expected.keys() and all(
            agrees(got[name], expected[name]) for name in got
        )
    if isinstance(got, Interval) and isinstance(expected, Interval):
        ends = ("low", "high", "low_closed", "high_closed")
        return all(agrees(getattr(got, end), getattr(expected, end)) for end in ends)
    if type(got) is not type(expected):
        return type(expected) is int and isinstance(got, Decimal) and got == expected
    return bool(got == expected)


def _shown(value: Any) -> Any:
    return Interval(value.low, value.high) if isinstance(value, Uncertainty) else value
