"""The gateway's configuration: one TOML file, in which nothing of the EHR stands.

    site = "north"                      # how the network knows the site
    data_dir = "gateway"                # the ledger, its key, and what was sent
    spool = "/spool"                    # where the engine leaves releases
    reports_key = "north.jwk.json"      # the engine's public key: `weir site key` prints it
    catalogue = "catalogue.json"        # what may be named: `weir site catalogue` prints it

    [network]
    url = "https://network.example"
    kind = "weir"                       # or "fhir": a plain FHIR server; or "file": an air gap
    ca_file = "ca.pem"                  # optional: authorities beside the host's
    receipt_keys = "network.jwks.json"  # optional: the network's keys, to check its receipts with
    client_certificate = "tls.pem"      # optional, with client_key: a TLS client certificate
    token_file = "token"                # optional, of a FHIR server: a bearer token
    client_id = "weir"                  # or instead: SMART Backend Services, with
    key_file = "keys/fhir.pem"          #   the private key, and optionally its kid

    [approval]                          # optional: without it everything is sent
    persons = 1                         # 0: automatic, 1: hold for approval, 2: two persons
    expires_days = 30                   # a proposal that nobody approved is not sent after this
    remind_days = 7                     # and is pointed out so long before

    [[approver]]
    name = "quality-lead"
    key_file = "lead.jwk.json"          # public half: `weir gateway approver` makes both

Relative paths are relative to the file. A key that is not known is an error.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from joserfc.errors import JoseError
from joserfc.jwk import OKPKey
from pydantic import Field, model_validator

from service.errors import ConfigError
from service.gateway.settings import Address, ConfigPath, Section, Slug, Text, read_settings


class NetworkConfig(Section):
    """Where releases go and how the gateway signs in there."""

    url: Address = ""
    kind: Literal["weir", "fhir", "file"] = "weir"
    ca_file: ConfigPath | None = None
    receipt_keys: ConfigPath | None = None
    client_certificate: ConfigPath | None = None
    client_key: ConfigPath | None = None
    token_file: ConfigPath | None = None
    client_id: Text | None = None
    key_file: ConfigPath | None = None
    kid: Text | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if bool(self.url) is (self.kind == "file"):
            raise ValueError("a network has a url, but one of kind file has none")
        if (self.client_certificate is None) is not (self.client_key is None):
            raise ValueError("client_certificate and client_key go together")
        if self.kind == "file" and self.receipt_keys is None:
            raise ValueError("kind file needs receipt_keys: receipts are carried, too")
        if (self.client_id is None) is not (self.key_file is None):
            raise ValueError("client_id and key_file go together")
        if self.kind != "fhir" and (self.token_file or self.client_id):
            raise ValueError("token_file, client_id and key_file are for kind fhir")
        if self.token_file and self.client_id:
            raise ValueError("give token_file, or client_id and key_file")
        return self


class ApprovalConfig(Section):
    """How many persons approve each release, and for how long a proposal waits for them."""

    persons: int = Field(0, ge=0, le=2)
    expires_days: int = Field(30, ge=1, le=366)
    remind_days: int = Field(7, ge=0, le=60)


class Approver(Section):
    """A person who may approve, by the public half of a key that only they have."""

    name: Slug
    key_file: ConfigPath


class GatewayConfig(Section):
    """All of gateway.toml."""

    site: Slug
    data_dir: ConfigPath
    spool: ConfigPath
    reports_key: ConfigPath
    catalogue: ConfigPath | None = None
    network: NetworkConfig
    approval: ApprovalConfig = ApprovalConfig()
    approver: tuple[Approver, ...] = ()

    @model_validator(mode="after")
    def _enough_approvers(self) -> Self:
        enough_approvers(self.approval, self.approver)
        return self


SECTIONS: Mapping[str, type[Section]] = {
    "network": NetworkConfig,
    "approval": ApprovalConfig,
    "approver": Approver,
}


class _GatewayFile(GatewayConfig):
    """As a file of its own: the catalogue is the gateway's own knowledge of what may be named."""

    catalogue: ConfigPath


def enough_approvers(approval: ApprovalConfig, approvers: tuple[Approver, ...]) -> None:
    """Raises ValueError when fewer persons are named than have to approve."""
    if len({each.name for each in approvers}) < max(approval.persons, len(approvers)):
        raise ValueError("approval.persons needs as many [[approver]] tables with distinct names")


def enough_persons(wanted: int, approval: ApprovalConfig) -> None:
    """Raises ConfigError when fewer persons approve than the policy demands."""
    if approval.persons < wanted:
        raise ConfigError(
            "the policy demands more approvals than the gateway asks for",
            where="[approval] persons",
            todo=f"Set it to {wanted}, and name so many approvers",
        )


def load_gateway_config(path: Path) -> GatewayConfig:
    """Read gateway.toml. Raises ConfigError that names every key that is wrong."""
    return read_settings(path, _GatewayFile, SECTIONS)


def public_keys(path: Path) -> dict[str, OKPKey]:
    """The Ed25519 public keys of a JWK or JWK Set file, by key id. Raises ConfigError."""
    try:
        told = json.loads(path.read_text("utf-8"))
        return dict(map(_public_key, told.get("keys", [told])))
    except (OSError, ValueError, TypeError, KeyError, JoseError):
        todo = "Give a JWK or a JWK Set of Ed25519 public keys"
        raise ConfigError("the public key cannot be read", where=str(path), todo=todo) from None


def _public_key(told: dict[str, Any]) -> tuple[str, OKPKey]:
    if "d" in told or told.get("crv") != "Ed25519":
        raise ValueError("no Ed25519 public key")
    key = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": told["x"]})
    return str(told.get("kid") or key.thumbprint()), key
