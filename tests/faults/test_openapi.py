"""Whatever the interfaces of both programs are asked, as their OpenAPI allows it: never a 500.

Schemathesis makes the questions; they are the same in every run.
"""

from collections.abc import Mapping
from pathlib import Path

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings

from service.network.app import create_app
from service.network.window import span
from service.site.app import create_app as create_site
from tests.spec.network.people import Browser
from tests.spec.network.reports import LOCAL, Sender, network_config, summary_of
from tests.spec.site_api.conftest import signed_in, write_site
from tests.spec.site_api.hospital import fill_store

FEW, MANY = 6, 150  # questions to each operation


def ask(program: FastAPI, examples: int, headers: Mapping[str, str]) -> int:
    """Ask every operation, as the kinds of values that are declared allow; how many there are."""
    schema = schemathesis.openapi.from_asgi("/openapi.json", program)
    operations = [found.ok() for found in schema.get_all_operations()]
    for operation in operations:

        @settings(
            max_examples=examples,
            derandomize=True,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.explicit, Phase.generate],
        )
        @given(case=operation.as_strategy())
        def answers(case: schemathesis.Case) -> None:
            answer = case.call(base_url=LOCAL, headers=dict(headers))
            assert answer.status_code < 500, case.as_curl_command()

        answers()
    return len(operations)


def network(folder: Path) -> FastAPI:
    """A network that anyone may read, with two sites' reports in it."""
    program = create_app(network_config(f"sqlite:///{folder / 'network.db'}"))
    sender = Sender(Browser(program).client)
    for month in span("2024-01", "2024-12", "month"):
        for site in ("north", "south"):
            assert sender.report(summary_of(site, month)).status_code == 201
    return program


def site(folder: Path) -> tuple[FastAPI, dict[str, str]]:
    """A site's program after a pull, and a header that signs in."""
    config = write_site(folder)
    fill_store(config)
    program = create_site(config)
    return program, signed_in(program)


EXAMPLES = pytest.mark.parametrize(
    "examples", [FEW, pytest.param(MANY, marks=pytest.mark.full)], ids=["few", "many"]
)


@EXAMPLES
def test_the_network_answers_every_question(tmp_path: Path, examples: int) -> None:
    assert ask(network(tmp_path), examples, {}) >= 15


@EXAMPLES
def test_the_site_answers_every_question(tmp_path: Path, examples: int) -> None:
    program, headers = site(tmp_path)
    assert ask(program, examples, headers) >= 3
