"""``weir cql``: evaluate CQL expressions, without data."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Annotated, Any

import msgspec
import typer

from service.cql.expression import evaluate_expression
from service.cql.literal import literal
from service.errors import ConfigError, WeirError
from service.fhir.model import r4
from service.fhir.parameters import issue_type, result
from service.fhir.response import outcome
from service.measure.period import timezone as named_timezone
from service.progress import progress

_encode = msgspec.json.Encoder(decimal_format="number").encode


def cql(
    expression: Annotated[str | None, typer.Argument(help="A CQL expression.")] = None,
    fhir: Annotated[bool, typer.Option("--fhir", help="Print FHIR Parameters.")] = False,
    batch: Annotated[
        Path | None, typer.Option(help='NDJSON of {"id": ..., "expression": ...}.')
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help='NDJSON of {"id", "result", "cql"}, a line for each.')
    ] = None,
    timezone: Annotated[str, typer.Option(help="IANA zone of bare times.")] = "UTC",
) -> None:
    """Evaluate a CQL expression and print its value as CQL, or many from a file.

    Without --batch an expression that has no value is an error with exit code 1. With it every line
    gets a result, FHIR Parameters or an OperationOutcome, and the exit code is 0.
    """
    now = datetime.now(named_timezone(timezone))
    if batch is not None and expression is None:
        _evaluate_all(batch, out, now)
    elif expression is not None and batch is None:
        value = evaluate_expression(expression, r4(), now)
        text = _encode(result(value)).decode() if fhir else literal(value)
        sys.stdout.write(f"{text}\n")
    else:
        raise ConfigError("Give one expression, or --batch with a file of them")


def _evaluate_all(batch: Path, out: Path | None, now: datetime) -> None:
    questions = list(_questions(batch))
    with _writing(out) as file, progress("expressions", len(questions)) as advance:
        for question in questions:
            file.write(_encode(_answer(question, now)) + b"\n")
            advance(1)


@contextmanager
def _writing(out: Path | None) -> Iterator[IO[bytes]]:
    if out is None:
        yield sys.stdout.buffer
        return
    try:
        file = out.open("wb")
    except OSError as error:
        raise ConfigError(
            "The results cannot be written", where=f"{out}: {error.strerror}"
        ) from None
    with file:
        yield file


def _questions(batch: Path) -> Iterator[dict[str, Any]]:
    """The lines of the file. Raises ConfigError naming the first that is not a question."""
    try:
        lines = batch.read_bytes().splitlines()
    except OSError as error:
        raise ConfigError("The batch cannot be read", where=f"{batch}: {error.strerror}") from None
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield _question(line, f"{batch}:{number}")


def _question(line: bytes, where: str) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(line)
    except msgspec.DecodeError:
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("expression"), str):
        raise ConfigError(
            "A line of the batch is no question",
            where=where,
            todo='Write {"id": "...", "expression": "..."}',
        )
    return found


def _answer(question: dict[str, Any], now: datetime) -> dict[str, Any]:
    """The id, the result as FHIR, and the value as CQL; null where there is none."""
    try:
        value = evaluate_expression(question["expression"], r4(), now)
    except WeirError as error:
        told = outcome(issue_type(error), [str(error)])
        return {"id": question.get("id"), "result": told, "cql": None}
    return {"id": question.get("id"), "result": result(value), "cql": literal(value)}
