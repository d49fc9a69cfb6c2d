"""A site without a line to the network: reports and receipts are carried, by the commands alone.

What people type, on both sides; and everything that can be carried to the wrong place, twice, or
changed on the way, which is refused with words and changes nothing.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlmodel import Session, col, select

from service.cli import main
from service.gateway.ledger import NAME
from service.network.config import load
from service.network.database import open_database as open_network
from service.network.heads import LedgerHead
from service.network.keyring import open_keyring
from service.network.submission import Submission
from service.site.cataloguing import catalogue_of
from service.site.config import SiteConfig
from service.site.database import open_database
from service.site.keys import SiteKeys, site_keys
from service.site.outbox import Outbox, Status
from service.site.push import push
from tests.faults.test_push import site_config
from tests.releases import POLICY, READMISSION, package, release

PERIODS = ("2024-Q1", "2024-Q2")
Weir = Callable[..., tuple[int, str]]


@dataclass(frozen=True)
class Carrier:
    """A site: an engine that leaves two reports in a spool, and a gateway without a line."""

    folder: Path
    weir: Weir

    @property
    def gateway(self) -> str:
        return str(self.folder / "gateway.toml")

    @property
    def parcel(self) -> Path:
        return self.folder / "parcel.json"

    @property
    def config(self) -> SiteConfig:
        told = site_config(self.folder / "engine", "https://nowhere.example", self.folder.name)
        return told.model_copy(update={"network": None, "spool": self.folder / "spool"})

    @property
    def keys(self) -> SiteKeys:
        return site_keys(self.config.data_dir)

    @property
    def outbox(self) -> Outbox:
        return Outbox(open_database(self.config.data_dir))

    @property
    def ledger(self) -> bytes:
        return (self.folder / "gateway" / NAME).read_bytes()

    def knows(self, network: "Center") -> None:
        """The network's public keys are given to the gateway, by hand."""
        (self.folder / "jwks.json").write_bytes(network.jwks.read_bytes())

    def push(self) -> None:
        """What the engine does at the end of a run."""
        push(self.config, self.outbox, self.keys)

    def export(self) -> bytes:
        """The parcel, as it is carried."""
        assert self.weir("gateway", "export", "--config", self.gateway, self.parcel)[0] == 0
        return self.parcel.read_bytes()

    def take_back(self, receipts: Path) -> tuple[int, str]:
        return self.weir("gateway", "import", "--config", self.gateway, receipts)

    def verify(self, *evidence: object) -> tuple[int, str]:
        folder = self.folder / "gateway"
        return self.weir("ledger", "verify", folder / NAME, "--archive", folder, *evidence)


@dataclass(frozen=True)
class Center:
    """A network that is reached by carrying alone."""

    folder: Path
    weir: Weir

    @property
    def toml(self) -> str:
        return str(self.folder / "network.toml")

    @property
    def jwks(self) -> Path:
        """The network's public keys, which a site is given by hand."""
        path = self.folder / "jwks.json"
        path.write_text(json.dumps(open_keyring(load(Path(self.toml)).keys).jwks))
        return path

    def receive(self, parcel: Path) -> tuple[int, str]:
        receipts = ("--receipts", self.receipts)
        return self.weir("network", "import", "--config", self.toml, parcel, *receipts)

    @property
    def receipts(self) -> Path:
        return self.folder / "receipts.json"

    def bodies(self) -> list[bytes]:
        """The reports that it has, in order of arrival."""
        engine = open_network(load(Path(self.toml)).database)
        with Session(engine) as session:
            found = [
                each.body for each in session.exec(select(Submission).order_by(col(Submission.id)))
            ]
        engine.dispose()
        return found

    def knows(self) -> tuple[int, int]:
        """How many reports and heads of ledgers it has."""
        engine = open_network(load(Path(self.toml)).database)
        with Session(engine) as session:
            heads = len(session.exec(select(LedgerHead)).all())
        engine.dispose()
        return len(self.bodies()), heads


