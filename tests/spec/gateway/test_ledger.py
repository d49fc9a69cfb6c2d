"""The ledger: what is in it, and that nobody can change it unseen."""

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
import rfc8785
from joserfc.jwk import OKPKey
from sqlmodel import Session
from typer.testing import CliRunner

from service.cli import app
from service.errors import StoreError
from service.fhir import signature
from service.gateway.gateway import open_gateway
from service.gateway.keys import new_ledger_key, public_x
from service.gateway.rotation import rotate
from service.gateway.row import Answered, NewKey, Sending, Taken
from service.gateway.software import digest
from service.measure.head import Head
from service.measure.summary import sha256
from service.network.heads import LedgerHead, heads_of
from tests.faults.receiver import Receiver
from tests.gateways import Engine
from tests.releases import release


@pytest.fixture
def sent(engine: Engine, receiver: Receiver) -> Engine:
    """A gateway that delivered two reports."""
    engine.leave(release("2024-Q1").body, release("2024-Q2").body)
    assert engine.deliver().sent == 2
    return engine


def test_a_report_is_announced_before_it_leaves_and_answered_after(sent: Engine) -> None:
    assert sent.events() == [
        *("opened", "taken", "taken", "greeted"),
        *("sending", "answered", "sending", "answered"),
    ]
    body = release("2024-Q1").body
    (row, *_) = [row for row in sent.rows() if isinstance(row, Sending)]
    assert (row.report, row.bytes, row.mode) == (sha256(body), len(body), "automatic")
    assert (row.software, row.policy) == (
        digest(),
        json.loads(body)["extension"][1]["extension"][3]["valueString"],
    )
    (answer, *_) = [row for row in sent.rows() if isinstance(row, Answered)]
    assert answer.signed is not None and answer.receipt is not None


def test_the_announcement_is_on_disk_when_the_network_hears_of_it(
    engine: Engine, receiver: Receiver
) -> None:
    """Looked at in the moment in which the report arrives."""
    engine.leave()
    seen: list[list[str]] = []

    def look(key: str) -> None:
        seen.append(engine.events())

    with receiver.spoiled(look):
        engine.deliver()
    assert seen == [["opened", "taken", "greeted", "sending"]]


def test_only_its_owner_reads_it(sent: Engine) -> None:
    files = [path for path in (sent.folder / "gateway").rglob("*") if path.is_file()]
    assert len(files) > 4
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_it_can_be_checked_with_any_implementation(sent: Engine) -> None:
    """Canonical JSON, SHA-256 and Ed25519: nothing of ours is needed."""
    lines = sent.ledger.read_bytes().splitlines()
    key = key_of(sent)
    prev = None
    for number, text in enumerate(lines, 1):
        line = json.loads(text)
        assert rfc8785.dumps(line) == text
        assert (line["row"]["seq"], line["row"]["prev"]) == (number, prev)
        signature.verify(rfc8785.dumps(line["row"]), line["signed"], lambda kid: key)
        prev = sha256(text)


def key_of(engine: Engine) -> OKPKey:
    with open_gateway(engine.config) as gateway:
        return gateway.ledger.key


def test_nothing_is_wrong_with_it(sent: Engine, receiver: Receiver) -> None:
    found = sent.verify()
    assert (found.problems, found.rows, found.sent) == ((), 8, 2)


def _edit(lines: list[bytes]) -> list[bytes]:
    return [line.replace(b'"status":201', b'"status":200') for line in lines]


def _edit_and_mend(lines: list[bytes]) -> list[bytes]:
    """Someone who knows how the chain works, and does not have the key."""
    made: list[bytes] = []
    for text in _edit(lines):
        line = json.loads(text)
        line["row"]["prev"] = sha256(made[-1]) if made else None
        made.append(rfc8785.dumps(line))
    return made


TAMPERINGS: dict[str, tuple[Callable[[list[bytes]], list[bytes]], str]] = {
    "an edit": (_edit, "does not follow"),
    "an edit with a mended chain": (_edit_and_mend, "not signed with the ledger's key"),
    "a deletion": (lambda lines: lines[:3] + lines[4:], "row 4 does not follow"),
    "a row twice": (lambda lines: lines[:4] + lines[3:], "row 5 does not follow"),
    "two rows swapped": (lambda lines: [*lines[:2], lines[3], lines[2], *lines[4:]], "row 3"),
    "a beginning cut off": (lambda lines: lines[1:], "row 1"),
    "an end cut off": (lambda lines: lines[:-2], "the ledger ends before it"),
    "everything gone": (lambda lines: [], "there is no ledger"),
}


