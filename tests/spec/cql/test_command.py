"""`weir cql`: one expression, or many from a file."""

import json
from pathlib import Path

from typer.testing import CliRunner, Result

from service.cli import app
from service.errors import ConfigError, EvaluationError, TranslationError


def weir_cql(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["cql", *arguments])


def test_the_value_is_printed_as_cql() -> None:
    assert weir_cql("Interval[1, 10] intersect Interval[5, null)").stdout == "Interval[5, null)\n"


def test_the_value_is_printed_as_parameters_when_asked() -> None:
    found = json.loads(weir_cql("2 + 2", "--fhir").stdout)
    assert found["parameter"] == [{"name": "return", "valueInteger": 4}]


def test_bare_times_are_in_the_zone_that_is_given() -> None:
    assert weir_cql("DateTime(2014, 1, 1, 8)").stdout == "@2014-01-01T08+00:00\n"
    zoned = weir_cql("DateTime(2014, 1, 1, 8)", "--timezone", "Asia/Kolkata")
    assert zoned.stdout == "@2014-01-01T08+05:30\n"


def test_slice_counts_from_the_end() -> None:
    """CQL 2.0: 'A negative index counts back from the end of the list.'"""
    assert weir_cql("Slice({ 1, 2, 3, 4, 5 }, 1, -1)").stdout == "{ 2, 3, 4 }\n"
    assert weir_cql("Slice({ 1, 2, 3, 4, 5 }, 5)").stdout == "{ }\n"
    assert weir_cql("Slice(null)").stdout == "null\n"


def test_what_cannot_be_evaluated_is_an_error() -> None:
    assert isinstance(weir_cql("1 +").exception, TranslationError)
    assert isinstance(weir_cql("singleton from { 1, 2 }").exception, EvaluationError)
    assert isinstance(weir_cql().exception, ConfigError)


def test_every_line_of_a_batch_gets_its_result(tmp_path: Path) -> None:
    questions = [
        {"id": "a", "expression": "1.50 'mg'"},
        {"id": 2, "expression": "1 +"},
        {"id": None, "expression": "singleton from { 1, 2 }"},
        {"id": "b", "expression": "{ 1L, null }"},
        {"id": "c", "expression": "InValueSet(null as Code, null as ValueSet"},
    ]
    batch, out = tmp_path / "in.ndjson", tmp_path / "out.ndjson"
    batch.write_text("\n".join(map(json.dumps, questions)) + "\n\n")
    assert weir_cql("--batch", str(batch), "--out", str(out)).exit_code == 0
    answers = [json.loads(line) for line in out.read_text().splitlines()]
    assert [answer["id"] for answer in answers] == ["a", 2, None, "b", "c"]
    assert [answer["cql"] for answer in answers] == ["1.5 'mg'", None, None, "{ 1L, null }", None]
    kinds = [answer["result"]["resourceType"] for answer in answers]
    assert kinds == ["Parameters", *["OperationOutcome"] * 2, "Parameters", "OperationOutcome"]
    assert answers[0]["result"]["parameter"][0]["valueQuantity"]["value"] == 1.5
    codes = [answers[at]["result"]["issue"][0]["code"] for at in (1, 2)]
    assert codes == ["invalid", "processing"]


def test_a_batch_with_a_broken_line_is_refused_whole(tmp_path: Path) -> None:
    batch, out = tmp_path / "in.ndjson", tmp_path / "out.ndjson"
    batch.write_text('{"id": 1, "expression": "1"}\n{"id": 2}\n')
    refused = weir_cql("--batch", str(batch), "--out", str(out))
    assert isinstance(refused.exception, ConfigError)
    assert str(refused.exception).find("in.ndjson:2") > 0
    assert not out.exists()
