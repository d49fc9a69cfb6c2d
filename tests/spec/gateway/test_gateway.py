"""The gateway: what it lets pass, what it does not, and what the engine learns of it."""

import ast
import json
from base64 import b64encode
from pathlib import Path

import pytest
from sqlmodel import Session
from typer.testing import CliRunner

import service
from service.cli import app
from service.disclosure import ELIGIBLE
from service.errors import ConfigError, StoreError
from service.gateway.config import ApprovalConfig
from service.gateway.gateway import open_gateway
from service.gateway.row import Reason, Void
from service.gateway.sending import LedgerBehindError
from service.gateway.spool import OUT, Fate
from service.measure.summary import parse
from service.network.heads import accept_new
from service.site.keys import site_keys
from tests.faults.receiver import Receiver
from tests.gateways import GATEWAY_TOML, Engine, approver
from tests.releases import READMISSION, package, release


def test_a_release_goes_from_the_spool_to_the_network_byte_for_byte(
    engine: Engine, receiver: Receiver
) -> None:
    engine.leave()
    assert engine.deliver().sent == 1
    (arrived,) = receiver.submissions()
    assert arrived.body == release().body
    (answer,) = engine.answers()
    assert (answer.fate, answer.receipt) == (Fate.SENT, arrived.receipt)
    assert engine.spool.letters() == []


def test_names_of_files_say_nothing(engine: Engine, receiver: Receiver) -> None:
    engine.leave()
    (letter,) = engine.spool.letters()
    assert letter.name.removeprefix("00000001-").isalnum()


def test_a_letter_that_comes_again_is_answered_and_not_sent_again(
    engine: Engine, receiver: Receiver
) -> None:
    """The engine was killed before it wrote down the receipt."""
    engine.leave()
    engine.deliver()
    for path, _ in engine.spool.answers():
        path.unlink()
    engine.leave()
    with receiver.spoiled(lambda key: None):
        engine.deliver()
        assert receiver.asked == []
    assert [answer.fate for answer in engine.answers()] == [Fate.SENT]


def test_dry_run_does_everything_but_open_the_socket(engine: Engine, receiver: Receiver) -> None:
    engine.leave()
    with receiver.spoiled(lambda key: None):
        done = engine.deliver(dry_run=True)
        assert receiver.asked == []
    assert [each.fate for each in done.standings] == [Fate.WAITING]
    assert engine.events() == ["opened", "taken", "dry-run"]
    assert engine.deliver().sent == 1


BODY = release().body
PATIENT = b'{"resourceType":"Patient","id":"pat-7"}'
SIX = BODY.replace(b'"count":90', b'"count":6')
TOLD = json.dumps(json.loads(BODY) | {"text": {"div": "Mrs Smith"}}).encode()
ELSEWHERE = release(site="south").body


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (PATIENT, Reason.NOT_A_REPORT),
        (SIX, Reason.NOT_A_REPORT),
        (TOLD, Reason.NOT_A_REPORT),
        (b"", Reason.NOT_A_REPORT),
        (ELSEWHERE, Reason.ANOTHER_SITE),
    ],
)
def test_what_is_no_report_of_this_site_does_not_pass(
    engine: Engine, receiver: Receiver, body: bytes, reason: Reason
) -> None:
    """Though the engine signed it: the gateway judges the bytes, and not on the engine's word."""
    engine.leave(body)
    assert engine.deliver().sent == 0
    assert [row.reason for row in engine.rows() if isinstance(row, Void)] == [reason]
    assert receiver.submissions() == []
    assert [answer.fate for answer in engine.answers()] == [Fate.VOID]
    kept = [p for p in (engine.folder / "gateway").rglob("*") if p.is_file()]
    assert not [p for p in kept if body and body in p.read_bytes()]


