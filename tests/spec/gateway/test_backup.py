"""Backup and restore: database, keys, ledger and archive together, and what an old one stops."""

import stat
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest
from typer.testing import CliRunner

from service.cli import app
from service.errors import StoreError
from service.gateway.sending import LedgerBehindError
from service.site.database import open_database
from service.site.keys import ROUNDING, SIGNING, site_keys
from service.site.outbox import Outbox
from service.site.push import push
from tests.faults.receiver import Receiver, run_receiver
from tests.faults.test_push import ONCE, network_config, site_config
from tests.releases import release


class Hospital:
    """A site whose engine and gateway are one program, with its configuration as a file."""

    def __init__(self, folder: Path, receiver: Receiver) -> None:
        self.folder, self.data, self.receiver = folder, folder / "data", receiver
        (folder / "site.toml").write_text(
            f"""
            site = "north"
            measures = ["measure"]
            policy_file = "policy.toml"
            data_dir = "data"
            [fhir]
            base_url = "https://ehr.example/fhir"
            client_id = "weir"
            key_file = "ehr.pem"
            [network]
            url = "{receiver.url}"
            """
        )

    def release(self, period: str) -> None:
        Outbox(open_database(self.data)).enqueue(release(period))

    def push(self) -> int:
        config = site_config(self.data, self.receiver.url)
        return push(config, Outbox(open_database(self.data)), site_keys(self.data), ONCE).sent

    def weir(self, *arguments: str) -> None:
        command = ["site", *arguments, "--config", str(self.folder / "site.toml")]
        done = CliRunner().invoke(app, command)
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == 0, done.output

    def lose(self) -> None:
        self.data.rename(self.folder / "lost")


@pytest.fixture
def hospital(tmp_path: Path) -> Iterator[Hospital]:
    keys = site_keys(tmp_path / "data")
    with run_receiver(network_config(tmp_path, north=keys)) as receiver:
        made = Hospital(tmp_path, receiver)
        made.release("2024-Q1")
        assert made.push() == 1
        yield made


def test_what_was_lost_goes_on_where_it_was(hospital: Hospital) -> None:
    keys = site_keys(hospital.data)
    hospital.weir("backup", str(hospital.folder / "backup.zip"))
    hospital.lose()
    hospital.weir("restore", str(hospital.folder / "backup.zip"))
    assert site_keys(hospital.data).rounding == keys.rounding
    hospital.release("2024-Q1")
    hospital.release("2024-Q2")
    assert hospital.push() == 1, "what was sent is known to be"
    assert len(hospital.receiver.submissions()) == 2


def test_it_holds_what_must_not_be_lost_and_no_patient(hospital: Hospital) -> None:
    (hospital.data / "quarantine.ndjson").write_text("a patient")
    path = hospital.folder / "backup.zip"
    hospital.weir("backup", str(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with ZipFile(path) as packed:
        names = set(packed.namelist())
    wanted = {
        *("engine/site.db", f"engine/keys/{ROUNDING}", f"engine/keys/{SIGNING}"),
        *("gateway/ledger.ndjson", "gateway/keys/ledger.key"),
    }
    assert wanted <= names
    assert not [name for name in names if "quarantine" in name or "store" in name]


def test_an_old_backup_stops_release(hospital: Hospital) -> None:
    """The network has receipts for what it does not know of."""
    hospital.weir("backup", str(hospital.folder / "old.zip"))
    hospital.release("2024-Q2")
    assert hospital.push() == 1
    hospital.lose()
    hospital.weir("restore", str(hospital.folder / "old.zip"))
    hospital.release("2024-Q3")
    with pytest.raises(LedgerBehindError):
        hospital.push()
    assert len(hospital.receiver.submissions()) == 2
    assert Outbox(open_database(hospital.data)).queued()


def test_a_database_that_is_gone_stops_release(hospital: Hospital) -> None:
    """The gateway knows of more than an empty outbox does."""
    for path in hospital.data.glob("site.db*"):
        path.unlink()
    hospital.release("2024-Q2")
    hospital.release("2024-Q3")
    with pytest.raises(StoreError, match="knows of less"):
        hospital.push()


def test_nothing_is_written_over(hospital: Hospital) -> None:
    path = hospital.folder / "backup.zip"
    hospital.weir("backup", str(path))
    with pytest.raises(StoreError, match="a file already"):
        hospital.weir("backup", str(path))
    with pytest.raises(StoreError, match="a history already"):
        hospital.weir("restore", str(path))


@pytest.mark.parametrize("damage", [b"", b"PK", b"not a zip"])
def test_half_a_backup_restores_nothing(hospital: Hospital, damage: bytes) -> None:
    path = hospital.folder / "backup.zip"
    path.write_bytes(damage)
    hospital.lose()
    with pytest.raises(StoreError, match="not a whole backup"):
        hospital.weir("restore", str(path))
    assert not (hospital.data / "site.db").exists()


def test_a_file_that_was_changed_in_it_restores_nothing(hospital: Hospital) -> None:
    path, changed = hospital.folder / "backup.zip", hospital.folder / "changed.zip"
    hospital.weir("backup", str(path))
    with ZipFile(path) as old, ZipFile(changed, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            new.writestr(name, data + b" " if name.endswith("ledger.ndjson") else data)
    hospital.lose()
    with pytest.raises(StoreError, match="not a whole backup"):
        hospital.weir("restore", str(changed))
    assert not (hospital.data / "site.db").exists()
