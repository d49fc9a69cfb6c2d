"""Holding for approval: people decide about exactly the bytes that are sent."""

from datetime import UTC, datetime, timedelta

import pytest
from joserfc.jwk import OKPKey
from typer.testing import CliRunner

from service.cli import app
from service.errors import ConfigError, StoreError
from service.gateway.approval import Decision, decide
from service.gateway.config import ApprovalConfig
from service.gateway.gateway import open_gateway
from service.gateway.row import Sending
from service.gateway.spool import Fate
from service.site.push import gateway_of
from tests.faults.receiver import Receiver
from tests.faults.test_push import site_config
from tests.gateways import PASSWORD, Engine, approver
from tests.releases import release

HOLD, TWO = ApprovalConfig(persons=1), ApprovalConfig(persons=2)


@pytest.fixture
def people(engine: Engine) -> dict[str, OKPKey]:
    """Two persons who may approve; each release is held for one of them."""
    named = {name: approver(engine.folder, name) for name in ("lead", "officer")}
    engine.approver = tuple(public for public, _ in named.values())
    engine.approval = HOLD
    return {name: key for name, (_, key) in named.items()}


def decided(engine: Engine, key: OKPKey, what: Decision = "approved", at: int = 0) -> None:
    with open_gateway(engine.config) as gateway:
        decide(gateway, list(gateway.consignments.by_report.values())[at], what, key)


def fates(engine: Engine) -> list[Fate]:
    with open_gateway(engine.config) as gateway:
        return [each.fate for each in gateway.standings()]


def test_nothing_leaves_before_a_person_approved(
    engine: Engine, receiver: Receiver, people: dict[str, OKPKey]
) -> None:
    engine.leave()
    assert engine.deliver().sent == 0
    assert [(a.fate, a.days_left) for a in engine.answers()] == [(Fate.HELD, 29)]
    decided(engine, people["lead"])
    assert engine.deliver().sent == 1
    (row,) = [row for row in engine.rows() if isinstance(row, Sending)]
    assert (row.mode, row.approvers) == ("hold", (people["lead"].thumbprint(),))
    keys = {key.thumbprint(): key for key in people.values()}
    assert engine.verify(approvers=keys).problems == ()


def test_two_persons_are_two(engine: Engine, receiver: Receiver, people: dict[str, OKPKey]) -> None:
    engine.approval = TWO
    engine.leave()
    engine.deliver()
    decided(engine, people["lead"])
    with pytest.raises(ConfigError, match="approved it already"):
        decided(engine, people["lead"])
    assert engine.deliver().sent == 0
    decided(engine, people["officer"])
    assert engine.deliver().sent == 1


def test_a_stranger_approves_nothing(engine: Engine, people: dict[str, OKPKey]) -> None:
    engine.leave()
    engine.deliver()
    _, stranger = approver(engine.folder, "stranger")
    with pytest.raises(ConfigError, match="no approver's"):
        decided(engine, stranger)


def test_changed_bytes_void_it(
    engine: Engine, receiver: Receiver, people: dict[str, OKPKey]
) -> None:
    engine.leave()
    engine.deliver()
    decided(engine, people["lead"])
    (archived,) = (engine.folder / "gateway" / "archive").glob("*[!s]")
    archived.write_bytes(archived.read_bytes().replace(b'"count":90', b'"count":93'))
    with pytest.raises(StoreError, match="not what was taken"):
        engine.deliver()
    assert receiver.submissions() == []


def test_a_later_refresh_does_not_replace_a_proposal(
    engine: Engine, receiver: Receiver, people: dict[str, OKPKey]
) -> None:
    """It waits behind it, and has to be approved itself."""
    first, later = release(), release(counts=(90, 15, 40), replaces=release().key)
    engine.leave(first.body)
    engine.deliver()
    engine.leave(later.body)
    engine.deliver()
    assert fates(engine) == [Fate.HELD, Fate.HELD]
    decided(engine, people["lead"], at=1)
    assert engine.deliver().sent == 0, "the later one does not overtake"
    decided(engine, people["lead"], at=0)
    assert engine.deliver().sent == 2
    assert [each.body for each in receiver.submissions()] == [first.body, later.body]