def test_what_another_key_signed_does_not_pass(
    engine: Engine, receiver: Receiver, tmp_path: Path
) -> None:
    stranger = site_keys(tmp_path / "stranger")
    engine.spool.put(1, BODY, stranger.sign(BODY))
    engine.deliver()
    assert [r.reason for r in engine.rows() if isinstance(r, Void)] == [Reason.NOT_SIGNED]


@pytest.mark.parametrize("data", [b"", b"{}", b"not json", b'{"order":1}', b"\xff" * 100])
def test_what_is_no_letter_is_taken_away_and_noted(engine: Engine, data: bytes) -> None:
    path = engine.spool.folder / OUT / "00000001-x"
    path.write_bytes(data)
    engine.deliver()
    assert [r.reason for r in engine.rows() if isinstance(r, Void)] == [Reason.NOT_A_LETTER]
    assert not path.exists()


def test_a_letter_with_more_in_it_than_its_schema_is_none(engine: Engine) -> None:
    letter = {"order": 1, "body64": b64encode(BODY).decode(), "signature": engine.keys.sign(BODY)}
    path = engine.spool.folder / OUT / "00000001-x"
    path.write_text(json.dumps(letter | {"note": "Mrs Smith"}))
    engine.deliver()
    assert engine.events() == ["opened", "void"]


def _catalogue(folder: Path, **changes: object) -> Path:
    summary = parse(BODY).summary
    groups = {g.id: [c for c in g.populations if c != ELIGIBLE] for g in summary.groups}
    measure = {
        "measure": f"{READMISSION}|{package().version}",
        "package": package().hash,
        "scoring": summary.scoring,
        "groups": groups,
    }
    site = {"site": "north", "timezone": "UTC", "policies": [summary.provenance.policy]}
    path = folder / "catalogue.json"
    path.write_text(json.dumps(site | {"measures": [measure | changes]}))
    return path


def test_what_the_catalogue_lists_passes(engine: Engine, receiver: Receiver) -> None:
    engine.catalogue = _catalogue(engine.folder)
    engine.leave()
    assert engine.deliver().sent == 1


NOT_LISTED: dict[str, dict[str, object]] = {
    "another measure": {"measure": "urn:weir:measure:other|1.0.0"},
    "another version": {"measure": f"{READMISSION}|9.9.9"},
    "other logic": {"package": "sha256:" + "0" * 64},
    "another group": {"groups": {"other": ["denominator"]}},
    "fewer populations": {"groups": {"readmission": ["denominator"]}},
    "another scoring": {"scoring": "cohort"},
}


@pytest.mark.parametrize("changes", NOT_LISTED.values(), ids=NOT_LISTED)
def test_what_the_catalogue_does_not_list_does_not_pass(
    engine: Engine, changes: dict[str, object]
) -> None:
    engine.catalogue = _catalogue(engine.folder, **changes)
    engine.leave()
    engine.deliver()
    assert [r.reason for r in engine.rows() if isinstance(r, Void)] == [Reason.NOT_IN_CATALOGUE]


def test_a_policy_for_another_network_stops_the_gateway(engine: Engine) -> None:
    path = _catalogue(engine.folder)
    told = json.loads(path.read_text()) | {"recipients": ["https://other.example"]}
    path.write_text(json.dumps(told))
    engine.catalogue = path
    with pytest.raises(ConfigError, match="not for this network"):
        engine.deliver()


def test_a_gateway_cannot_ask_for_fewer_approvals_than_the_policy(engine: Engine) -> None:
    path = _catalogue(engine.folder)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"approvals": 2}))
    engine.catalogue = path
    people = tuple(approver(engine.folder, name)[0] for name in ("lead", "officer"))
    engine.approver = people
    for persons in (0, 1):
        engine.approval = ApprovalConfig(persons=persons)
        with pytest.raises(ConfigError, match="more approvals"):
            engine.deliver()
    engine.approval = ApprovalConfig(persons=2)
    engine.leave()
    engine.deliver()
    assert [each.fate for each in engine.answers()] == [Fate.HELD]


