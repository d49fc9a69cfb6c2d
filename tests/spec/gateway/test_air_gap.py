"""Where no line leads to the network: a file there, a file back."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from service.errors import ConfigError, RefusedError
from service.gateway.air_gap import pack, unpack_replies
from service.gateway.gateway import open_gateway
from service.gateway.spool import Fate
from service.measure.parcel import Reply
from service.network.carried import receive_parcel
from service.network.config import NetworkConfig
from service.network.keyring import open_keyring
from tests.faults.receiver import Receiver
from tests.faults.test_push import network_config
from tests.gateways import Engine
from tests.releases import release


@pytest.fixture
def carrier(engine: Engine, receiver: Receiver) -> Engine:
    """A site without a line, which left two reports; the network's keys came by hand."""
    engine.url = ""
    engine.receipt_keys = engine.folder / "network.jwks.json"
    jwks = open_keyring(_network(engine).keys).jwks
    engine.receipt_keys.write_text(json.dumps(jwks))
    engine.leave(release("2024-Q1").body, release("2024-Q2").body)
    assert engine.deliver().sent == 0
    return engine


def _network(engine: Engine) -> NetworkConfig:
    return network_config(engine.folder, north=engine.keys)


def _export(engine: Engine) -> bytes:
    path = engine.folder / "parcel.json"
    path.unlink(missing_ok=True)
    with open_gateway(engine.config) as gateway:
        assert pack(gateway, path) == 2
    return path.read_bytes()


def _receive(engine: Engine, receiver: Receiver, data: bytes) -> Path:
    config = _network(engine)
    done = receive_parcel(receiver.engine, config, open_keyring(config.keys), data)
    path = engine.folder / "receipts.json"
    path.write_text(done.model_dump_json())
    return path


def _import(engine: Engine, path: Path) -> int:
    with open_gateway(engine.config) as gateway:
        return unpack_replies(gateway, path)


def test_reports_arrive_and_receipts_come_back(carrier: Engine, receiver: Receiver) -> None:
    receipts = _receive(carrier, receiver, _export(carrier))
    assert [each.body for each in receiver.submissions()] == [
        release("2024-Q1").body,
        release("2024-Q2").body,
    ]
    assert _import(carrier, receipts) == 2
    assert [each.fate for each in carrier.answers()] == [Fate.SENT] * 2
    assert carrier.verify().problems == ()


def test_the_ledger_has_it_before_the_file_is_there(carrier: Engine) -> None:
    _export(carrier)
    assert carrier.events() == ["opened", "taken", "taken", "sending", "sending"]


def test_carried_twice_is_received_once(carrier: Engine, receiver: Receiver) -> None:
    data = _export(carrier)
    _receive(carrier, receiver, data)
    receipts = _receive(carrier, receiver, data)
    assert len(receiver.submissions()) == 2
    assert (_import(carrier, receipts), _import(carrier, receipts)) == (2, 0)


@pytest.mark.parametrize("what", ["a report less", "the order", "another report", "no parcel"])
def test_a_parcel_that_was_opened_is_not_received(
    carrier: Engine, receiver: Receiver, what: str
) -> None:
    parcel = json.loads(_export(carrier))
    match what:
        case "a report less":
            parcel["reports"].pop()
        case "the order":
            parcel["reports"].reverse()
        case "another report":
            parcel["reports"][0]["body64"] = parcel["reports"][1]["body64"]
        case _:
            parcel = {}
    with pytest.raises(RefusedError, match="no parcel"):
        _receive(carrier, receiver, json.dumps(parcel).encode())
    assert receiver.submissions() == []


def test_a_receipt_that_the_network_did_not_sign_is_none(
    carrier: Engine, receiver: Receiver
) -> None:
    receipts = _receive(carrier, receiver, _export(carrier))
    replies = json.loads(receipts.read_text())
    replies["replies"][0]["signed"] = replies["replies"][1]["signed"]
    receipts.write_text(json.dumps(replies))
    with pytest.raises(RefusedError, match="not signed by the network"):
        _import(carrier, receipts)


def test_a_refusal_comes_back_too(carrier: Engine, receiver: Receiver) -> None:
    receipts = _receive(carrier, receiver, _export(carrier))
    replies = json.loads(receipts.read_text())
    refused = Reply(report=replies["replies"][0]["report"], status=403, issue="forbidden")
    replies["replies"][0] = refused.model_dump()
    receipts.write_text(json.dumps(replies))
    assert _import(carrier, receipts) == 1
    assert sorted(each.fate for each in carrier.answers()) == [Fate.REFUSED, Fate.SENT]


def test_without_the_networks_keys_no_receipt_counts(carrier: Engine, receiver: Receiver) -> None:
    receipts = _receive(carrier, receiver, _export(carrier))
    online = replace(carrier, url=receiver.url, receipt_keys=None)
    with open_gateway(online.config) as gateway, pytest.raises(ConfigError, match="be checked"):
        unpack_replies(gateway, receipts)
