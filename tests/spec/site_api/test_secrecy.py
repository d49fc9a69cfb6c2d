"""What must never be written or reached: patients in logs, and anything that sends."""

import logging
import subprocess
import sys

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from tests.spec.site_api.conftest import signed_in
from tests.spec.site_api.hospital import assert_no_canary
from tests.spec.site_api.test_refusals import assert_refused

DREAMING = "/fhir/Measure/dreaming/$evaluate-measure"
JANUARY = {"periodStart": "2026-01-01", "periodEnd": "2026-01-31"}


def test_the_log_names_routes_and_never_what_was_asked(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="weir")
    client.get(DREAMING, params=JANUARY | {"subject": "canary-anna"})
    client.get("/fhir/Patient/canary-anna")
    client.get("/fhir/Measure/canary-anna?canary=canary")
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("weir")]
    assert [line.rsplit(" ", 2)[0] for line in lines] == [
        "GET /fhir/Measure/{measure_id}/$evaluate-measure 200",
        "GET (another path) 404",
        "GET /fhir/Measure/{measure_id} 404",
    ]
    assert_no_canary("\n".join(lines))


def test_an_error_that_nobody_foresaw_says_nothing_of_its_text(
    program: FastAPI, caplog: pytest.LogCaptureFixture
) -> None:
    """The state is broken on purpose: the error's text holds what was being worked on."""

    @program.get("/broken")
    def broken() -> None:
        raise KeyError("canary-anna")

    with TestClient(program, headers=signed_in(program)) as client:
        said = assert_refused(client.get("/broken"), 500, "exception")
    (line,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    reference = line.split(" ")[0]
    assert reference in said
    assert "KeyError at broken" in line
    assert_no_canary(caplog.text)


def test_the_program_never_loads_what_sends() -> None:
    """pyproject.toml has the same as an import contract; this is what a running program holds."""
    code = (
        "import sys, service.site.app; print(*sorted(m for m in sys.modules if m[:7] == 'service'))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(ran.stdout.split())
    assert "service.site.local_reports" in loaded
    sending = {"outbox", "push", "protect", "pipeline"}
    assert not {f"service.site.{name}" for name in sending} & loaded
    assert not {name for name in loaded if name.startswith("service.disclosure")}
