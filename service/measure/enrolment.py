"""How a site's public keys travel to the network: one request a key, signed with that very key.

A request goes to `POST /enrolment` as JSON, its signature over the exact bytes in the header
`Weir-Signature`. It proves that the sender holds the key and no more: people compare the key's six
words (`service.fhir.fingerprint`) before they accept it.
"""

import json
from collections.abc import Iterable
from typing import Annotated, Literal

from joserfc.errors import JoseError
from joserfc.jwk import OKPKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service.errors import RefusedError
from service.fhir import signature
from service.fhir.fingerprint import fingerprint
from service.measure.wire import Name

PATH = "/enrolment"
# What a key signs: the engine's its reports, the gateway's the head of its ledger.
Use = Literal["reports", "ledger"]
# pending: people have not decided. accepted: enrolled. The others sign nothing any more.
State = Literal["pending", "accepted", "expired", "revoked"]


class PublicKey(BaseModel):
    """An Ed25519 public key as `weir site key` prints it; a private half is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kty: Literal["OKP"]
    crv: Literal["Ed25519"]
    x: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{43}$")]
    alg: Literal["EdDSA"] = "EdDSA"
    use: Literal["sig"] = "sig"
    kid: Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,64}$")] | None = None

    @property
    def key(self) -> OKPKey:
        return OKPKey.import_key({"kty": self.kty, "crv": self.crv, "x": self.x})

    @property
    def known_as(self) -> str:
        """The key id, by default the RFC 7638 thumbprint."""
        return self.kid or self.key.thumbprint()

    @property
    def words(self) -> str:
        """What people read to each other."""
        return fingerprint(self.x)


class Request(BaseModel):
    """What a site asks for: that this key signs for ``site``, and to report these measures.

    ``measures`` are addresses without a version, and none for a ledger's key.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    site: Name
    name: Annotated[str, Field(min_length=1, max_length=100)]
    jwk: PublicKey
    measures: Annotated[
        tuple[Annotated[str, Field(max_length=250)], ...], Field(max_length=100)
    ] = ()
    use: Use = "reports"


def made(site: str, name: str, key: OKPKey, measures: Iterable[str], use: Use) -> tuple[bytes, str]:
    """A request's exact bytes and their signature; ``key`` is private."""
    kid = key.thumbprint()
    jwk = {**key.as_dict(private=False), "kid": kid}
    told = {"site": site, "name": name, "jwk": jwk, "measures": sorted(measures), "use": use}
    body = json.dumps(told, sort_keys=True).encode()
    return body, signature.sign(body, key, kid)


def read(body: bytes, signed: str | None) -> Request:
    """A request that is signed with the key that it presents.

    Raises ValueError when it is none, RefusedError when the signature is not that key's.
    """
    try:
        request = Request.model_validate_json(body)
        own = request.jwk.key
    except (ValidationError, JoseError) as error:
        raise ValueError("the request does not fit the schema of an enrolment") from error
    try:
        signature.verify(body, signed, lambda kid: own)
    except RefusedError as error:
        what = error.what.replace("report", "request")
        raise RefusedError(what, where=error.where, todo=error.todo) from None
    return request