@pytest.mark.parametrize(("tamper", "problem"), TAMPERINGS.values(), ids=TAMPERINGS)
def test_tampering_is_found(
    sent: Engine,
    receiver: Receiver,
    tamper: Callable[[list[bytes]], list[bytes]],
    problem: str,
) -> None:
    heads = known_heads(receiver)
    lines = sent.ledger.read_bytes().splitlines()
    sent.ledger.write_bytes(b"".join(line + b"\n" for line in tamper(lines)))
    assert any(problem in each for each in sent.verify(heads=heads).problems)


def known_heads(receiver: Receiver) -> list[Head]:
    return [Head(seq=each.seq, hash=each.hash) for each in _heads_rows(receiver)]


def test_a_ledger_that_its_gateway_wrote_anew_does_not_have_the_networks_heads(
    sent: Engine, receiver: Receiver
) -> None:
    """The thief of the key can sign what he likes; the network remembers."""
    heads = known_heads(receiver)
    sent.ledger.unlink()
    with open_gateway(sent.config) as gateway:
        for number in range(8):
            gateway.note(Taken.model_validate_json(_taken(number)))
    assert not any("signed" in problem for problem in sent.verify().problems)
    assert any("not the one that the network knows" in p for p in sent.verify(heads=heads).problems)


def _taken(number: int) -> str:
    some = sha256(b"%d" % number)
    return json.dumps(
        dict.fromkeys(("report", "release", "policy", "package"), some)
        | {"bytes": 1, "measure": "urn:x|1", "period": "2024-01-01/2024-01-31"}
        | {"mapping": "none", "engine": "0.1.0", "signed_by": "k"}
    )


def test_bytes_that_were_changed_in_the_archive_are_found_and_not_sent(sent: Engine) -> None:
    path = sent.folder / "gateway" / "archive" / sha256(release("2024-Q1").body)[7:]
    path.write_bytes(path.read_bytes().replace(b'"count":90', b'"count":93'))
    assert any("archive" in problem for problem in sent.verify().problems)


def test_a_line_that_a_crash_cut_short_is_cut_off_and_the_rest_holds(
    sent: Engine, receiver: Receiver
) -> None:
    with sent.ledger.open("ab") as file:
        file.write(b'{"row":{"at":"2026')
    sent.leave(release("2024-Q3").body)
    assert sent.deliver().sent == 1
    assert sent.verify(heads=known_heads(receiver)).problems == ()


def test_a_damaged_ledger_stops_everything(sent: Engine, receiver: Receiver) -> None:
    data = sent.ledger.read_bytes()
    sent.ledger.write_bytes(data.replace(b'"status":201', b'"status":200'))
    sent.leave(release("2024-Q3").body)
    with pytest.raises(StoreError, match="does not follow"):
        sent.deliver()
    assert len(receiver.submissions()) == 2


def test_a_new_key_has_the_former_ones_word_and_the_network_follows(
    sent: Engine, receiver: Receiver
) -> None:
    with open_gateway(sent.config) as gateway:
        rotate(gateway)
    sent.leave(release("2024-Q3").body)
    assert sent.deliver().sent == 1
    assert sent.verify(heads=known_heads(receiver)).problems == ()
    assert len({each.x for each in _heads_rows(receiver)}) == 2


def _heads_rows(receiver: Receiver) -> list[LedgerHead]:
    with Session(receiver.engine) as session:
        return heads_of(session, "north")


def test_a_rotation_that_a_crash_cut_short_is_ended(sent: Engine, receiver: Receiver) -> None:
    with open_gateway(sent.config) as gateway:  # all but the last step of `rotate`
        former, key = gateway.ledger.key, new_ledger_key(sent.config.data_dir)
        handover = signature.sign(public_x(key).encode(), former, former.thumbprint())
        gateway.ledger.append(NewKey(x=public_x(key), handover=handover), key_after=key)
    sent.leave(release("2024-Q3").body)
    assert sent.deliver().sent == 1
    assert sent.verify().problems == ()


def test_a_lost_key_stops_the_gateway(sent: Engine) -> None:
    (sent.folder / "gateway" / "keys" / "ledger.key").unlink()
    with pytest.raises(StoreError, match="not the one that signs"):
        sent.deliver()


def test_the_command_says_what_is_wrong(sent: Engine, receiver: Receiver, tmp_path: Path) -> None:
    heads = tmp_path / "heads.json"
    heads.write_text(json.dumps([dict(each) for each in known_heads(receiver)]))
    command = ["ledger", "verify", str(sent.ledger), "--archive", str(sent.config.data_dir)]
    command += ["--heads", str(heads)]
    good = CliRunner().invoke(app, command)
    assert (good.exit_code, "8 rows, 2 reports" in good.stdout) == (0, True)
    sent.ledger.write_bytes(b"".join(sent.ledger.read_bytes().splitlines(True)[:-3]))
    bad = CliRunner().invoke(app, command)
    assert bad.exit_code == 1
    assert bad.stdout.startswith("WRONG: the network knows row")
