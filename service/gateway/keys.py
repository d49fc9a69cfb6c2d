"""Ed25519 keys of the gateway and of the people who approve, and where they are kept.

The gateway's own key signs the ledger. It is made at first use under `data_dir/keys`; those that
it had before are kept beside it by their key ids, public half only (`weir gateway rotate`).
"""

import os
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from joserfc.jwk import OKPKey

from service.errors import ConfigError, StoreError
from service.fhir import signature
from service.gateway.secret import own_secret, replace_secret

LEDGER = "ledger.key"


def ed25519(seed: bytes) -> OKPKey:
    """The private key of a 32-byte seed (RFC 8032)."""
    return _imported(Ed25519PrivateKey.from_private_bytes(seed))


def ledger_key(data_dir: Path) -> OKPKey:
    """The gateway's own key, made when there is none yet. Raises StoreError."""
    return ed25519(own_secret(data_dir, LEDGER))


def next_ledger_key(data_dir: Path) -> OKPKey | None:
    """The key of a rotation that a crash cut short, if there is one."""
    waits = (data_dir / "keys" / f"{LEDGER}.next").exists()
    return ed25519(own_secret(data_dir, f"{LEDGER}.next")) if waits else None


def new_ledger_key(data_dir: Path) -> OKPKey:
    """A key for `adopt`; nothing uses it yet."""
    return ed25519(replace_secret(data_dir, f"{LEDGER}.next"))


def adopt(data_dir: Path) -> None:
    """Make the key of `new_ledger_key` the gateway's own, at one stroke."""
    folder = data_dir / "keys"
    os.replace(folder / f"{LEDGER}.next", folder / LEDGER)


def public_x(key: OKPKey) -> str:
    """The public key itself, base64url (RFC 8037)."""
    return str(key.as_dict(private=False)["x"])


def public_jwk(key: OKPKey) -> dict[str, Any]:
    """The public half as it is enrolled; holds nothing secret."""
    public = key.as_dict(private=False)
    return public | {"alg": signature.ALGORITHM, "kid": key.thumbprint(), "use": "sig"}


def make_approver(path: Path, password: bytes) -> OKPKey:
    """Make a person's key in a new file, encrypted with their password."""
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password))
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(pem)
    except OSError as error:
        todo = "Give a path where no file is yet"
        raise StoreError("the key cannot be kept", where=str(path), todo=todo) from error
    return _imported(key)


def read_approver(path: Path, password: bytes) -> OKPKey:
    """A person's private key. Raises ConfigError when file and password do not fit."""
    try:
        key = load_pem_private_key(path.read_bytes(), password)
    except (OSError, ValueError, TypeError):
        todo = "Give the file that `weir gateway approver` made, and its password"
        raise ConfigError("the key cannot be opened", where=str(path), todo=todo) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError("an approver's key is an Ed25519 key", where=str(path))
    return _imported(key)


def _imported(key: Ed25519PrivateKey) -> OKPKey:
    return OKPKey.import_key(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
