"""The audit log: written before data are read, append-only, without patient data."""

import json
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from service.errors import RequestError, StoreError
from service.site.audit import Access, AuditLog
from service.site.database import open_database
from service.site.tokens import Caller

CALLER = Caller("0a1b2c3d", "QI team")
ACCESS = Access("evaluate-measure", measure="dreaming", report_type="population")


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return open_database(tmp_path)


@pytest.fixture
def log(engine: Engine, tmp_path: Path) -> AuditLog:
    return AuditLog(engine, tmp_path, key=b"k" * 32)


def test_an_operation_leaves_its_start_and_its_outcome(log: AuditLog) -> None:
    with log.recorded(CALLER, ACCESS):
        assert [entry.outcome for entry in log.entries()] == ["started"]
    started, done = log.entries()
    assert (started.outcome, done.outcome) == ("started", "done")
    assert started.operation == done.operation
    assert (done.token, done.label, done.measure) == ("0a1b2c3d", "QI team", "dreaming")


def test_a_failure_is_written_by_its_kind_and_never_its_text(log: AuditLog) -> None:
    with pytest.raises(RequestError), log.recorded(CALLER, ACCESS):
        raise RequestError(404, "not-found", "no such patient: Smith")
    with pytest.raises(KeyError), log.recorded(CALLER, ACCESS):
        raise KeyError("Smith")
    assert [entry.outcome for entry in log.entries()] == [
        "started", "refused: not-found", "started", "failed",
    ]  # fmt: skip


def test_the_file_says_the_same_as_the_table(log: AuditLog, tmp_path: Path) -> None:
    with log.recorded(CALLER, ACCESS):
        pass
    log.refused(Access("sign-in"))
    lines = [json.loads(line) for line in (tmp_path / "audit.ndjson").read_text().splitlines()]
    assert lines == [entry.model_dump(exclude_none=True) for entry in log.entries()]
    assert (tmp_path / "audit.ndjson").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "change", ["UPDATE audit_entry SET label = 'someone else'", "DELETE FROM audit_entry"]
)
def test_the_table_takes_no_change(engine: Engine, log: AuditLog, change: str) -> None:
    log.refused(Access("sign-in"))
    with pytest.raises(IntegrityError, match="append-only"), engine.begin() as connection:
        connection.execute(text(change))
    assert len(log.entries()) == 1


def test_nothing_runs_that_cannot_be_written(log: AuditLog, tmp_path: Path) -> None:
    (tmp_path / "audit.ndjson").mkdir()
    ran = False
    with pytest.raises(StoreError, match="nothing is answered"), log.recorded(CALLER, ACCESS):
        ran = True
    assert not ran
    assert log.entries() == []


def test_nothing_is_answered_of_which_the_outcome_cannot_be_written(
    log: AuditLog, tmp_path: Path
) -> None:
    with pytest.raises(StoreError, match="nothing is answered"), log.recorded(CALLER, ACCESS):
        (tmp_path / "audit.ndjson").unlink()
        (tmp_path / "audit.ndjson").mkdir()
    assert [entry.outcome for entry in log.entries()] == ["started"]


def test_a_patient_is_known_by_a_keyed_pseudonym(log: AuditLog, engine: Engine) -> None:
    name = log.pseudonym("123")
    assert name == log.pseudonym("123")
    assert name not in {log.pseudonym("124"), AuditLog(engine, Path(), b"x" * 32).pseudonym("123")}
    with log.recorded(CALLER, Access("evaluate-measure", subject=name)):
        pass
    assert len(log.entries(subject=name)) == 2
    assert log.entries(subject=log.pseudonym("124")) == []
