"""The site's key for the EHR: which files will do, and what the EHR gets to see of it."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from joserfc.jwk import ECKey

from service.errors import ConfigError
from service.fhir.keys import read_signing_key
from service.site.ehr_config import FhirConfig
from service.site.ehr_keys import published_keys, signing_key

P384 = ec.generate_private_key(ec.SECP384R1())
RSA_2048 = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _file(folder: Path, content: bytes) -> Path:
    path = folder / "key"
    path.write_bytes(content)
    return path


def test_the_algorithm_follows_from_the_key(tmp_path: Path) -> None:
    assert read_signing_key(_file(tmp_path, _pem(P384)), "k1").algorithm == "ES384"
    long = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert read_signing_key(_file(tmp_path, _pem(long)), "k1").algorithm == "RS384"


def test_a_jwk_file_can_name_its_own_kid(tmp_path: Path) -> None:
    jwk = ECKey.import_key(_pem(P384)).as_dict(private=True)
    path = _file(tmp_path, json.dumps({**jwk, "kid": "mine"}).encode())
    assert read_signing_key(path).kid == "mine"
    assert read_signing_key(path, "configured").kid == "configured"


def test_without_any_kid_it_is_the_thumbprint(tmp_path: Path) -> None:
    key = read_signing_key(_file(tmp_path, _pem(P384)))
    assert key.kid == ECKey.import_key(_pem(P384)).thumbprint()


def test_the_jwks_for_the_ehr_holds_the_public_half_only(tmp_path: Path) -> None:
    [public] = read_signing_key(_file(tmp_path, _pem(P384)), "k1").jwks()["keys"]
    assert set(public) == {"kty", "crv", "x", "y", "kid", "alg", "use"}
    assert (public["kid"], public["alg"], public["use"]) == ("k1", "ES384", "sig")


WRONG = {
    "short RSA": _pem(rsa.generate_private_key(public_exponent=65537, key_size=1024)),
    "another curve": _pem(ec.generate_private_key(ec.SECP256R1())),
    "public PEM": P384.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    "public JWK": json.dumps(ECKey.import_key(_pem(P384)).as_dict(private=False)).encode(),
    "symmetric JWK": json.dumps({"kty": "oct", "k": "c2VjcmV0"}).encode(),
    "broken JWK": b'{"kty": "EC", "crv": "P-384"',
    "half a JWK": b'{"kty": "EC", "crv": "P-384"}',
    "not a key": b"hunter2 is no key",
    "not text": b"\xff\xfe\x00",
    "empty": b"",
}


@pytest.mark.parametrize("content", WRONG.values(), ids=WRONG)
def test_other_keys_are_refused_and_never_repeated(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ConfigError, match="fhir.key_file") as error:
        read_signing_key(_file(tmp_path, content))
    assert "hunter2" not in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere.pem"):
        read_signing_key(tmp_path / "nowhere.pem")


def _old_and_new(folder: Path) -> tuple[Path, Path]:
    (folder / "old").mkdir()
    (folder / "new").mkdir()
    return _file(folder / "old", _pem(P384)), _file(folder / "new", _pem(RSA_2048))


def test_while_keys_are_changed_both_are_published(tmp_path: Path) -> None:
    """The first signs; the ids are those of the keys, whichever of them signs."""
    old, new = _old_and_new(tmp_path)
    before, after = (
        published_keys(
            FhirConfig(
                base_url="https://ehr.example",
                client_id="weir",
                key_file=signing,
                other_keys=(other,),
            )
        )["keys"]
        for signing, other in ((old, new), (new, old))
    )
    assert before == after[::-1]
    assert [key["alg"] for key in before] == ["ES384", "RS384"]
    assert not [key for key in before if "d" in key]


def test_an_id_that_the_ehr_gave_stays_with_its_key(tmp_path: Path) -> None:
    """Whichever of them signs: the EHR would check a new key's signatures with the old key."""
    old, new = _old_and_new(tmp_path)
    before, after = (
        FhirConfig(
            base_url="https://ehr.example",
            client_id="weir",
            key_file=signing,
            other_keys=(other,),
            kids={old: "weir-1"},
        )
        for signing, other in ((old, new), (new, old))
    )
    assert published_keys(before)["keys"] == published_keys(after)["keys"][::-1]
    assert signing_key(before).kid == "weir-1"
    assert signing_key(after).kid == published_keys(before)["keys"][1]["kid"] != "weir-1"


@pytest.mark.parametrize(
    ("named", "complaint"),
    [
        ({"kid": "weir-1", "other_keys": ("new.pem",)}, r"kids = \{\"old.pem\" = \"weir-1\"\}"),
        ({"kid": "weir-1", "kids": {"old.pem": "weir-2"}}, "whose id it is"),
        ({"kids": {"new.pem": "weir-1"}}, "neither key_file nor in other_keys: new.pem"),
    ],
    ids=["one id for two keys", "two ids for one key", "an id for no key"],
)
def test_an_id_of_nobody_knows_which_key_is_refused(named: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        FhirConfig.model_validate(
            {
                "base_url": "https://ehr.example",
                "client_id": "weir",
                "key_file": "old.pem",
                **named,
            }
        )


def test_two_keys_of_one_id_are_refused(tmp_path: Path) -> None:
    path = _file(tmp_path, _pem(P384))
    fhir = FhirConfig(
        base_url="https://ehr.example", client_id="weir", key_file=path, other_keys=(path,)
    )
    with pytest.raises(ConfigError, match="same id"):
        published_keys(fhir)
