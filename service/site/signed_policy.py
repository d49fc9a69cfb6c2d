"""The policy file, as a site may use it: signed by the policy key, in force, tightened by the site.

The policy key is kept offline. Only its public half is mounted beside the file, so nobody at the
network, at the site or on this machine can write a policy that the service would use. The signature
stands beside the file, in `<file>.sig`: a detached JWS (service.fhir.signature) over its bytes.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from service.disclosure import Policy, parse_policy
from service.errors import ConfigError, RefusedError
from service.fhir import signature
from service.gateway.config import enough_persons, public_keys
from service.site.config import SiteConfig


def site_policy(config: SiteConfig) -> Policy:
    """The policy that a site's configuration names, tightened as it says.

    Raises ConfigError when it is missing, not signed by the policy key, expired, for another
    address than the network's, asks for more approvals than the gateway does, or cannot be
    understood whole.
    """
    if config.policy_key is None:
        raise ConfigError(
            "no policy key is named",
            where="site.toml, policy_key",
            todo="Name the public half of the key with which the policy was signed",
        )
    policy = signed_policy(config.policy_file, config.policy_key)
    _in_force(policy, datetime.now(UTC).date())
    url = config.network.url if config.network else None  # else the gateway's catalogue says it
    if policy.recipients and url is not None and url not in policy.recipients:
        raise ConfigError(
            "the policy is not for this network",
            where=url,
            todo=f"It may be sent to {', '.join(policy.recipients)}",
        )
    if config.network:  # engine and gateway are one program, without a catalogue
        enough_persons(policy.approvals, config.approval)
    return policy.tightened(**_stricter(config))


def signed_policy(path: Path, key_file: Path) -> Policy:
    """A policy whose signature fits; whether it is in force is not looked at."""
    data = _read(path)
    beside = signature_path(path)
    keys = public_keys(key_file)
    try:
        signature.verify(data, _read(beside).decode("ascii", "replace").strip(), keys.get)
    except RefusedError as error:
        raise ConfigError(
            "the policy is not signed by the policy key",
            where=str(path),
            todo="Ask whoever keeps the policy key; nothing is released under another policy",
        ) from error
    return read_policy(path)


def read_policy(path: Path) -> Policy:
    """A policy file, whether it is signed or not. Raises ConfigError."""
    try:
        return parse_policy(_read(path))
    except ConfigError as error:
        raise ConfigError(error.what, where=f"{path}: {error.where}", todo=error.todo) from error


def signature_path(path: Path) -> Path:
    """Where a policy's signature stands."""
    return path.with_name(path.name + ".sig")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        todo = "A policy comes with its signature, `weir policy sign` makes it"
        raise ConfigError("the policy cannot be read", where=str(path), todo=todo) from error


def _in_force(policy: Policy, today: date) -> None:
    if policy.expires and today > policy.expires:
        raise ConfigError(
            "the policy has expired",
            where=f"{policy.network}, {policy.expires}",
            todo="Ask the network for a new one; nothing is released until then",
        )


def _stricter(config: SiteConfig) -> Mapping[str, Any]:
    return config.tighten.model_dump(exclude_none=True)