def test_bytes_that_changed_after_they_were_taken_do_not_leave(
    engine: Engine, receiver: Receiver
) -> None:
    engine.leave()
    with open_gateway(engine.config) as gateway:
        gateway.take_in()
    (archived,) = (engine.folder / "gateway" / "archive").glob("*[!s]")
    archived.write_bytes(BODY.replace(b'"count":90', b'"count":93'))
    with pytest.raises(StoreError, match="not what was taken"):
        engine.deliver()
    assert receiver.submissions() == []
    assert "sending" not in engine.events()


def test_a_ledger_that_went_back_sends_nothing_more(engine: Engine, receiver: Receiver) -> None:
    """An old backup, or someone who cut off its end: the network remembers its head."""
    engine.leave(release("2024-Q1").body)
    engine.deliver()
    old = engine.ledger.read_bytes()
    engine.leave(release("2024-Q2").body)
    engine.deliver()
    engine.ledger.write_bytes(old)
    engine.leave(release("2024-Q3").body)
    with receiver.spoiled(lambda key: None):
        with pytest.raises(LedgerBehindError):
            engine.deliver()
        assert receiver.asked == [], "no report left"
    state = engine.spool.state()
    assert state is not None and state.behind, "the engine learns of it, and releases nothing"


def test_a_lost_ledger_begins_anew_only_when_the_networks_staff_accept_it(
    engine: Engine, receiver: Receiver
) -> None:
    engine.leave(release("2024-Q1").body)
    engine.deliver()
    (engine.folder / "gateway").rename(engine.folder / "lost")
    engine.leave(release("2024-Q2").body)
    with pytest.raises(LedgerBehindError):
        engine.deliver()
    with Session(receiver.engine) as session:
        accept_new(session, "staff", "north")
        session.commit()
    assert engine.deliver().sent == 1
    state = engine.spool.state()
    assert state is not None and not state.behind


def test_two_at_once_are_one_too_many(engine: Engine) -> None:
    with open_gateway(engine.config), pytest.raises(StoreError, match="another gateway"):
        engine.deliver()


def test_there_is_one_place_where_bytes_leave() -> None:
    """One call in all of the gateway and the site's push posts anything; it is `WayOut.send`."""
    root = Path(service.__file__).parent
    files = [
        *(root / "gateway").glob("*.py"),
        root / "site" / "push.py",
        root / "site" / "outbox.py",
    ]
    posting = [
        (path.name, node.func.attr)
        for path in files
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        if node.func.attr in ("post", "put_bytes", "request", "stream", "sendall", "urlopen")
    ]
    assert posting == [("way_out.py", "post")]


def test_it_runs_as_a_program_of_its_own(engine: Engine, receiver: Receiver) -> None:
    """From gateway.toml alone, in which nothing of the EHR stands."""
    _catalogue(engine.folder)
    config = engine.folder / "gateway.toml"
    config.write_text(GATEWAY_TOML.format(url=receiver.url))
    engine.leave()
    done = CliRunner().invoke(app, ["gateway", "run", "--config", str(config)])
    assert (done.exit_code, "1 reports delivered" in done.stdout) == (0, True), done.output


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('site = "north"', 'site = "north"\n[fhir]\nbase_url = "https://ehr.example"', "fhir"),
        ('catalogue = "catalogue.json"\n', "", "catalogue is missing"),
        ('url = "{url}"', 'kind = "file"', "receipt_keys"),
        ('url = "{url}"', 'url = "https://n.example"\ntoken_file = "t"', "for kind fhir"),
        ("[network]", "[approval]\npersons = 1\n[network]", "approver"),
    ],
)
def test_a_mistake_in_its_configuration_is_named(
    engine: Engine, old: str, new: str, complaint: str
) -> None:
    config = engine.folder / "gateway.toml"
    config.write_text(GATEWAY_TOML.replace(old, new).format(url="https://n.example"))
    done = CliRunner().invoke(app, ["gateway", "run", "--config", str(config)])
    assert complaint in str(done.exception)
