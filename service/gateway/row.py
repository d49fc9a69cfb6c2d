"""What a row of the ledger says: a closed list of events, in enumerations, hashes and integers.

docs/ledger.md shows them as JSON. `report` is always the SHA-256 of a report's exact bytes.
"""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter

from service.measure.enrolment import Use
from service.measure.head import PublicKey, Thumbprint
from service.measure.wire import Canonical, Mapping, Name, Sha256, Version

Instant = Annotated[str, Field(pattern=r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$")]
Days = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d/\d{4}-\d\d-\d\d$")]
Count = Annotated[int, Field(ge=0, le=10_000_000)]
KeyId = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,64}$")]
Detached = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+\.\.[A-Za-z0-9_-]+$")]
Compact = Annotated[str, StringConstraints(pattern=r"^[\w-]+\.[\w-]+\.[\w-]+$", max_length=4000)]
Origin = Annotated[str, Field(pattern=r"^(https?://[A-Za-z0-9.:\[\]-]{1,255}|file)$")]
ReceiptId = Annotated[str, Field(pattern=r"^[A-Za-z0-9/.-]{1,80}$")]
Channel = Literal["weir", "fhir", "file"]


class Mode(StrEnum):
    """How a release came to be sent."""

    AUTOMATIC = "automatic"
    HOLD = "hold"
    TWO_PERSONS = "two-persons"


class Reason(StrEnum):
    """Why the gateway does not let something pass that lay in the spool."""

    NOT_A_LETTER = "not-a-letter"
    NOT_A_REPORT = "not-a-report"
    NOT_SIGNED = "not-signed-by-the-engine"
    ANOTHER_SITE = "another-site"
    NOT_IN_CATALOGUE = "not-in-the-catalogue"
    KEY_USED = "key-used-for-other-bytes"


class Outcome(StrEnum):
    """What came of an attempt to send."""

    RECEIPT = "receipt"
    REFUSED = "refused"
    LATER = "later"
    NO_ANSWER = "no-answer"
    NO_RECEIPT = "no-receipt"


class _Event(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Opened(_Event):
    """The first row: whose ledger, and the key that signs it."""

    event: Literal["opened"] = "opened"
    site: Name
    x: PublicKey


class NewKey(_Event):
    """From the next row on another key signs; this row is still signed by the former one."""

    event: Literal["new-key"] = "new-key"
    x: PublicKey
    handover: Detached


class Taken(_Event):
    """A release was taken from the spool: checked, its bytes kept, frozen from now on."""

    event: Literal["taken"] = "taken"
    report: Sha256
    release: Sha256
    bytes: Count
    measure: Canonical
    period: Days
    policy: Sha256
    package: Sha256
    mapping: Mapping
    engine: Version
    signed_by: KeyId


class Void(_Event):
    """Something in the spool was not let pass; its file's hash."""

    event: Literal["void"] = "void"
    file: Sha256
    reason: Reason


class Approved(_Event):
    """A person approved exactly these bytes, with a signature of their own."""

    event: Literal["approved"] = "approved"
    report: Sha256
    approver: KeyId
    signature: Detached


class Declined(_Event):
    """A person decided that this release is not sent."""

    event: Literal["declined"] = "declined"
    report: Sha256
    approver: KeyId
    signature: Detached


class Expired(_Event):
    """Nobody approved the proposal in time; it is not sent."""

    event: Literal["expired"] = "expired"
    report: Sha256


class Sending(_Event):
    """Written before the bytes are handed over: what, to whom, on whose word, by what software."""

    event: Literal["sending"] = "sending"
    report: Sha256
    release: Sha256
    bytes: Count
    channel: Channel
    to: Origin
    mode: Mode
    approvers: tuple[KeyId, ...] = Field((), max_length=2)
    policy: Sha256
    package: Sha256
    software: Sha256
    attempt: Count


class DryRun(_Event):
    """Everything was done but opening the socket."""

    event: Literal["dry-run"] = "dry-run"
    report: Sha256
    to: Origin
    software: Sha256


class Answered(_Event):
    """What came back. `signed` is the network's signed receipt, checked where its key is known."""

    event: Literal["answered"] = "answered"
    report: Sha256
    outcome: Outcome
    status: Annotated[int, Field(ge=0, le=999)]
    issue: Annotated[str, Field(pattern=r"^[a-z-]{0,30}$")] = ""
    receipt: ReceiptId | None = None
    signed: Compact | None = None
    checked: bool = False


class Greeted(_Event):
    """The ledger's head was shown to the network before a push."""

    event: Literal["greeted"] = "greeted"
    to: Origin


class Presented(_Event):
    """A public key is being presented to the network; ``request`` is the hash of the exact bytes.

    ``kid`` is the key's thumbprint.
    """

    event: Literal["presented"] = "presented"
    to: Origin
    key: Use
    kid: Thumbprint
    request: Sha256


class Restored(_Event):
    """The ledger was restored from a backup."""

    event: Literal["restored"] = "restored"


Event = Annotated[
    Opened
    | NewKey
    | Taken
    | Void
    | Approved
    | Declined
    | Expired
    | Sending
    | DryRun
    | Answered
    | Greeted
    | Presented
    | Restored,
    Field(discriminator="event"),
]
EVENT: TypeAdapter[Event] = TypeAdapter(Event)


class Row(_Event):
    """One row: its number from 1, the hash of the line before it, when, and what happened."""

    seq: Annotated[int, Field(ge=1, le=10**9)]
    prev: Sha256 | None
    at: Instant
    what: Event


class Line(_Event):
    """A row and the signature over its canonical JSON (RFC 8785)."""

    row: Row
    signed: Detached
