"""`weir site withdraw`: two persons take back a number that is known to be wrong."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from service.cli import app
from service.errors import ConfigError, RequestError
from service.measure.summary import Absent, parse
from service.site.audit import open_audit_log
from service.site.database import open_database
from service.site.history import History
from service.site.outbox import Outbox
from service.site.resubmission import Held
from service.site.tokens import make_token
from tests.releases import READMISSION, outcome, release
from tests.spec.release.test_keys import CONFIG

LIFETIME = timedelta(days=1)


class Site:
    """A site that released one number, and two people who work there."""

    def __init__(self, folder: Path) -> None:
        (folder / "site.toml").write_text(CONFIG)
        self.folder = folder
        self.engine = open_database(folder / "data")
        self.history, self.outbox = History(self.engine), Outbox(self.engine)
        made = release()
        self.history.append(made.memory)
        self.outbox.enqueue(made)
        now = datetime.now(UTC)
        self.first, self.second = (
            make_token(self.engine, label, LIFETIME, now) for label in ("A. Smith", "B. Jones")
        )

    def withdraw(self, token: str, period: str = "2024-Q1") -> Result:
        config = str(self.folder / "site.toml")
        command = ["site", "withdraw", READMISSION, period, "--config", config]
        return CliRunner().invoke(app, command, input=f"{token}\n")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_one_person_proposes_and_another_agrees(site: Site) -> None:
    assert "a second person" in site.withdraw(site.first).stdout
    assert len(site.outbox.queued()) == 1, "nothing new is to be sent yet"
    assert "proposed by A. Smith, agreed by B. Jones" in site.withdraw(site.second).stdout
    told = parse(site.outbox.queued()[-1].body).summary
    assert told.completeness.reasons == {"withdrawn"}
    for group in told.groups:
        assert {group.eligible, *group.populations.values()} == {Absent.NOT_COMPUTABLE}


def test_nobody_does_both(site: Site) -> None:
    site.withdraw(site.first)
    again = make_token(site.engine, "A. Smith", LIFETIME, datetime.now(UTC))
    for token in (site.first, again):
        assert isinstance(site.withdraw(token).exception, ConfigError)
    assert len(site.outbox.queued()) == 1


def test_nobody_without_a_token_does_either(site: Site) -> None:
    assert isinstance(site.withdraw("weir_0_guess").exception, RequestError)


def test_only_a_number_that_stands_is_taken_back(site: Site) -> None:
    assert isinstance(site.withdraw(site.first, "2024-Q2").exception, ConfigError)
    site.withdraw(site.first)
    site.withdraw(site.second)
    assert isinstance(site.withdraw(site.first).exception, ConfigError)


def test_it_is_written_down_who_did(site: Site) -> None:
    site.withdraw(site.first)
    site.withdraw(site.second)
    log = open_audit_log(site.engine, site.folder / "data").entries()
    done = [(each.action, each.label) for each in log if each.outcome == "done"]
    assert done == [("withdraw", "A. Smith"), ("withdraw", "B. Jones")]


def test_what_was_withdrawn_stays_so_until_many_patients_changed(site: Site) -> None:
    site.withdraw(site.first)
    site.withdraw(site.second)
    history = site.history.all()
    same = outcome(history=history)
    assert same.held is Held.WITHDRAWN
    assert same.release and same.release.body == history[-1].body
    assert outcome(counts=(90, 15, 40), history=history).held is None
