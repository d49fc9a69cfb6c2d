"""`weir site token` and `weir site serve`, as the commands that people run."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import httpx
import pytest
from fastapi.testclient import TestClient

from service.site.app import create_app
from service.site.config import load_config
from tests.spec.site_api.conftest import signed_in, write_site
from tests.spec.site_api.hospital import assert_no_canary, fill_store

WEIR = Path(sys.executable).with_name("weir")
EVALUATE = (
    "/fhir/Measure/dreaming/$evaluate-measure"
    "?periodStart=2026-01&periodEnd=2026-01&subject=canary-anna"
)


def weir(*arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    wide = {**os.environ, "COLUMNS": "200"}
    return subprocess.run([WEIR, *arguments], capture_output=True, text=True, input=typed, env=wide)


@pytest.fixture
def config(tmp_path: Path) -> str:
    fill_store(write_site(tmp_path))
    return str(tmp_path / "site.toml")


@contextmanager
def served(config: str, log: IO[str]) -> Iterator[str]:
    """The address of a program that serves, until it is told to stop."""
    command = [WEIR, "site", "serve", "--config", config, "--port", "0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        address = None
        while address is None:
            line = process.stderr.readline()
            assert line, "the program ended before it served"
            log.write(line)
            address = re.search(r"http://127\.0\.0\.1:\d+", line)
        yield address[0]
    finally:
        process.send_signal(signal.SIGTERM)
        _, rest = process.communicate(timeout=300)
        log.write(rest)


def test_a_token_signs_in_to_a_served_site(config: str, tmp_path: Path) -> None:
    token = weir("site", "token", "--config", config, "--label", "QI team").stdout.strip()
    with (tmp_path / "log").open("w") as log, served(config, log) as address:
        asked = {"Authorization": f"Bearer {token}"}
        with httpx.Client(base_url=address, headers=asked, timeout=60) as client:
            answer = client.get(EVALUATE)
            assert answer.status_code == 200
            assert answer.json()["subject"]["reference"] == "Patient/canary-anna"
            assert "server" not in answer.headers
            assert httpx.get(f"{address}{EVALUATE}", timeout=60).status_code == 401
            identifier = token.split("_")[1]
            assert weir("site", "token", "--config", config, "--revoke", identifier).returncode == 0
            assert client.get(EVALUATE).status_code == 401
    written = (tmp_path / "log").read_text()
    assert "GET /fhir/Measure/{measure_id}/$evaluate-measure 200" in written
    assert_no_canary(written)
    assert token not in written


@pytest.mark.full
def test_tokens_are_listed_without_their_secrets(config: str) -> None:
    token = weir("site", "token", "--config", config, "--label", "QI team").stdout.strip()
    assert re.fullmatch(r"weir_[0-9a-f]{8}_[A-Za-z0-9_-]{43}", token)
    listed = weir("site", "token", "--config", config, "--list").stdout
    assert token.split("_")[1] in listed
    assert "QI team" in listed and "good" in listed
    assert token.split("_", 2)[2] not in listed


@pytest.mark.full
def test_a_privacy_officer_reads_the_audit_log(config: str) -> None:
    program = create_app(load_config(Path(config)))
    with TestClient(program, headers=signed_in(program)) as client:
        client.get(EVALUATE)
        client.get(EVALUATE.replace("anna", "berta"))
    listed = weir("site", "audit", "--config", config).stdout
    assert listed.count("evaluate-measure") == 4
    asked = ["site", "audit", "--config", config, "--patient"]
    listed = weir(*asked, typed="canary-anna\n").stdout
    assert listed.count("evaluate-measure") == 2
    assert_no_canary(listed)


@pytest.mark.full
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["token", "--revoke", "00000000"], "no token of that id"),
        (["token", "--list", "--revoke", "00000000"], "do not go together"),
    ],
)
def test_a_command_that_cannot_be_carried_out(config: str, arguments: list[str], said: str) -> None:
    ran = weir("site", *arguments, "--config", config)
    assert ran.returncode == 1
    assert said in ran.stderr and "Traceback" not in ran.stderr


@pytest.mark.full
def test_a_site_without_configuration(tmp_path: Path) -> None:
    ran = weir("site", "serve", "--config", str(tmp_path / "site.toml"))
    assert ran.returncode == 1
    assert "The configuration cannot be read" in ran.stderr and "Traceback" not in ran.stderr


@pytest.mark.full
def test_a_measure_that_cannot_be_used_is_told_before_serving(config: str, tmp_path: Path) -> None:
    text = Path(config).read_text()
    Path(config).write_text(re.sub(r"measures = .*", f'measures = ["{tmp_path}"]', text))
    ran = weir("site", "serve", "--config", config)
    assert ran.returncode == 1
    assert "Traceback" not in ran.stderr
