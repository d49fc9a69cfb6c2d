"""The language by example: each line of expressions.txt is an expression and its value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from service.cql import translator
from service.cql.compiler import compile_program
from service.cql.literal import literal
from service.cql.terminology import Terminology
from service.errors import EvaluationError
from service.fhir.model import r4

pytestmark = pytest.mark.skipif(translator.missing() is not None, reason=str(translator.missing()))

NOW = datetime(2026, 11, 21, 12, 30, 15, 123_000, tzinfo=UTC)
FILE = Path(__file__).parent / "expressions.txt"


def chapters() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """The title of each chapter with its expressions and values."""
    for part in FILE.read_text("utf-8").split("\n## ")[1:]:
        title, *lines = part.strip().splitlines()
        yield title, [(left, right) for left, _, right in (one.rpartition(" => ") for one in lines)]


CHAPTERS = dict(chapters())


def values(expressions: Iterable[str]) -> Iterator[str]:
    """Their values as literals, ERROR where one has none; of one library, to translate once."""
    named = {f"X{number}": expression for number, expression in enumerate(expressions)}
    defined = "\n".join(f"define {name}: {expression}" for name, expression in named.items())
    elm = translator.translate(f"library Expressions\n{defined}")
    session = compile_program([elm], "Expressions", Terminology.of(), r4()).prepare({}, NOW)
    for name in named:
        try:
            yield literal(session.evaluate(name))
        except EvaluationError:
            yield "ERROR"


@pytest.mark.parametrize("title", CHAPTERS)
def test_expressions_have_their_values(title: str) -> None:
    told = dict(CHAPTERS[title])
    found = dict(zip(told, values(told), strict=True))
    assert found == told


def test_no_line_is_lost() -> None:
    lines = [one for one in FILE.read_text("utf-8").splitlines() if one and not one.startswith("#")]
    assert len(lines) == sum(map(len, CHAPTERS.values())) == len(set(lines))
