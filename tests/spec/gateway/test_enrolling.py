"""How a site joins a network by itself: two keys presented, six words each read by telephone."""

import json
from pathlib import Path

import pytest
from sqlmodel import Session
from typer.testing import CliRunner, Result

from service.cli import app
from service.errors import ConfigError, RequestError, StoreError, UnavailableError
from service.fhir.fingerprint import FIRST, SECOND, WORDS, fingerprint
from service.gateway.config import GatewayConfig
from service.gateway.enrolling import Introduction, introductions, present
from service.gateway.gateway import open_gateway
from service.gateway.keys import ed25519, public_x
from service.measure import enrolment
from service.measure.enrolment import State
from service.network import heads
from service.network.enrolment import accept, waiting
from service.network.roster import keys_of
from service.site.keys import site_keys
from tests.faults.receiver import Receiver, run_receiver
from tests.faults.test_push import network_config
from tests.gateways import GATEWAY_TOML, Engine
from tests.releases import MEASURES, READMISSION

STAFF = "staff@example.org"


@pytest.fixture
def stranger(engine: Engine, tmp_path: Path):  # type: ignore[no-untyped-def]
    """A network that knows another site, but nothing of this one."""
    others = site_keys(tmp_path / "others")
    with run_receiver(network_config(engine.folder, south=others)) as receiver:
        engine.url = receiver.url
        yield receiver


def leave(engine: Engine, **changes: object) -> None:
    """What `weir site enrol` leaves in the spool."""
    told = {"name": "North Hospital", "measures": [READMISSION], "use": "reports"} | changes
    key = told.pop("key", engine.keys.signing)
    engine.spool.present(*enrolment.made(told.pop("site", "north"), key=key, **told))  # type: ignore[arg-type]


def asked(config: GatewayConfig) -> list[Introduction]:
    with open_gateway(config) as gateway:
        return introductions(gateway)


def enrol(engine: Engine) -> list[State]:
    with open_gateway(engine.config) as gateway:
        return [present(gateway, each) for each in introductions(gateway)]


def decide(receiver: Receiver) -> list[str]:
    """Staff accept what waits; the words that stood beside the buttons."""
    with Session(receiver.engine) as session:
        found = waiting(session)
        words = [each.words for each in found]
        for each in found:
            accept(session, STAFF, each, frozenset(json.loads(each.measures)))
        session.commit()
    return words


def test_both_keys_are_presented_accepted_and_work(engine: Engine, stranger: Receiver) -> None:
    leave(engine)
    engine.leave()
    assert engine.deliver().sent == 0, "nobody has enrolled this site"
    assert enrol(engine) == ["pending", "pending"]
    words = decide(stranger)
    assert words == [each.request.jwk.words for each in asked(engine.config)]
    assert words[0] == fingerprint(public_x(engine.keys.signing)), "as the engine prints them"
    assert enrol(engine) == ["accepted", "accepted"]
    assert engine.events()[-2:] == ["presented", "presented"], "what leaves stands in the ledger"
    engine.leave()
    assert engine.deliver().sent == 1


def test_a_revoked_key_is_told_as_such(engine: Engine, stranger: Receiver) -> None:
    leave(engine)
    enrol(engine)
    decide(stranger)
    with Session(stranger.engine) as session:
        (key,) = keys_of(session, "north")
        key.revoked = "2026-01-01T00:00:00Z"
        session.add(key)
        session.commit()
    assert enrol(engine) == ["revoked", "accepted"]


def test_a_ledger_that_begins_with_another_key_than_the_accepted_one_is_refused(
    engine: Engine, stranger: Receiver, tmp_path: Path
) -> None:
    """Somebody who has the engine's key, and not the gateway's, begins no ledger of this site."""
    leave(engine)
    enrol(engine)
    decide(stranger)
    other = Engine(tmp_path / "other", engine.url)
    with open_gateway(other.config) as gateway:
        statement = gateway.statement()
    with Session(stranger.engine) as session, pytest.raises(RequestError) as refused:
        heads.checked(session, statement)
    assert refused.value.status == 412 and "weir gateway enrol" in str(refused.value)
    with open_gateway(engine.config) as gateway, Session(stranger.engine) as session:
        assert heads.checked(session, gateway.statement()).site == "north"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"key": ed25519(bytes(32))}, "not the one in `reports_key`"),
        ({"site": "south"}, "not this site's"),
        ({"use": "ledger"}, "not for reports"),
    ],
)
def test_the_gateway_presents_only_the_key_that_it_knows(
    engine: Engine, changes: dict[str, object], why: str
) -> None:
    leave(engine, **changes)
    with pytest.raises(StoreError, match=why):
        asked(engine.config)


