"""Where no line leads to the network: a file there, a file back."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from service.errors import ConfigError, RefusedError
from service.gateway.air_gap import pack, unpack_replies
from service.gateway.gateway import open_gateway
from service.gateway.keys import ed25519, public_jwk
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


@pytest.mark.parametrize(
    "what", ["a report less", "the order", "another report", "another network", "no parcel"]
)
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
        case "another network":
            parcel["to"] = [carrier.keys.kid]
        case _:
            parcel = {}
    with pytest.raises(RefusedError, match="no parcel"):
        _receive(carrier, receiver, json.dumps(parcel).encode())
    assert receiver.submissions() == []


def test_a_parcel_names_its_network_by_the_keys_that_the_gateway_has_of_it(
    carrier: Engine, receiver: Receiver
) -> None:
    """A network that changed its key for receipts is still the same for sites that know both."""
    other = public_jwk(ed25519(bytes(32)))
    assert carrier.receipt_keys
    own = json.loads(carrier.receipt_keys.read_text())["keys"]
    carrier.receipt_keys.write_text(json.dumps({"keys": [other, *own]}))
    data = _export(carrier)
    assert set(json.loads(data)["to"]) == {other["kid"], own[0]["kid"]}
    assert _import(carrier, _receive(carrier, receiver, data)) == 2


def test_a_parcel_for_another_network_is_not_received(carrier: Engine, receiver: Receiver) -> None:
    """Even where that one knows the site as well, and would take each of the reports."""
    other = public_jwk(ed25519(bytes(32)))
    assert carrier.receipt_keys
    carrier.receipt_keys.write_text(json.dumps(other))
    with pytest.raises(RefusedError, match="for another network") as refused:
        _receive(carrier, receiver, _export(carrier))
    assert other["kid"] in str(refused.value)
    assert receiver.submissions() == []


def test_a_parcel_of_before_names_no_network(carrier: Engine, receiver: Receiver) -> None:
    """It may have been meant for another one: what is in it is packed anew."""
    parcel = json.loads(_export(carrier)) | {"format": "weir parcel 1"}
    del parcel["to"]
    with pytest.raises(RefusedError, match="does not name its network") as refused:
        _receive(carrier, receiver, json.dumps(parcel).encode())
    assert "weir gateway export" in str(refused.value)
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


def test_without_the_networks_keys_nothing_is_packed_and_no_receipt_counts(
    carrier: Engine, receiver: Receiver
) -> None:
    receipts = _receive(carrier, receiver, _export(carrier))
    online = replace(carrier, url=receiver.url, receipt_keys=None)
    known = carrier.events()
    with open_gateway(online.config) as gateway:
        with pytest.raises(ConfigError, match="keys are not known here"):
            unpack_replies(gateway, receipts)
        with pytest.raises(ConfigError, match="keys are not known here"):
            pack(gateway, carrier.folder / "another.json")
    assert carrier.events() == known
