"""The site's own keys: made once, private, and never written over."""

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from joserfc.jwk import ECKey, OKPKey
from typer.testing import CliRunner

from service.cli import app
from service.errors import StoreError
from service.fhir import signature
from service.site.keys import ROUNDING, SIGNING, site_keys

CONFIG = """
site = "north"
measures = ["measure"]
policy_file = "policy.toml"
data_dir = "data"
[fhir]
base_url = "https://ehr.example/fhir"
client_id = "weir"
key_file = "ehr.pem"
[network]
url = "https://network.example"
"""


def test_keys_are_made_at_first_use_and_kept(tmp_path: Path) -> None:
    first, again = site_keys(tmp_path), site_keys(tmp_path)
    assert (first.kid, first.rounding) == (again.kid, again.rounding)
    assert len(first.rounding) == 32


def test_every_site_has_its_own(tmp_path: Path) -> None:
    north, south = site_keys(tmp_path / "north"), site_keys(tmp_path / "south")
    assert north.kid != south.kid
    assert north.rounding != south.rounding


def test_only_their_owner_can_read_them(tmp_path: Path) -> None:
    site_keys(tmp_path)
    for name in (ROUNDING, SIGNING):
        assert stat.S_IMODE((tmp_path / "keys" / name).stat().st_mode) == 0o600


def test_two_processes_that_start_at_once_have_the_same(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: site_keys(tmp_path), range(16)))
    assert len({(keys.kid, keys.rounding) for keys in made}) == 1


def test_a_lost_rounding_key_is_not_replaced(tmp_path: Path) -> None:
    """Another key would round the same patients to other numbers: two roundings say more."""
    site_keys(tmp_path)
    (tmp_path / "keys" / ROUNDING).unlink()
    with pytest.raises(StoreError, match="rounding key is missing"):
        site_keys(tmp_path)


def test_a_damaged_key_is_not_used(tmp_path: Path) -> None:
    site_keys(tmp_path)
    (tmp_path / "keys" / SIGNING).write_bytes(b"short")
    with pytest.raises(StoreError, match="damaged"):
        site_keys(tmp_path)


def test_the_network_gets_the_public_half(tmp_path: Path) -> None:
    keys = site_keys(tmp_path)
    public = keys.public_jwk
    assert "d" not in public
    assert (public["kty"], public["crv"], public["kid"]) == ("OKP", "Ed25519", keys.kid)
    enrolled = OKPKey.import_key(public)
    body = b"a report"
    assert signature.verify(body, keys.sign(body), {keys.kid: enrolled}.get) == keys.kid


def test_no_secret_is_shown(tmp_path: Path) -> None:
    keys = site_keys(tmp_path)
    assert repr(keys.rounding) not in repr(keys)
    assert str(keys.signing.as_dict(private=True)["d"]) not in repr(keys)


def test_the_command_prints_the_public_key(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text(CONFIG)
    result = CliRunner().invoke(app, ["site", "key", "--config", str(tmp_path / "site.toml")])
    assert result.exit_code == 0
    assert json.loads(result.stdout) == site_keys(tmp_path / "data").public_jwk


def test_the_command_prints_the_key_for_the_ehr(tmp_path: Path) -> None:
    private = ECKey.generate_key("P-384")
    (tmp_path / "ehr.pem").write_bytes(private.as_pem(private=True))
    (tmp_path / "site.toml").write_text(CONFIG)
    command = ["site", "key", "--ehr", "--config", str(tmp_path / "site.toml")]
    (printed,) = json.loads(CliRunner().invoke(app, command).stdout)["keys"]
    assert "d" not in printed
    assert (printed["alg"], printed["kid"]) == ("ES384", private.thumbprint())
