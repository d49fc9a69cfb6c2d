"""`weir site sent`: the site can see what left it."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from service.cli import app
from service.errors import ConfigError
from service.site.database import open_database
from service.site.outbox import Outbox, Status
from tests.releases import release
from tests.spec.release.test_keys import CONFIG


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    (tmp_path / "site.toml").write_text(CONFIG)
    return Outbox(open_database(tmp_path / "data"))


def sent(folder: Path, *options: str) -> Result:
    command = ["site", "sent", "--config", str(folder / "site.toml"), *options]
    return CliRunner().invoke(app, command)


def test_every_report_is_listed_with_what_came_of_it(outbox: Outbox, tmp_path: Path) -> None:
    for quarter in ("2024-Q1", "2024-Q2", "2024-Q3"):
        outbox.enqueue(release(quarter))
    first, second, _ = outbox.queued()
    outbox.record(first, Status.SENT, "receipt-1")
    outbox.record(second, Status.REFUSED, "HTTP 422, invalid")
    told = sent(tmp_path).stdout
    for words in ("receipt-1", "HTTP 422, invalid", "queued", release("2024-Q3").key):
        assert words in told


def test_the_exact_bytes_can_be_read(outbox: Outbox, tmp_path: Path) -> None:
    outbox.enqueue(release())
    assert sent(tmp_path, "--show", release().key).stdout_bytes == release().body


def test_an_unknown_key_is_said_to_be_one(outbox: Outbox, tmp_path: Path) -> None:
    assert isinstance(sent(tmp_path, "--show", "sha256:none").exception, ConfigError)
