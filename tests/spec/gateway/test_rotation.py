"""Another key signs a site's reports, and none is refused meanwhile: by what people type.

Engine and gateway are two programs, as in a hospital, and the network is the real one.
"""

import json
from dataclasses import dataclass

import pytest
from joserfc.jwk import OKPKey
from sqlmodel import Session
from typer.testing import CliRunner, Result

from service.cli import app
from service.errors import ConfigError
from service.fhir.fingerprint import fingerprint
from service.gateway.approval import decide
from service.gateway.gateway import open_gateway
from service.gateway.keys import public_x
from service.gateway.row import Taken
from service.network.enrolment import accept, waiting
from service.network.roster import keys_of
from service.site.cataloguing import catalogue_of
from service.site.config import SiteConfig, load_config
from service.site.database import open_database
from service.site.keys import FOLLOWING, SiteKeys, site_keys
from service.site.outbox import Outbox
from service.site.push import push
from service.site.rotation import begin, finish
from tests.faults.receiver import Receiver
from tests.gateways import GATEWAY_TOML, Engine, approver
from tests.releases import MEASURES, POLICY, package, release

SITE_TOML = """
site = "north"
measures = ["{measure}"]
policy_file = "policy.toml"
data_dir = "engine"
{spool}
[fhir]
base_url = "https://ehr.example.org/fhir"
client_id = "weir"
key_file = "ehr.pem"
{network}
"""


@dataclass
class Hospital:
    """Engine and gateway of an enrolled site, by their commands."""

    engine: Engine
    receiver: Receiver

    def configure(self, spool: str, network: str = "", approval: str = "") -> None:
        folder, measure = self.engine.folder, MEASURES / "readmission"
        site = SITE_TOML.format(measure=measure, spool=spool, network=network)
        (folder / "site.toml").write_text(site)
        gateway = GATEWAY_TOML.format(url=self.receiver.url) + approval
        (folder / "gateway.toml").write_text(gateway)
        listed = catalogue_of(self.config, [package()], POLICY)
        (folder / "catalogue.json").write_text(listed.model_dump_json())

    @property
    def config(self) -> SiteConfig:
        return load_config(self.engine.folder / "site.toml")

    @property
    def keys(self) -> SiteKeys:
        return site_keys(self.config.data_dir)

    def weir(self, program: str, *command: str) -> Result:
        """A command of one of the two programs, whose questions are answered with yes."""
        config = self.engine.folder / f"{program}.toml"
        return CliRunner().invoke(app, [program, *command, "--config", str(config)], input="y\n")

    def count(self, period: str) -> None:
        """What the engine does at the end of a run: one more report, and all into the spool."""
        outbox = Outbox(open_database(self.config.data_dir))
        outbox.enqueue(release(period))
        push(self.config, outbox, self.keys)

    def deliver(self) -> int:
        """How many reports a run of the gateway brought to the network; none is left over."""
        ran = self.weir("gateway", "run")
        assert ran.exit_code == 0, ran.output
        return int(ran.stdout.split()[0])

    def give_keys_to_the_gateway(self) -> None:
        printed = self.weir("site", "key").stdout
        (self.engine.folder / "reports.jwk.json").write_text(printed)

    def signers(self) -> list[str]:
        """With which keys the releases were signed that the gateway took, in its order."""
        return [row.signed_by for row in self.engine.rows() if isinstance(row, Taken)]

    def accepted(self) -> list[str]:
        """The network's staff accept what waits; the words beside the keys for reports."""
        with Session(self.receiver.engine) as session:
            found = waiting(session)
            for each in found:
                accept(session, "staff@example.org", each, frozenset(json.loads(each.measures)))
            words = [each.words for each in found if each.use == "reports"]
            session.commit()
        return words


@pytest.fixture
def hospital(engine: Engine, receiver: Receiver) -> Hospital:
    made = Hospital(engine, receiver)
    made.configure(spool='spool = "spool"')
    return made


def words_of(key: OKPKey) -> str:
    return fingerprint(public_x(key))