@pytest.fixture
def weir(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Weir:
    """Run a command: its exit code, and all that it said."""

    def run(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["weir", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
            sys.exit(0)
        said = capfd.readouterr()
        return int(ended.value.code or 0), said.out + said.err

    return run


@pytest.fixture
def north(tmp_path: Path, weir: Weir) -> Carrier:
    return _site(tmp_path / "north", weir)


@pytest.fixture
def network(tmp_path: Path, weir: Weir, north: Carrier) -> Center:
    """The network of the north site, whose keys the site has."""
    made = _network(tmp_path / "network", weir, north)
    north.knows(made)
    return made


def _site(folder: Path, weir: Weir) -> Carrier:
    made = Carrier(folder, weir)
    made.config.data_dir.mkdir(parents=True)
    for period in PERIODS:
        made.outbox.enqueue(release(period, site=folder.name))
    made.push()
    (folder / "reports.jwk.json").write_bytes(made.keys.public_json)
    listed = catalogue_of(made.config, [package()], POLICY)
    (folder / "catalogue.json").write_text(listed.model_dump_json())
    (folder / "gateway.toml").write_text(
        f"""
        site = "{folder.name}"
        data_dir = "gateway"
        spool = "spool"
        reports_key = "reports.jwk.json"
        catalogue = "catalogue.json"
        [network]
        kind = "file"
        receipt_keys = "jwks.json"
        """
    )
    return made


def _network(folder: Path, weir: Weir, *sites: Carrier) -> Center:
    folder.mkdir()
    told = f"""
    title = "Test"
    keys = "keys"
    [[measure]]
    url = "{READMISSION}"
    title = "Readmission"
    window = "quarter"
    """
    for each in sites:
        (folder / f"{each.folder.name}.jwk.json").write_bytes(each.keys.public_json)
        told += f"""
        [[site]]
        id = "{each.folder.name}"
        name = "{each.folder.name}"
        key_file = "{each.folder.name}.jwk.json"
        measures = ["{READMISSION}"]
        """
    (folder / "network.toml").write_text(told)
    return Center(folder, weir)


def test_there_and_back(north: Carrier, network: Center) -> None:
    north.export()
    assert network.receive(north.parcel) == (0, "2 reports received, 0 refused\n")
    assert network.bodies() == [release(period).body for period in PERIODS]
    assert north.take_back(network.receipts) == (0, "2 receipts\n")
    north.push()  # the engine's next run learns of it
    assert [each.status for each in north.outbox.sent()] == [Status.SENT] * 2

    heads = network.folder / "heads.json"
    status, said = network.weir("network", "heads", "--config", network.toml, "north")
    heads.write_text(said)
    status, said = north.verify("--receipt-keys", network.jwks, "--heads", heads)
    assert status == 0, said
    assert "2 reports received by the network" in said
    assert "2 receipts are signed by the network" in said
    assert "not checked" not in said
    status, said = north.weir(
        "gateway", "export", "--config", north.gateway, north.folder / "again.json"
    )
    assert (status, "nothing is ready to be sent" in said) == (1, True)


def test_a_parcel_that_was_changed(north: Carrier, network: Center) -> None:
    parcel = json.loads(north.export())
    parcel["reports"][0]["body64"] = parcel["reports"][1]["body64"]
    north.parcel.write_text(json.dumps(parcel))
    status, said = network.receive(north.parcel)
    assert (status, said.startswith("error: ")) == (1, True)
    assert "no parcel, or it was opened on the way" in said
    assert network.knows() == (0, 0)
    assert not network.receipts.exists()


def test_a_parcel_that_is_brought_twice(north: Carrier, network: Center) -> None:
    north.export()
    network.receive(north.parcel)
    known, replies = network.knows(), json.loads(network.receipts.read_bytes())["replies"]
    assert network.receive(north.parcel)[0] == 0
    assert network.knows() == known == (2, 1)
    again = json.loads(network.receipts.read_bytes())["replies"]
    assert [each["status"] for each in replies] == [201, 201]
    assert [each["status"] for each in again] == [200, 200]

    assert north.take_back(network.receipts) == (0, "2 receipts\n")
    ledger = north.ledger
    assert north.take_back(network.receipts) == (0, "0 receipts\n")
    assert north.ledger == ledger


def test_a_parcel_for_another_network(
    tmp_path: Path, weir: Weir, north: Carrier, network: Center
) -> None:
    """One that knows the site, too, and would take each of its reports."""
    other = _network(tmp_path / "other", weir, north)
    north.export()
    status, said = other.receive(north.parcel)
    assert (status, "this parcel is for another network" in said) == (1, True)
    assert other.knows() == (0, 0)
    assert not other.receipts.exists()
    assert network.receive(north.parcel)[0] == 0


def test_a_parcel_of_a_site_that_the_network_does_not_know(
    tmp_path: Path, weir: Weir, north: Carrier
) -> None:
    stranger = _network(tmp_path / "stranger", weir)
    north.knows(stranger)
    north.export()
    status, said = stranger.receive(north.parcel)
    assert (status, said) == (
        1,
        "0 reports received, 2 refused\n"
        "2 refused (HTTP 401): not signed with a key of one of this network's sites\n",
    )
    assert stranger.knows() == (0, 0)


def test_a_parcel_of_a_site_whose_key_was_revoked(north: Carrier, network: Center) -> None:
    """In network.toml, since the network's server ran last."""
    toml = Path(network.toml)
    toml.write_text(toml.read_text() + "    revoked = true\n")
    north.export()
    status, said = network.receive(north.parcel)
    assert (status, "2 refused (HTTP 401)" in said) == (1, True)
    assert network.knows() == (0, 0)


def test_receipts_of_another_network(
    tmp_path: Path, weir: Weir, north: Carrier, network: Center
) -> None:
    """It was given the site's reports before; but its receipts are not this network's."""
    other = _network(tmp_path / "other", weir, north)
    north.knows(other)
    north.export()
    assert other.receive(north.parcel)[0] == 0
    north.knows(network)
    ledger = north.ledger
    status, said = north.take_back(other.receipts)
    assert (status, "not signed by the network" in said) == (1, True)
    assert north.ledger == ledger


def test_receipts_of_another_site(
    tmp_path: Path, weir: Weir, north: Carrier, network: Center
) -> None:
    south = _site(tmp_path / "south", weir)
    both = _network(tmp_path / "both", weir, north, south)
    for each in (north, south):
        each.knows(both)
        each.export()
    assert both.receive(south.parcel)[0] == 0
    ledger = north.ledger
    status, said = north.take_back(both.receipts)
    assert (status, "a receipt is of a report that never left" in said) == (1, True)
    assert north.ledger == ledger
    assert south.take_back(both.receipts) == (0, "2 receipts\n")


def test_no_file_is_written_over(north: Carrier, network: Center) -> None:
    """Neither what was packed before, nor anything else that has the name."""
    before, ledger = north.export(), north.ledger
    status, said = north.weir("gateway", "export", "--config", north.gateway, north.parcel)
    assert (status, "there is a file already" in said) == (1, True)
    assert (north.parcel.read_bytes(), north.ledger) == (before, ledger)