def test_a_declined_one_is_not_sent_and_the_next_may_go(
    engine: Engine, receiver: Receiver, people: dict[str, OKPKey]
) -> None:
    engine.leave(release().body, release(counts=(90, 15, 40), replaces=release().key).body)
    engine.deliver()
    decided(engine, people["lead"], "declined", at=0)
    decided(engine, people["officer"], at=1)
    assert engine.deliver().sent == 1
    assert fates(engine) == [Fate.DECLINED, Fate.SENT]


def test_a_proposal_reminds_and_expires_and_can_still_be_approved(
    engine: Engine, receiver: Receiver, people: dict[str, OKPKey]
) -> None:
    engine.leave()
    engine.deliver()
    now = datetime.now(UTC)
    with open_gateway(engine.config) as gateway:
        (early,), (late,) = gateway.standings(now), gateway.standings(now + timedelta(days=25))
        assert (early.reminds, late.reminds, late.days_left) == (False, True, 4)
        gateway.expire(now + timedelta(days=31))
    assert engine.deliver().sent == 0
    assert fates(engine) == [Fate.EXPIRED]
    decided(engine, people["lead"])
    assert engine.deliver().sent == 1


def test_a_ledger_in_which_an_approval_is_missing_does_not_verify(
    engine: Engine, receiver: Receiver, people: dict[str, OKPKey]
) -> None:
    """A gateway that was told to send at once, in a ledger whose rows say two persons."""
    engine.approval = TWO
    engine.leave()
    engine.deliver()
    decided(engine, people["lead"])
    with open_gateway(engine.config) as gateway:
        (each,) = gateway.consignments.by_report.values()
        gateway.announce(each)
    assert any("without the approvals" in problem for problem in engine.verify().problems)


def test_a_person_reads_and_approves_with_commands(
    engine: Engine, receiver: Receiver, people: dict[str, OKPKey]
) -> None:
    engine.leave()
    config = engine.folder / "site.toml"
    approvers = "".join(
        f'[[approver]]\nname = "{a.name}"\nkey_file = "{a.key_file}"\n' for a in engine.approver
    )
    config.write_text(
        f"""
        site = "north"
        measures = ["measure"]
        policy_file = "policy.toml"
        data_dir = "engine"
        [fhir]
        base_url = "https://ehr.example/fhir"
        client_id = "weir"
        key_file = "ehr.pem"
        [network]
        url = "{receiver.url}"
        [approval]
        persons = 1
        {approvers}"""
    )
    folder = engine.folder / "engine" / "spool"
    engine.spool.folder.rename(folder)
    told = {word: _weir(engine, word) for word in ("proposals", "show")}
    assert "urn:weir:measure:readmission" in told["proposals"]
    assert "would be sent" in told["show"] and "90" in told["show"]
    key = str(engine.folder / "lead.pem")
    assert "1 reports approved" in _weir(engine, "approve", "--key", key, "--yes")
    assert "1 reports delivered" in _weir(engine, "run")
    assert len(receiver.submissions()) == 1
    site = site_config(engine.folder / "engine", receiver.url)
    assert site.network is not None
    with open_gateway(gateway_of(site, site.network, engine.keys)) as gateway:
        assert [each.fate for each in gateway.standings()] == [Fate.SENT]


def _weir(engine: Engine, *arguments: str) -> str:
    command = ["gateway", *arguments, "--config", str(engine.folder / "site.toml")]
    done = CliRunner().invoke(app, command, input=PASSWORD.decode() + "\n", env={"COLUMNS": "200"})
    assert done.exit_code == 0, (done.output, done.exception)
    return done.stdout


def test_a_wrong_password_opens_no_key(engine: Engine, people: dict[str, OKPKey]) -> None:
    engine.leave()
    engine.deliver()
    command = ["gateway", "approver", str(engine.folder / "new.pem")]
    assert CliRunner().invoke(app, command, input="short\n").exit_code == 1
    made = CliRunner().invoke(app, command, input="long enough\n")
    assert made.exit_code == 0 and '"d"' not in made.stdout
    assert b"ENCRYPTED" in (engine.folder / "new.pem").read_bytes()
