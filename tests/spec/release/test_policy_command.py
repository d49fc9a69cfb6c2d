"""`weir policy`: a policy is signed offline, and says in plain words what it allows."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from service.cli import app
from service.disclosure import PROFILES
from service.errors import ConfigError

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "docs/policy.example.toml"


def weir(*arguments: object) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, ["policy", *map(str, arguments)])


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    made = weir("key", tmp_path / "policy.key")
    (tmp_path / "policy.jwk.json").write_text(made.stdout)
    path = tmp_path / "policy.toml"
    path.write_bytes(EXAMPLE.read_bytes())
    return path


def test_the_private_key_is_its_owners_alone_and_never_written_over(policy: Path) -> None:
    key = policy.with_name("policy.key")
    assert key.stat().st_mode & 0o777 == 0o600
    assert "d" in json.loads(key.read_text())
    assert "d" not in json.loads(policy.with_name("policy.jwk.json").read_text())
    assert isinstance(weir("key", key).exception, ConfigError)


def test_what_was_signed_is_verified_with_the_public_half(policy: Path) -> None:
    assert weir("sign", policy, "--key", policy.with_name("policy.key")).exit_code == 0
    done = weir("verify", policy, "--key", policy.with_name("policy.jwk.json"))
    assert done.exit_code == 0 and "sha256:" in done.stdout
    policy.write_text(policy.read_text() + "\n")
    changed = weir("verify", policy, "--key", policy.with_name("policy.jwk.json"))
    assert isinstance(changed.exception, ConfigError)


def test_a_policy_that_cannot_be_used_is_not_signed(policy: Path) -> None:
    policy.write_text(policy.read_text().replace("threshold = 11", "threshold = 5"))
    done = weir("sign", policy, "--key", policy.with_name("policy.key"))
    assert isinstance(done.exception, ConfigError)
    assert not policy.with_name("policy.toml.sig").exists()


def test_the_public_half_signs_nothing(policy: Path) -> None:
    done = weir("sign", policy, "--key", policy.with_name("policy.jwk.json"))
    assert isinstance(done.exception, ConfigError)
    assert isinstance(weir("sign", policy, "--key", EXAMPLE).exception, ConfigError)


def test_a_policy_is_shown_in_plain_words(policy: Path) -> None:
    told = " ".join(weir("show", policy).stdout.split())
    assert PROFILES["default"].meaning[:60] in told
    for words in ("quality-network", "http://example.org/Measure/dreaming", "threshold"):
        assert words in told


def test_every_profile_is_listed_with_its_source() -> None:
    told = weir("profiles").stdout
    for name in PROFILES:
        assert name in told
    assert "Refused:" in told


@pytest.mark.parametrize("name", [each for each in PROFILES if not PROFILES[each].refused])
def test_the_shipped_policy_of_each_profile_can_be_used(name: str) -> None:
    path = ROOT / "docs" / f"policy.{'example' if name == 'default' else name}.toml"
    assert f"Profile {name}:" in " ".join(weir("show", path).stdout.split())
