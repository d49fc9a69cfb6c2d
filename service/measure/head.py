"""The head of a site's ledger as it travels: how far the ledger is, signed with the ledger's key.

It goes along with every report in the header `Weir-Ledger`, and to `POST /ledger` before the first
report of a push: a compact JWS (RFC 7515; EdDSA with Ed25519) over canonical JSON (RFC 8785). The
network keeps every head, so that a ledger from which something was taken, or in which something
was changed, no longer has the heads that the network knows.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Annotated

import rfc8785
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service.errors import RefusedError
from service.fhir import signature
from service.measure.wire import Name, Sha256

HEADER = "Weir-Ledger"
PATH = "/ledger"
MOST_BYTES = 4000
PublicKey = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{43}$")]  # base64url (RFC 8037)
Thumbprint = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{43}$")]  # of a key (RFC 7638)


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Head(_Closed):
    """The number of the last row, and the hash of its line."""

    seq: Annotated[int, Field(ge=1, le=10**9)]
    hash: Sha256


class Statement(_Closed):
    """What a site says of its ledger: the head, the key that signs it, and what came before.

    ``since`` is the last head for which the site has the network's word. ``report`` is the hash of
    the report that it goes along with. ``handover`` is the former key's signature over the new
    one, a detached JWS whose payload is `x`.
    """

    site: Name
    head: Head
    x: PublicKey
    since: Head | None = None
    report: Sha256 | None = None
    handover: Annotated[str, Field(max_length=400)] | None = None

    @property
    def key(self) -> OKPKey:
        """The public key of the ledger."""
        return OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": self.x})

    @property
    def kid(self) -> str:
        """The key's RFC 7638 thumbprint."""
        return self.key.thumbprint()


def sign(statement: Statement, key: OKPKey) -> str:
    """The compact JWS of a statement; ``key`` is the ledger's private key."""
    payload = rfc8785.dumps(statement.model_dump(mode="json"))
    protected, _, signed = signature.sign(payload, key, key.thumbprint()).split(".")
    return f"{protected}.{urlsafe_b64encode(payload).decode().rstrip('=')}.{signed}"


def read(text: str) -> Statement:
    """A statement whose signature is by the key that it names. Raises RefusedError."""
    try:
        if len(text) > MOST_BYTES:
            raise ValueError("too long")
        protected, encoded, signed = text.split(".")
        payload = urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
        statement = Statement.model_validate_json(payload)
        own = {statement.kid: statement.key}
        signature.verify(payload, f"{protected}..{signed}", own.get)
    except (ValueError, ValidationError, JoseError, RefusedError):
        todo = "See docs/wire-format.md"
        raise RefusedError("this is no head of a ledger", where=HEADER, todo=todo) from None
    return statement
