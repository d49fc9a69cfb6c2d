"""The developers' endpoints while things happen: more callers, a revoked token, a new pull."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from service.measure.completeness import COMPLETE
from service.site.app import create_app
from service.site.database import open_database
from service.site.store import open_store
from service.site.tokens import list_tokens, revoke_token
from service.site.verdict import Fault, Finding
from tests.spec.site_api.conftest import signed_in, write_site
from tests.spec.site_api.hospital import fill_store, surgical
from tests.spec.site_api.test_refusals import assert_refused

WEIR = Path(sys.executable).with_name("weir")
DREAMING = "/fhir/Measure/dreaming/$evaluate-measure?periodStart=2026-01&periodEnd=2026-01"
PATIENTS = 2000  # take a second or more, much longer than what is done meanwhile


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    config = write_site(tmp_path_factory.mktemp("busy"))
    fill_store(config, [one for n in range(PATIENTS) for one in surgical(f"canary-{n}", ["eat"])])
    return create_app(config)


@pytest.fixture
def client(program: FastAPI) -> Iterator[TestClient]:
    with TestClient(program, headers=signed_in(program)) as client:
        yield client


@pytest.fixture
def background() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


def wait_until(happened: Callable[[], bool]) -> None:
    until = time.monotonic() + 300
    while not happened():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.005)


def started(program: FastAPI, caller: str) -> bool:
    return any(entry.token == caller for entry in program.state.site.audit.entries())


def token_id(client: TestClient) -> str:
    return str(client.headers["Authorization"]).split("_")[1]


def counted(answer: Any) -> list[int]:
    groups = answer.json()["group"]
    return [one["count"] for group in groups for one in group["population"]]


@pytest.mark.full
def test_evaluations_at_once_answer_alike_or_ask_to_come_back(
    client: TestClient, background: ThreadPoolExecutor
) -> None:
    """Two cores are not divided among any number of callers until none is served."""
    answers = [one.result() for one in [background.submit(client.get, DREAMING) for _ in range(6)]]
    done = [answer for answer in answers if answer.status_code == 200]
    assert done and len(done) < 6
    assert all(counted(answer)[0] == PATIENTS for answer in done)
    assert len({tuple(counted(answer)) for answer in done}) == 1
    for answer in answers:
        if answer not in done:
            assert_refused(answer, 429, "throttled")
            assert answer.headers["retry-after"]
    assert client.get(DREAMING).status_code == 200  # no turn is lost


def test_the_program_answers_while_it_evaluates(
    client: TestClient, program: FastAPI, background: ThreadPoolExecutor
) -> None:
    evaluation: Future[Any] = background.submit(client.get, DREAMING)
    wait_until(lambda: started(program, token_id(client)))
    assert client.get("/health").status_code == 200
    assert client.get("/fhir/metadata").status_code == 200
    assert not evaluation.done()
    assert evaluation.result().status_code == 200


@pytest.mark.full
def test_a_token_revoked_in_mid_use_gets_nothing(
    client: TestClient, program: FastAPI, background: ThreadPoolExecutor
) -> None:
    evaluation: Future[Any] = background.submit(client.get, DREAMING)
    wait_until(lambda: started(program, token_id(client)))
    revoke_token(program.state.site.engine, token_id(client), datetime.now(UTC))
    assert_refused(evaluation.result(), 401, "login")
    last = program.state.site.audit.entries()[-1]
    assert (last.token, last.outcome) == (token_id(client), "refused: login")


@pytest.mark.full
def test_a_pull_in_mid_use_never_mixes_two_stores(
    tmp_path: Path, background: ThreadPoolExecutor
) -> None:
    """The verdict of one pull must not stand over the patients of another."""
    config = write_site(tmp_path)
    wrong = [Finding(Fault.COUNT_MISMATCH, "Encounter.ndjson")]
    pulls = {1: (), 2: wrong}  # patients -> what is known to be wrong with them

    def pull(patients: int) -> None:
        chart = [one for n in range(patients) for one in surgical(f"canary-{n}", ["eat"])]
        fill_store(config, chart, pulls[patients])

    def pull_again_and_again() -> None:
        for number in range(12):
            pull(1 + number % 2)

    pull(1)
    program = create_app(config)
    seen = set()
    with TestClient(program, headers=signed_in(program)) as client:
        pulling = background.submit(pull_again_and_again)
        while not pulling.done():
            answer = client.get(DREAMING)
            seen.add((counted(answer)[0], answer.json()["status"]))
        pulling.result()
    assert seen <= {(1, "complete"), (2, "pending")}
    assert seen


def test_an_old_store_that_is_open_is_not_taken_for_the_new_one(tmp_path: Path) -> None:
    config = write_site(tmp_path)
    fill_store(config, surgical("canary-1", ["eat"]))
    opened = open_store(config.data_dir)
    fill_store(config, surgical("canary-2", ["eat"]), [Finding(Fault.COUNT_MISMATCH, "x")])
    assert opened.completeness() == COMPLETE
    assert [record.id for record in opened.patients()] == ["canary-1"]
    assert opened.patient("canary-2") is None


@pytest.mark.full
def test_first_tokens_made_at_once_are_all_kept(tmp_path: Path) -> None:
    """Nothing is there yet: each process makes the folder, the database and its tables."""
    config = write_site(tmp_path)
    command = [WEIR, "site", "token", "--config", str(tmp_path / "site.toml"), "--label"]
    made = [
        subprocess.Popen([*command, str(number)], stdout=subprocess.PIPE, text=True)
        for number in range(4)
    ]
    assert all(process.communicate(timeout=300)[0].startswith("weir_") for process in made)
    assert all(process.returncode == 0 for process in made)
    assert len(list_tokens(open_database(config.data_dir))) == 4