def test_there_is_no_gap(hospital: Hospital) -> None:
    """At every moment a report arrives, under whichever key it was signed."""
    former = hospital.keys
    hospital.count("2024-Q1")
    assert hospital.deliver() == 1

    begun = hospital.weir("site", "rotate")
    following = hospital.keys.following
    assert following and words_of(following) in begun.output
    hospital.give_keys_to_the_gateway()
    hospital.count("2024-Q2")
    assert hospital.deliver() == 1, "the former key signs on"

    assert hospital.weir("site", "enrol").exit_code == 3
    assert hospital.weir("gateway", "enrol").exit_code == 3
    refused = hospital.weir("site", "rotate", "--finish")
    assert isinstance(refused.exception, ConfigError) and "not accepted" in str(refused.exception)
    assert hospital.accepted() == [words_of(following)]
    hospital.count("2024-Q3")
    assert hospital.deliver() == 1, "the network takes both"

    assert hospital.weir("gateway", "enrol").exit_code == 0
    hospital.count("2024-Q4")  # signed with the former key, and still in the spool
    finished = hospital.weir("site", "rotate", "--finish")
    assert following.thumbprint() in finished.output
    hospital.count("2025-Q1")
    assert hospital.deliver() == 2
    assert hospital.keys.kid == following.thumbprint() and hospital.keys.following is None

    hospital.give_keys_to_the_gateway()  # the new one alone
    hospital.count("2025-Q2")
    assert hospital.deliver() == 1
    assert hospital.signers() == [former.kid] * 3 + [following.thumbprint()] * 3
    assert len(hospital.receiver.submissions()) == 6
    with Session(hospital.receiver.engine) as session:
        expires = {key.kid: key.expires or "never" for key in keys_of(session, "north")}
    assert expires.keys() == {former.kid, following.thumbprint()}
    assert expires[former.kid] < expires[following.thumbprint()] < "never"


def test_what_people_approved_stays_approved(hospital: Hospital) -> None:
    """They approved bytes. The signature over the same bytes is the new key's."""
    person, key = approver(hospital.engine.folder, "lead")
    told = f'[approval]\npersons = 1\n[[approver]]\nname = "lead"\nkey_file = "{person.key_file}"'
    hospital.configure(spool='spool = "spool"', approval=told)
    hospital.engine.approver = (person,)
    hospital.engine.approval = hospital.engine.approval.model_copy(update={"persons": 1})
    begin(hospital.config)
    hospital.give_keys_to_the_gateway()
    hospital.count("2024-Q1")
    assert hospital.deliver() == 0
    with open_gateway(hospital.engine.config) as gateway:
        (held,) = gateway.consignments.open()
        decide(gateway, held, "approved", key)
    hospital.weir("site", "enrol")
    hospital.weir("gateway", "enrol")
    hospital.accepted()
    hospital.weir("gateway", "enrol")
    finish(hospital.config)
    hospital.give_keys_to_the_gateway()
    assert hospital.deliver() == 1
    assert hospital.engine.verify().problems == ()


def test_one_program_that_does_both(hospital: Hospital) -> None:
    hospital.configure(spool="", network=f'[network]\nurl = "{hospital.receiver.url}"')
    hospital.count("2024-Q1")
    assert hospital.weir("site", "rotate").exit_code == 0
    hospital.count("2024-Q2")
    assert hospital.weir("site", "enrol").exit_code == 3
    hospital.accepted()
    assert hospital.weir("site", "enrol").exit_code == 0
    assert hospital.weir("site", "rotate", "--finish").exit_code == 0
    hospital.count("2024-Q3")
    signed = {each.release_key: each.key_id for each in hospital.receiver.submissions()}
    assert len(signed) == 3 and hospital.keys.kid in signed.values()


def test_begun_again_it_is_the_same_key(hospital: Hospital) -> None:
    """The one that was presented already, and whose words were read out."""
    first, again = begin(hospital.config), begin(hospital.config)
    assert first.thumbprint() == again.thumbprint() != hospital.keys.kid
    kept = hospital.config.data_dir / "keys" / FOLLOWING
    assert kept.stat().st_mode & 0o777 == 0o600


def test_a_network_that_takes_keys_by_hand(hospital: Hospital) -> None:
    """Its staff get the next key as a file; that they have it, a person says."""
    following = begin(hospital.config)
    printed = json.loads(hospital.weir("site", "key", "--next").stdout)
    assert printed["kid"] == following.thumbprint() and "d" not in printed
    assert hospital.weir("site", "rotate", "--finish").exit_code == 1
    assert hospital.weir("site", "rotate", "--finish", "--by-hand").exit_code == 0
    assert hospital.keys.kid == following.thumbprint()


@pytest.mark.parametrize("command", [("key", "--next"), ("rotate", "--finish")])
def test_without_a_next_key_the_command_says_what_makes_one(
    hospital: Hospital, command: tuple[str, ...]
) -> None:
    told = hospital.weir("site", *command)
    assert isinstance(told.exception, ConfigError) and "`weir site rotate`" in str(told.exception)