def test_what_the_engine_signed_and_somebody_changed_is_not_presented(engine: Engine) -> None:
    body, signed = enrolment.made("north", "North", engine.keys.signing, (), "reports")
    engine.spool.present(body.replace(b"North", b"Mrs Smith"), signed)
    with pytest.raises(StoreError, match="weir site enrol"):
        asked(engine.config)


def test_keys_are_presented_to_a_weir_network_only(engine: Engine) -> None:
    (engine.folder / "network.jwks.json").write_text('{"keys": []}')
    engine.url, engine.receipt_keys = "", engine.folder / "network.jwks.json"
    with pytest.raises(ConfigError, match="weir site key"):
        asked(engine.config)


def test_a_network_that_does_not_answer_is_told_as_such(engine: Engine) -> None:
    with pytest.raises(UnavailableError, match="weir site doctor"):
        enrol(engine)


def test_a_key_has_six_words_of_twelve_bits() -> None:
    """The same for a key everywhere; and no two pairs of halves make the same word."""
    keys = [public_x(ed25519(number.to_bytes(32))) for number in range(200)]
    told = {fingerprint(x) for x in keys}
    assert len(told) == 200 and all(len(each.split()) == WORDS for each in told)
    assert len(FIRST) == len(SECOND) == 64
    assert len({first + second for first in FIRST for second in SECOND}) == 64 * 64
    known = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
    read_out = "purplewheel heronbarn pebblerock copperpark beaversong riverpark"
    assert fingerprint(known) == read_out


def test_the_gateway_s_command_shows_what_it_presents_asks_and_says_what_to_do(
    engine: Engine, stranger: Receiver
) -> None:
    catalogue = {"site": "north", "timezone": "UTC", "policies": [], "measures": []}
    (engine.folder / "catalogue.json").write_text(json.dumps(catalogue))
    (engine.folder / "gateway.toml").write_text(GATEWAY_TOML.format(url=engine.url))
    leave(engine, measures=[])

    def run(answer: str) -> Result:
        config = str(engine.folder / "gateway.toml")
        return CliRunner().invoke(app, ["gateway", "enrol", "--config", config], input=answer)

    assert run("n\n").exit_code == 1
    with Session(stranger.engine) as session:
        assert waiting(session) == [], "nothing was presented"
    first = run("y\n")
    words = fingerprint(public_x(engine.keys.signing))
    assert first.exit_code == 3 and first.output.count(words) == 2
    assert "read them these words by telephone" in first.output
    decide(stranger)
    assert run("y\n").exit_code == 0


SITE_TOML = """
site = "north"
measures = ["{measure}"]
policy_file = "policy.toml"
data_dir = "engine"
spool = "spool"
[fhir]
base_url = "https://ehr.example.org/fhir"
client_id = "weir"
key_file = "ehr.pem"
"""


def test_the_engine_s_command_leaves_its_request_for_the_gateway(engine: Engine) -> None:
    """It reaches no network itself, and prints the words on its own."""
    path = engine.folder / "site.toml"
    path.write_text(SITE_TOML.format(measure=MEASURES / "readmission"))
    command = ["site", "enrol", "--config", str(path), "--name", "North Hospital"]
    told = CliRunner().invoke(app, command)
    assert told.exit_code == 3 and "weir gateway enrol" in told.output
    first, ledger = asked(engine.config)
    assert first.request.jwk.words in told.output
    assert (first.request.name, first.request.measures) == ("North Hospital", (READMISSION,))
    assert (ledger.request.name, ledger.request.use) == ("North Hospital", "ledger")
