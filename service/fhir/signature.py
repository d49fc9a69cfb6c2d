"""Detached signatures over exact bytes: how the network knows which site sent a report.

The header `Weir-Signature` carries a compact JWS whose payload is left out (RFC 7515, Appendix F):
`<protected>..<signature>`, algorithm EdDSA with an Ed25519 key (RFC 8037), protected header
`{"alg":"EdDSA","kid":"<the site's key id>"}`. The payload is the body, byte for byte.
"""

from collections.abc import Callable
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwk import OKPKey

from service.errors import ConfigError, RefusedError

HEADER = "Weir-Signature"
ALGORITHM = "EdDSA"
BODY_BYTES = 1_000_000  # a summary report is a few kilobytes


class _EdDsaOnly(jws.JWSRegistry):
    """Knows one algorithm, whatever a header asks for.

    RFC 9864 renames EdDSA with Ed25519 to "Ed25519"; the bytes signed are the same, and the older
    name is the one that other implementations know.
    """

    max_payload_length = BODY_BYTES

    def get_alg(self, name: str) -> Any:
        if name != ALGORITHM:
            raise UnsupportedAlgorithmError()
        return self.algorithms[ALGORITHM]


_REGISTRY = _EdDsaOnly()


def sign(body: bytes, key: OKPKey, kid: str) -> str:
    """The value of `Weir-Signature` for a body; `key` is a private Ed25519 key."""
    _require_ed25519(key)
    token = jws.serialize_compact({"alg": ALGORITHM, "kid": kid}, body, key, registry=_REGISTRY)
    protected, _, signature = token.split(".")
    return f"{protected}..{signature}"


def verify(body: bytes, value: str | None, find_key: Callable[[str], OKPKey | None]) -> str:
    """Check that `value` is a signature over `body`; returns the id of the key that made it.

    `find_key` gives the enrolled public key of a key id, or None.
    Raises RefusedError when the signature is absent, malformed, by an unknown key or wrong.
    """
    kid = key_id(value)
    key = find_key(kid)
    if key is None:
        raise RefusedError("the report is signed with a key that is not enrolled", where=HEADER)
    _require_ed25519(key)
    try:
        jws.deserialize_compact(value or "", key, registry=_REGISTRY, payload=body)
    except (JoseError, ValueError) as error:
        raise RefusedError(
            "the signature does not fit the report",
            where=HEADER,
            todo="Sign exactly the bytes that are sent",
        ) from error
    return kid


def key_id(value: str | None) -> str:
    """The key id that a header names; nothing about it is trusted yet. Raises RefusedError."""
    if not value:
        raise RefusedError("the report is not signed", where=HEADER)
    try:
        protected = jws.extract_compact(value.encode(), b"", _REGISTRY).protected
    except (JoseError, ValueError) as error:
        raise RefusedError("the signature is not a detached JWS", where=HEADER) from error
    kid = protected.get("kid")
    if ".." not in value or set(protected) != {"alg", "kid"} or not isinstance(kid, str):
        raise RefusedError("the signature is not a detached JWS", where=HEADER)
    return kid


def _require_ed25519(key: OKPKey) -> None:
    if key.curve_name != "Ed25519":
        raise ConfigError("a report's key must be an Ed25519 key", where=HEADER)
