"""Killing the network while sites send: what it acknowledged is there, nothing is there twice."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import httpx
import pytest
from sqlalchemy import create_engine, text

from service.demo.ehr import free_port
from service.demo.process import answers
from service.fhir import signature
from service.fhir.http import open_client
from service.network.window import span
from tests.spec.network.conftest import database
from tests.spec.network.reports import DRINKING, KEYS, body_of, key_of, summary_of

BODIES = [
    body_of(summary_of(period=month, numerator=numerator))
    for month in span("2023-01", "2025-12", "month")
    for numerator in (21, 30, 33)
]
KILLED_AFTER = 12  # acknowledged reports


__all__ = ["database"]  # the fixture


def configuration(folder: Path, database: str) -> Path:
    (folder / "north.jwk.json").write_text(json.dumps(KEYS["north"].as_dict(private=False)))
    path = folder / "network.toml"
    path.write_text(
        f"""
title = "A network"
database = "{database}"
access = "open"
[[site]]
id = "north"
name = "North Hospital"
kid = "north-1"
key_file = "north.jwk.json"
measures = ["{DRINKING}"]
[[measure]]
url = "{DRINKING}"
title = "Drinking"
"""
    )
    return path


@contextmanager
def network(config: Path) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """`weir network serve`, as it is started in earnest; killed at the end."""
    port = free_port()
    weir = Path(sys.executable).with_name("weir")
    log = (config.parent / "network.log").open("ab")
    command = [weir, "network", "serve", "--config", config, "--port", str(port)]
    process = subprocess.Popen(command, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        assert answers(process, f"{url}/health")
        yield url, process
    finally:
        process.kill()
        process.wait()
        log.close()


def send(client: httpx.Client, url: str, body: bytes) -> httpx.Response:
    headers = {
        "Content-Type": "application/fhir+json",
        "Idempotency-Key": key_of(body),
        signature.HEADER: signature.sign(body, KEYS["north"], "north-1"),
    }
    return client.post(f"{url}/fhir/MeasureReport", content=body, headers=headers)


@pytest.mark.full
def test_a_kill_loses_nothing_that_was_acknowledged_and_doubles_nothing(
    tmp_path: Path, database: str
) -> None:
    """Killed with many senders at once, so that one commit holds the reports of several."""
    config = configuration(tmp_path, database)
    receipts: dict[bytes, str] = {}
    enough = Event()

    def deliver(body: bytes) -> None:
        try:
            answer = send(client, url, body)
        except httpx.TransportError:
            return  # killed before it answered
        assert answer.status_code == 201
        receipts[body] = answer.json()["receipt"]
        if len(receipts) >= KILLED_AFTER:
            enough.set()

    with network(config) as (url, process), open_client() as client, ThreadPoolExecutor(12) as pool:
        sent = [pool.submit(deliver, body) for body in BODIES]
        assert enough.wait(300)
        process.send_signal(signal.SIGKILL)
        for future in sent:
            future.result()
    assert len(receipts) >= KILLED_AFTER

    with network(config) as (url, _), open_client() as client:
        for body in BODIES:
            answer = send(client, url, body)
            assert (
                answer.status_code == 200 if body in receipts else answer.status_code in (200, 201)
            )
            assert receipts.setdefault(body, answer.json()["receipt"]) == answer.json()["receipt"]
    assert _stored(database) == sorted(BODIES)


def _stored(database: str) -> list[bytes]:
    engine = create_engine(database)
    with engine.connect() as connection:
        found = [bytes(row[0]) for row in connection.execute(text("SELECT body FROM submission"))]
    engine.dispose()
    return sorted(found)
