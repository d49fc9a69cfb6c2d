"""The drill: a network is lost, and comes back from its backup with everything that it knew."""

from pathlib import Path
from zipfile import ZipFile

import pytest

from service.errors import StoreError
from service.network.app import create_app
from service.network.backup import back_up, restore
from service.network.config import NetworkConfig
from service.network.people.role import Role
from tests.spec.network.people import PEOPLE, Browser, admit
from tests.spec.network.reports import Sender, network_config, summary_of


def filled(config: NetworkConfig) -> Browser:
    app = create_app(config)
    admit(app, PEOPLE[Role.STAFF])
    browser = Browser(app)
    for numerator in (21, 24):
        sent = Sender(browser.client).report(summary_of(numerator=numerator))
        assert sent.status_code == 201
    return browser


def of(database: str, folder: Path, **changes: object) -> NetworkConfig:
    keys = {"keys": folder / "keys", "access": "accounts", "secure_cookies": False}
    return network_config(database, **{**keys, **changes})


def test_what_was_lost_comes_back(database: str, tmp_path: Path) -> None:
    config = of(database, tmp_path)
    lost = filled(config)
    assert lost.sign_in("staff@example.org").status_code == 303
    before = lost.get("/measures/Drinking.json").json()
    jwks = lost.get("/.well-known/jwks.json").json()
    counts = back_up(config, tmp_path / "backup.zip")
    assert (counts["submission"], counts["account"], counts["site"]) == (2, 1, 2)
    assert (tmp_path / "backup.zip").stat().st_mode & 0o077 == 0

    # Another machine, and another kind of database than PostgreSQL where it was one.
    elsewhere = of(f"sqlite:///{tmp_path}/restored.db", tmp_path / "elsewhere")
    assert restore(elsewhere, tmp_path / "backup.zip") == counts
    found = Browser(create_app(elsewhere))
    assert found.sign_in("staff@example.org").status_code == 303
    assert found.get("/measures/Drinking.json").json() == before
    assert found.get("/.well-known/jwks.json").json() == jwks
    sender = Sender(found.client)
    assert sender.report(summary_of(numerator=24)).status_code == 200, "it is known already"
    assert sender.report(summary_of(numerator=30)).status_code == 201, "and goes on"


def test_restores_into_the_same_kind_too(database: str, tmp_path: Path) -> None:
    small = of(f"sqlite:///{tmp_path}/small.db", tmp_path / "small")
    filled(small)
    back_up(small, tmp_path / "backup.zip")
    config = of(database, tmp_path / "other")
    restore(config, tmp_path / "backup.zip")
    sender = Sender(Browser(create_app(config)).client)
    assert sender.report(summary_of(numerator=33)).status_code == 201


def test_nothing_is_written_over(tmp_path: Path) -> None:
    config = of(f"sqlite:///{tmp_path}/n.db", tmp_path)
    filled(config)
    back_up(config, tmp_path / "backup.zip")
    with pytest.raises(StoreError, match="a file already"):
        back_up(config, tmp_path / "backup.zip")
    with pytest.raises(StoreError, match="not empty"):
        restore(config, tmp_path / "backup.zip")


def test_a_spoilt_backup_restores_nothing(tmp_path: Path) -> None:
    config = of(f"sqlite:///{tmp_path}/n.db", tmp_path)
    filled(config)
    back_up(config, tmp_path / "backup.zip")
    with ZipFile(tmp_path / "backup.zip") as file, ZipFile(tmp_path / "bad.zip", "w") as spoilt:
        for name in file.namelist():
            text = file.read(name)
            if name == "tables/submission.jsonl":
                text = text.splitlines(keepends=True)[0]
            spoilt.writestr(name, text)
    other = of(f"sqlite:///{tmp_path}/other.db", tmp_path / "other")
    with pytest.raises(StoreError, match="whole backup"):
        restore(other, tmp_path / "bad.zip")
    sender = Sender(Browser(create_app(other)).client)
    assert sender.report(summary_of()).status_code == 201, "the first that it ever had"
