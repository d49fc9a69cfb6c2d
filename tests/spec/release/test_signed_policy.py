"""Only a policy that the policy key signed is used, and a site can tighten it, never loosen it."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from joserfc.jwk import OKPKey

from service.disclosure import Policy
from service.errors import ConfigError
from service.fhir import signature
from service.site.config import load_config
from service.site.signed_policy import signed_policy, site_policy

POLICY = """
network = "quality"
version = "1"
legal_basis = "agreement"
{}
[[release]]
measure = "http://example.org/a"
window = "month"
from = "2026-01"
to = "2026-12"
"""


@dataclass(frozen=True)
class Folder:
    path: Path
    key: OKPKey

    def write(self, more: str = "", key: OKPKey | None = None, site: str = "") -> None:
        signer, data = key or self.key, POLICY.format(more).encode()
        (self.path / "policy.toml").write_bytes(data)
        (self.path / "policy.toml.sig").write_text(
            signature.sign(data, signer, self.key.thumbprint())
        )
        public = self.key.as_dict(private=False)
        (self.path / "policy.jwk.json").write_text(json.dumps(public))
        (self.path / "site.toml").write_text(
            f"""
            measures = ["measure"]
            policy_file = "policy.toml"
            policy_key = "policy.jwk.json"
            data_dir = "data"
            [fhir]
            base_url = "https://ehr.example/fhir"
            client_id = "north"
            key_file = "ehr.pem"
            [network]
            url = "https://network.example"
            {site}
            """
        )

    def policy(self) -> Policy:
        return site_policy(load_config(self.path / "site.toml"))


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path, OKPKey.generate_key("Ed25519"))


def test_a_signed_policy_is_used(folder: Folder) -> None:
    folder.write("threshold = 15")
    assert folder.policy().threshold == 15


def test_a_changed_policy_is_not(folder: Folder) -> None:
    folder.write("threshold = 15")
    path = folder.path / "policy.toml"
    path.write_text(path.read_text().replace("15", "11"))
    with pytest.raises(ConfigError, match="not signed by the policy key"):
        folder.policy()


def test_nor_one_that_somebody_else_signed(folder: Folder) -> None:
    folder.write(key=OKPKey.generate_key("Ed25519"))
    with pytest.raises(ConfigError, match="not signed by the policy key"):
        folder.policy()


@pytest.mark.parametrize("name", ["policy.toml", "policy.toml.sig", "policy.jwk.json"])
def test_nothing_is_assumed_where_a_file_is_missing(folder: Folder, name: str) -> None:
    folder.write()
    (folder.path / name).unlink()
    with pytest.raises(ConfigError, match=name):
        folder.policy()


def test_a_site_that_names_no_policy_key_releases_nothing(folder: Folder) -> None:
    folder.write()
    config = folder.path / "site.toml"
    config.write_text(config.read_text().replace('policy_key = "policy.jwk.json"', ""))
    with pytest.raises(ConfigError, match="no policy key is named"):
        folder.policy()


def test_a_private_key_is_no_policy_key(folder: Folder) -> None:
    """It has no business on this machine."""
    folder.write()
    (folder.path / "policy.jwk.json").write_text(json.dumps(folder.key.as_dict(private=True)))
    with pytest.raises(ConfigError, match=r"policy\.jwk\.json"):
        signed_policy(folder.path / "policy.toml", folder.path / "policy.jwk.json")


def test_an_expired_policy_releases_nothing(folder: Folder) -> None:
    folder.write("expires = 2020-12-31")
    with pytest.raises(ConfigError, match="expired"):
        folder.policy()


def test_a_policy_for_another_network_releases_nothing(folder: Folder) -> None:
    folder.write('recipients = ["https://other.example"]')
    with pytest.raises(ConfigError, match="not for this network"):
        folder.policy()
    folder.write('recipients = ["https://network.example"]')
    assert folder.policy().recipients


def test_a_policy_that_demands_approvals_releases_nothing_without_them(folder: Folder) -> None:
    folder.write("approvals = 1")
    with pytest.raises(ConfigError, match="more approvals"):
        folder.policy()


def test_a_site_can_be_stricter_and_not_laxer(folder: Folder) -> None:
    folder.write("threshold = 15", site="[tighten]\nthreshold = 11\nk_delta = 30\nzeros = 'hide'")
    policy = folder.policy()
    assert (policy.threshold, policy.k_delta, policy.zeros) == (15, 30, "hide")
    assert len(policy.chain) == 2


def test_a_site_can_wait_longer_and_not_shorter(folder: Folder) -> None:
    folder.write("min_interval = 30", site="[tighten]\nmin_interval = 7")
    assert folder.policy().min_interval == 30
    folder.write("min_interval = 30", site="[tighten]\nmin_interval = 90")
    assert folder.policy().min_interval == 90


def test_the_environment_decides_nothing(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.write()
    before = folder.policy()
    for name in ("THRESHOLD", "WEIR_THRESHOLD", "POLICY_FILE", "WEIR_POLICY", "ROUNDING"):
        monkeypatch.setenv(name, "1")
    assert folder.policy() == before
