"""The key by which the site proves who it is to the EHR.

SMART asks for RS384 or ES384; which of them follows from the key
(http://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html).
"""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import ECKey, RSAKey, import_key

from service.errors import ConfigError

RSA_BITS = 2048
TODO = "Give an EC P-384 or an RSA private key, as PEM without password or as JWK, in fhir.key_file"


@dataclass(frozen=True)
class SigningKey:
    """A private key, its JWS algorithm ("ES384" or "RS384") and the id that the EHR knows it by."""

    key: ECKey | RSAKey
    algorithm: str
    kid: str

    def jwks(self) -> dict[str, Any]:
        """The JWK Set to register with the EHR: the public half only."""
        public = self.key.as_dict(private=False)
        return {"keys": [{**public, "kid": self.kid, "alg": self.algorithm, "use": "sig"}]}


def read_signing_key(path: Path, kid: str | None = None) -> SigningKey:
    """Read a PEM or JWK file. ``kid`` defaults to the JWK's own, then to its RFC 7638 thumbprint.

    Raises ConfigError when the file is missing, holds no private key, or one that SMART does not
    allow.
    """
    try:
        key = _import(path.read_bytes())
    except OSError as error:
        raise ConfigError("The key file cannot be read", where=str(path), todo=TODO) from error
    except (JoseError, msgspec.DecodeError, ValueError, TypeError):
        # Neither repeated nor chained: what was read may be a key.
        raise ConfigError("The key file holds no usable key", where=str(path), todo=TODO) from None
    algorithm = _algorithm(key)
    if algorithm is None or not isinstance(key, ECKey | RSAKey):
        raise ConfigError("SMART does not allow this kind of key", where=str(path), todo=TODO)
    return SigningKey(key, algorithm, kid or key.kid or key.thumbprint())


def _import(data: bytes) -> object:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)  # weak keys are refused below
        if data.lstrip().startswith(b"{"):
            return import_key(msgspec.json.decode(data))
        load_pem_private_key(data, password=None)  # refuses public keys and unknown formats
        try:
            return ECKey.import_key(data)
        except JoseError:
            return RSAKey.import_key(data)


def _algorithm(key: object) -> str | None:
    if isinstance(key, ECKey) and key.is_private and key.curve_name == "P-384":
        return "ES384"
    if isinstance(key, RSAKey) and key.is_private and key.raw_value.key_size >= RSA_BITS:
        return "RS384"
    return None
