"""The site's own two keys: one signs reports, one decides how counts are rounded.

Both are made at first use under `data_dir/keys`, readable by their owner only. Back them up
together with site.db: with a new rounding key the same patients get other numbers, and two
roundings of one count say more than one. It is never written over, and the signing key only by
`service.site.rotation`.
"""

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from joserfc.jwk import OKPKey

from service.errors import StoreError
from service.fhir import signature
from service.gateway.keys import ed25519, public_jwk
from service.gateway.secret import own_secret

SIGNING = "signing.key"  # an Ed25519 private key, 32 bytes (RFC 8032)
FOLLOWING = "signing.key.next"  # the one that will sign, while keys are changed
ROUNDING = "rounding.key"


@dataclass(frozen=True)
class SiteKeys:
    """The private signing key, the secret for rounding, and the next signing key if there is one.

    The next one signs nothing but the request by which it is presented to the network.
    """

    signing: OKPKey
    rounding: bytes = field(repr=False)
    following: OKPKey | None = None

    @cached_property
    def kid(self) -> str:
        """The signing key's id: its JWK thumbprint (RFC 7638)."""
        return self.signing.thumbprint()

    @property
    def public_jwk(self) -> dict[str, Any]:
        """What the network enrols; holds nothing secret."""
        return public_jwk(self.signing)

    @property
    def public_json(self) -> bytes:
        """The same as a file for the gateway; while keys are changed a JWK Set of both."""
        told = self.public_jwk
        if self.following:
            told = {"keys": [told, public_jwk(self.following)]}
        return json.dumps(told, indent=2, sort_keys=True).encode() + b"\n"

    def sign(self, body: bytes) -> str:
        """The value of the signature header for a body."""
        return signature.sign(body, self.signing, self.kid)


def site_keys(data_dir: Path) -> SiteKeys:
    """The keys kept in `data_dir`, made when neither is there yet.

    Raises StoreError when one of them is missing, damaged or cannot be kept.
    """
    made = [(data_dir / "keys" / name).exists() for name in (ROUNDING, SIGNING)]
    if made[1] and not made[0]:
        raise StoreError(
            "the site's rounding key is missing",
            where=str(data_dir / "keys" / ROUNDING),
            todo="Restore it from the backup; a new one would round released counts again",
        )
    rounding, seed = own_secret(data_dir, ROUNDING), own_secret(data_dir, SIGNING)
    waits = (data_dir / "keys" / FOLLOWING).exists()
    following = ed25519(own_secret(data_dir, FOLLOWING)) if waits else None
    return SiteKeys(ed25519(seed), rounding, following)
