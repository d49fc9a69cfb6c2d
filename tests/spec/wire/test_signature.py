"""Weir-Signature: a detached EdDSA JWS over the exact bytes (RFC 7515, Appendix F)."""

import base64
import json

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from joserfc import jws
from joserfc.jwk import ECKey, OctKey, OKPKey

from service.errors import ConfigError, RefusedError
from service.fhir.signature import sign, verify

KEY = OKPKey.generate_key("Ed25519")
OTHER = OKPKey.generate_key("Ed25519")
BODY = b'{"resourceType":"MeasureReport"}'
KEYS = {"north-1": OKPKey.import_key(KEY.as_dict(private=False))}


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def refused(body: bytes, value: str | None) -> str:
    with pytest.raises(RefusedError) as error:
        verify(body, value, KEYS.get)
    return str(error.value)


def test_a_signature_is_checked_and_names_its_key() -> None:
    assert verify(BODY, sign(BODY, KEY, "north-1"), KEYS.get) == "north-1"


def test_it_is_what_the_rfc_says() -> None:
    """Checked with nothing but base64 and Ed25519."""
    protected, payload, signature = sign(BODY, KEY, "north-1").split(".")
    assert json.loads(decoded(protected)) == {"alg": "EdDSA", "kid": "north-1"}
    assert payload == ""
    public = Ed25519PublicKey.from_public_bytes(decoded(str(KEY.as_dict()["x"])))
    public.verify(decoded(signature), f"{protected}.{encoded(BODY)}".encode())
    with pytest.raises(InvalidSignature):
        public.verify(decoded(signature), f"{protected}.{encoded(BODY + b' ')}".encode())


@pytest.mark.parametrize("position", range(len(BODY)))
def test_one_changed_byte_is_found(position: int) -> None:
    value = sign(BODY, KEY, "north-1")
    changed = BODY[:position] + bytes([BODY[position] ^ 1]) + BODY[position + 1 :]
    assert "does not fit" in refused(changed, value)


def test_every_character_of_the_signature_counts() -> None:
    value = sign(BODY, KEY, "north-1")
    for position in range(len(value) - 1):  # the last one has bits that base64 ignores
        other = "A" if value[position] != "A" else "B"
        refused(BODY, value[:position] + other + value[position + 1 :])


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (None, "not signed"),
        ("", "not signed"),
        ("nonsense", "detached JWS"),
        ("..", "detached JWS"),
        ("é..é", "detached JWS"),
        (sign(BODY, KEY, "stranger"), "not enrolled"),
        (sign(BODY, OTHER, "north-1"), "does not fit"),
        (sign(BODY + b" ", KEY, "north-1"), "does not fit"),
        (sign(BODY, KEY, "north-1").replace("..", f".{encoded(BODY)}."), "detached JWS"),
    ],
)
def test_what_does_not_fit_is_refused(value: str | None, why: str) -> None:
    assert why in refused(BODY, value)


def header(**protected: object) -> str:
    """A detached JWS by our own key, rightly signed, with another header."""
    private = Ed25519PrivateKey.from_private_bytes(decoded(str(KEY.as_dict(private=True)["d"])))
    token = encoded(json.dumps(protected).encode())
    payload = BODY.decode() if protected.get("b64") is False else encoded(BODY)
    return f"{token}..{encoded(private.sign(f'{token}.{payload}'.encode()))}"


def test_rightly_signed_means_rightly_signed() -> None:
    assert verify(BODY, header(alg="EdDSA", kid="north-1"), KEYS.get) == "north-1"


@pytest.mark.parametrize(
    "protected",
    [
        {"alg": "none", "kid": "north-1"},
        {"alg": "HS256", "kid": "north-1"},
        {"alg": "EdDSA"},
        {"alg": "EdDSA", "kid": 1},
        {"alg": "EdDSA", "kid": "north-1", "jwk": KEY.as_dict(private=False)},
        {"alg": "EdDSA", "kid": "north-1", "b64": False, "crit": ["b64"]},
    ],
)
def test_no_other_header_is_accepted(protected: dict[str, object]) -> None:
    refused(BODY, header(**protected))


def test_the_public_key_is_no_shared_secret() -> None:
    """The old trick: sign with HMAC and the public key as its key."""
    secret = OctKey.import_key(json.dumps(KEY.as_dict(private=False)))
    token = jws.serialize_compact({"alg": "HS256", "kid": "north-1"}, BODY, secret)
    protected, _, signature = token.split(".")
    refused(BODY, f"{protected}..{signature}")


def test_only_ed25519_keys_sign() -> None:
    with pytest.raises(ConfigError):
        sign(BODY, OKPKey.generate_key("Ed448"), "north-1")
    with pytest.raises(ConfigError):
        sign(BODY, ECKey.generate_key("P-256"), "north-1")  # type: ignore[arg-type]
