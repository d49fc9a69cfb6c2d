"""What network.toml may say, and what is said when it cannot be used."""

import json
from pathlib import Path

import pytest

from service.errors import ConfigError, StoreError
from service.network.app import create_app
from service.network.config import load
from service.network.database import open_database
from tests.spec.network.reports import KEYS

KEY = KEYS["north"].as_dict(private=False)
JWK = f'{{ kty = "OKP", crv = "Ed25519", x = "{KEY["x"]}" }}'
GOOD = f"""
title = "A network"
[[site]]
id = "north"
name = "North Hospital"
kid = "north-1"
jwk = {JWK}
measures = ["https://example.org/Measure/Drinking"]
[[measure]]
url = "https://example.org/Measure/Drinking"
title = "Drinking"
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "network.toml"
    path.write_text(text)
    return path


def test_what_is_left_out_has_a_default(tmp_path: Path) -> None:
    config = load(write(tmp_path, GOOD))
    assert config.database == f"sqlite:///{tmp_path / 'weir-network.db'}"
    (measure,) = config.measures
    assert (measure.id, measure.window, measure.direction) == ("Drinking", "month", "increase")


def test_a_public_key_may_stand_in_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "north.jwk.json").write_text(json.dumps({**KEY, "kid": "north-7"}))
    text = GOOD.replace(f"jwk = {JWK}", 'key_file = "north.jwk.json"').replace(
        'kid = "north-1"', ""
    )
    (site,) = load(write(tmp_path, text)).sites
    assert site.kid == "north-7"
    assert site.jwk["x"] == KEY["x"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("title", "titel"), "titel"),
        (("jwk = {", 'jwk = { d = "secret",'), "private key"),
        (('crv = "Ed25519"', 'crv = "X25519"'), "Ed25519"),
        (("[[site]]", "[[sites]]"), "site"),
        (('id = "north"', 'id = "network"'), "cannot be called network"),
        (('id = "north"', 'id = "../x"'), "id"),
        (('["https://example.org/Measure/Drinking"]', '["https://example.org/Other"]'), "Other"),
        (('title = "Drinking"', 'title = "Drinking"\nwindow = "week"'), "window"),
        (('title = "Drinking"', 'title = "Drinking"\ntarget = 80'), "target"),
        (('Drinking"\ntitle', 'Drinking|1.0.0"\ntitle'), "url"),
        (("[[measure]]", '[[annotation]]\nmonth = "2025-13"\ntext = "x"\n[[measure]]'), "month"),
        (
            (
                "[[measure]]",
                '[[annotation]]\nsite = "x"\nmonth = "2025-01"\ntext = "x"\n[[measure]]',
            ),
            "x",
        ),
        (
            (
                'title = "Drinking"',
                'title = "D"\nheadline = "x"\ngroups = [{ id = "y", title = "Y" }]',
            ),
            "x",
        ),
        (("title", "title = "), "not TOML"),
        ((f"jwk = {JWK}", 'key_file = "nowhere.json"'), "public key cannot be read"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, change: tuple[str, str], told: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load(write(tmp_path, GOOD.replace(*change, 1)))
    assert told in str(raised.value)
    assert "secret" not in str(raised.value)
    assert str(tmp_path) in str(raised.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "network.toml")


@pytest.mark.parametrize("url", ["mysql://u:hunter2@h/d", "nonsense://hunter2", "hunter2"])
def test_a_database_of_no_known_kind(url: str) -> None:
    with pytest.raises(ConfigError) as raised:
        open_database(url)
    assert "hunter2" not in str(raised.value)


def test_a_database_that_does_not_answer(tmp_path: Path) -> None:
    config = load(write(tmp_path, f'database = "{tmp_path}/no/such/folder.db"\n{GOOD}'))
    with pytest.raises(StoreError, match="cannot be used"):
        create_app(config)


def test_the_example_in_the_documentation_can_be_used() -> None:
    config = load(Path(__file__).parents[3] / "docs/network.example.toml")
    assert [site.id for site in config.sites] == ["north", "south"]
    assert config.annotations[0].baseline
