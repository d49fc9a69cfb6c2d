"""The network's own secrets: the key that signs receipts, and what signs its cookies.

Made at first use in one folder, readable by their owner only. Back them up with the database.
"""

import json
import os
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc.jwk import OKPKey

from service.errors import StoreError
from service.fhir import signature
from service.fhir.signature import ALGORITHM

RECEIPTS, COOKIES = "receipts.key", "cookies.key"
SECRET_BYTES = 32


@dataclass(frozen=True)
class Keyring:
    """The Ed25519 key for receipts, and the secret for cookies and blinded names."""

    receipts: OKPKey = field(repr=False)
    secret: bytes = field(repr=False)

    @cached_property
    def kid(self) -> str:
        """The receipt key's id: its JWK thumbprint (RFC 7638)."""
        return self.receipts.thumbprint()

    @property
    def jwks(self) -> dict[str, Any]:
        """The public half, for who wants to check a receipt."""
        public = self.receipts.as_dict(private=False)
        return {"keys": [{**public, "alg": ALGORITHM, "kid": self.kid, "use": "sig"}]}

    def sign(self, content: dict[str, str]) -> str:
        """A compact JWS (RFC 7515) with the content as its payload."""
        payload = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
        protected, _, signed = signature.sign(payload, self.receipts, self.kid).split(".")
        return f"{protected}.{urlsafe_b64encode(payload).decode().rstrip('=')}.{signed}"


def open_keyring(folder: Path) -> Keyring:
    """The secrets in ``folder``, made if they are not there yet; raises StoreError."""
    seed, secret = (_secret(folder / name) for name in (RECEIPTS, COOKIES))
    pem = Ed25519PrivateKey.from_private_bytes(seed).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    return Keyring(OKPKey.import_key(pem), secret)


def _secret(path: Path) -> bytes:
    """The 32 bytes in a file; two programs that start at once keep the same."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            pass
        else:
            with open(opened, "wb") as file:
                file.write(secrets.token_bytes(SECRET_BYTES))
                file.flush()
                os.fsync(file.fileno())
        found = path.read_bytes()
    except OSError as error:
        raise StoreError("the network's secret cannot be kept", where=str(path)) from error
    if len(found) != SECRET_BYTES:
        raise StoreError(
            "the network's secret is damaged", where=str(path), todo="Restore it from the backup"
        )
    return found
