"""The keys by which the EHR knows the site: one that signs, and others while keys are changed.

To change keys without a gap: make the new key and name it in fhir.other_keys, so that both are
published; when the EHR has fetched or been given the new set, make it fhir.key_file and the old one
an other key; take that out when the EHR knows the new set. Each key keeps its id all the while: an
EHR looks up by it with which key to check what is signed.
"""

from typing import Any

from service.errors import ConfigError
from service.fhir.keys import SigningKey, read_signing_key
from service.site.ehr_config import FhirConfig


def signing_key(fhir: FhirConfig) -> SigningKey:
    """The key that signs. Raises ConfigError when it cannot be used."""
    return read_signing_key(fhir.key_file, fhir.kid_of(fhir.key_file))


def published_keys(fhir: FhirConfig) -> dict[str, Any]:
    """The JWK Set with the public halves of all keys, that which signs first.

    Raises ConfigError when a key cannot be used, or two have the same id.
    """
    keys = signing_key(fhir).jwks()["keys"]
    for path in fhir.other_keys:
        keys += read_signing_key(path, fhir.kid_of(path)).jwks()["keys"]
    if len({key["kid"] for key in keys}) < len(keys):
        raise ConfigError(
            "Two of the keys for the EHR have the same id",
            where="fhir.key_file and fhir.other_keys",
            todo="Give each key once, and each its own id in fhir.kids, or none",
        )
    return {"keys": keys}
