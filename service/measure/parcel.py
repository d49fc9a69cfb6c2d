"""What is carried by hand where no line leads: reports to the network, and its receipts back.

Two files of JSON. A parcel holds reports with the engine's signatures, the network that it is for,
and the head of the ledger, signed by its key over the hash of both; so nothing can be put in or
taken out on the way, and nobody can address it anew. A network is named by its keys for receipts,
since it has them alone. A reply holds what the network says to each, its receipts signed.
"""

from base64 import b64decode, b64encode
from typing import Annotated, Literal, Self

import rfc8785
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from service.errors import RefusedError
from service.measure import head
from service.measure.head import Thumbprint
from service.measure.summary import sha256
from service.measure.wire import Sha256

MOST_REPORTS = 10_000
NAMELESS = "weir parcel 1"  # the format of before: it did not say for whom it is
LARGEST = 200_000_000  # bytes of a file


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class CarriedReport(_Closed):
    """A report's exact bytes (base64), its release key, and the engine's signature."""

    body64: Annotated[str, Field(max_length=2_000_000)]
    release: Sha256
    signature: Annotated[str, Field(max_length=400)]

    @property
    def body(self) -> bytes:
        """The exact bytes. Raises ValueError."""
        return b64decode(self.body64, validate=True)


class Parcel(_Closed):
    """Reports on their way to the network; ``statement`` is the ledger's signed head.

    ``to`` are the keys of the network that it is for, by their ids.
    """

    format: Literal["weir parcel 2"] = "weir parcel 2"
    to: tuple[Thumbprint, ...] = Field(min_length=1)
    statement: Annotated[str, Field(max_length=head.MOST_BYTES)]
    reports: tuple[CarriedReport, ...] = Field(max_length=MOST_REPORTS)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        try:
            told = head.read(self.statement)
        except RefusedError as error:
            raise ValueError(error.what) from None
        if told.report != digest(self.to, self.reports):
            raise ValueError("it is not what was packed")
        return self


class Reply(_Closed):
    """What the network says to one report: a signed receipt, or the status of a refusal."""

    report: Sha256
    status: Annotated[int, Field(ge=100, le=599)]
    issue: Annotated[str, Field(pattern=r"^[a-z-]{0,30}$")] = ""
    signed: Annotated[str, Field(max_length=4000)] | None = None


class Replies(_Closed):
    """The network's answer to a parcel."""

    format: Literal["weir receipts 1"] = "weir receipts 1"
    replies: tuple[Reply, ...] = Field(max_length=MOST_REPORTS)


def carried(body: bytes, release: str, signature: str) -> CarriedReport:
    """A report as a parcel holds it."""
    body64 = b64encode(body).decode()
    return CarriedReport(body64=body64, release=release, signature=signature)


def digest(to: tuple[str, ...], reports: tuple[CarriedReport, ...]) -> str:
    """The hash that the statement of a parcel names."""
    packed = [each.model_dump(mode="json") for each in reports]
    return sha256(rfc8785.dumps({"to": list(to), "reports": packed}))


def read_parcel(data: bytes) -> Parcel:
    """Raises RefusedError for what is no parcel, or not as it was packed."""
    try:
        return Parcel.model_validate_json(data)
    except ValidationError as error:
        if any((each["loc"], each["input"]) == (("format",), NAMELESS) for each in error.errors()):
            todo = "Bring the site's gateway up to date, and pack anew: `weir gateway export`"
            raise RefusedError("this parcel does not name its network", todo=todo) from None
        raise RefusedError("this is no parcel, or it was opened on the way") from None


def read_replies(data: bytes) -> Replies:
    """Raises RefusedError for what is no reply."""
    try:
        return Replies.model_validate_json(data)
    except ValidationError:
        raise RefusedError("this is no file of receipts") from None
