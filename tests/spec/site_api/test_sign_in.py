"""Whoever asks for patient data signs in first, and the audit log has it."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from service.site.audit import AuditEntry
from service.site.tokens import make_token, revoke_token
from tests.spec.site_api.hospital import assert_no_canary
from tests.spec.site_api.test_refusals import assert_refused

DREAMING = "/fhir/Measure/dreaming/$evaluate-measure"
JANUARY = {"periodStart": "2026-01-01", "periodEnd": "2026-01-31"}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def entries(program: FastAPI) -> list[AuditEntry]:
    return list(program.state.site.audit.entries())


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer weir_00000000_canary"},
        {"Authorization": "Bearer canary"},
        {"Authorization": "Basic Y2FuYXJ5OmNhbmFyeQ=="},
        {"Authorization": "Bearer \u00e9\u00ff".encode("latin-1")},
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", [DREAMING, "/fhir/Measure/canary/$evaluate-measure"])
def test_without_a_valid_token_nothing_is_answered(
    stranger: TestClient, program: FastAPI, method: str, path: str, headers: Any
) -> None:
    """Whether the measure exists, whether the parameters fit: not a word of either."""
    before = len(entries(program))
    answer = stranger.request(method, path, headers=headers)
    assert_refused(answer, 401, "login")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    (entry,) = entries(program)[before:]
    assert (entry.action, entry.outcome, entry.token) == ("sign-in", "refused", None)


def test_an_expired_token_is_refused(stranger: TestClient, program: FastAPI) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=10)
    token = make_token(program.state.site.engine, "old", timedelta(days=1), long_ago)
    answer = stranger.get(DREAMING, params=JANUARY, headers=bearer(token))
    assert "expired" in assert_refused(answer, 401, "expired")


def test_a_revoked_token_is_refused_at_once(stranger: TestClient, program: FastAPI) -> None:
    engine = program.state.site.engine
    token = make_token(engine, "leaver", timedelta(days=1), datetime.now(UTC))
    asked = {"params": JANUARY, "headers": bearer(token)}
    assert stranger.get(DREAMING, **asked).status_code == 200
    revoke_token(engine, token.split("_")[1], datetime.now(UTC))
    assert "revoked" in assert_refused(stranger.get(DREAMING, **asked), 401, "login")


@pytest.mark.parametrize(
    ("asked", "report_type", "outcome"),
    [
        ({}, "population", "done"),
        ({"reportType": "subject-list"}, "subject-list", "done"),
        ({"subject": "canary-anna"}, "subject", "done"),
        ({"subject": "canary-nobody"}, "subject", "refused: not-found"),
    ],
)
def test_every_operation_on_patient_data_is_written_down(
    client: TestClient, program: FastAPI, asked: dict[str, str], report_type: str,
    outcome: str,
) -> None:  # fmt: skip
    before = len(entries(program))
    client.get(DREAMING, params=JANUARY | asked)
    started, ended = entries(program)[before:]
    assert (started.outcome, ended.outcome) == ("started", outcome)
    for entry in (started, ended):
        assert entry.token is not None
        assert (entry.label, entry.action) == ("QI team", "evaluate-measure")
        assert (entry.measure, entry.report_type) == ("dreaming", report_type)
        assert entry.period == "2026-01-01/2026-01-31"
        assert (entry.subject is not None) == ("subject" in asked)
        assert_no_canary(json.dumps(entry.model_dump()))


def test_a_privacy_officer_finds_who_looked_at_a_patient(
    client: TestClient, program: FastAPI
) -> None:
    client.get(DREAMING, params=JANUARY | {"subject": "Patient/canary-berta"})
    log = program.state.site.audit
    found = log.entries(log.pseudonym("canary-berta"))
    assert {entry.label for entry in found} == {"QI team"}
    assert log.entries(log.pseudonym("canary-carl")) == []
