"""The spool: the one folder between the engine and the gateway.

The engine leaves letters in `out/`, one file a release; the gateway leaves what became of them in
`back/`. A file gets its name only when it is whole and on disk, readable by its owner only. Names
are a number and a hash. The gateway takes a letter away when the ledger has it, and the engine an
answer when its outbox has it; and the engine leaves each letter again until it has a final answer.
So after a crash of either a letter or an answer may come twice, and none is lost.
"""

import os
import secrets
from base64 import b64decode, b64encode
from collections.abc import Iterator
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service.errors import StoreError
from service.fhir.signature import BODY_BYTES
from service.gateway.row import Count, Detached, Outcome, Reason, ReceiptId
from service.measure.head import Head, Thumbprint
from service.measure.wire import Sha256

OUT, BACK, STATE = "out", "back", "state.json"
REQUEST, ACCEPTED = "enrolment.json", "accepted.json"
LARGEST_FILE = 2 * BODY_BYTES


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Letter(_Closed):
    """A release on its way: its place in the order of releases, exact bytes (base64), signature."""

    order: Annotated[int, Field(ge=1, le=10**8)]
    body64: Annotated[str, Field(max_length=LARGEST_FILE)]
    signature: Detached

    @property
    def body(self) -> bytes:
        """The exact bytes of the report."""
        return b64decode(self.body64, validate=True)


class Presented(_Closed):
    """The engine's request to be enrolled: its exact bytes (base64) and their signature."""

    body64: Annotated[str, Field(max_length=LARGEST_FILE)]
    signature: Detached

    @property
    def body(self) -> bytes:
        """The exact bytes of the request."""
        return b64decode(self.body64, validate=True)


class Accepted(_Closed):
    """The engine's key that the network said last to have accepted, by its id."""

    kid: Thumbprint


class Fate(StrEnum):
    """Where a release stands at the gateway."""

    WAITING = "waiting"  # for the network
    HELD = "held"  # for approval
    SENT = "sent"
    REFUSED = "refused"  # by the network
    DECLINED = "declined"  # by a person
    EXPIRED = "expired"  # nobody approved it in time
    VOID = "void"  # the gateway does not let it pass

    @property
    def final(self) -> bool:
        """Whether the gateway does no more about it by itself."""
        return self not in (Fate.WAITING, Fate.HELD)


class Answer(_Closed):
    """Where the release with these bytes stands."""

    report: Sha256
    fate: Fate
    outcome: Outcome | None = None  # of the last attempt, if there was one
    status: Annotated[int, Field(ge=0, le=999)] = 0
    issue: Annotated[str, Field(pattern=r"^[a-zA-Z-]{0,40}$")] = ""
    receipt: ReceiptId | None = None
    reason: Reason | None = None
    days_left: Count | None = None


class GatewayState(_Closed):
    """How much the gateway knows of: the engine's history must not know of less."""

    taken: Count
    head: Head
    behind: bool = False  # the network knows of more than the ledger does


T = TypeVar("T", bound=_Closed)


class Spool:
    """The two folders and the state beside them."""

    def __init__(self, folder: Path) -> None:
        """Raises StoreError when the folder cannot be used."""
        self.folder = folder
        try:
            for name in (OUT, BACK):
                (folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise _unusable(folder) from error

    def put(self, order: int, body: bytes, signature: str) -> None:
        """Leave a release for the gateway; the same one twice is one letter."""
        letter = Letter(order=order, body64=b64encode(body).decode(), signature=signature)
        self._write(self.folder / OUT / _name(order, body), letter)

    def letters(self) -> list[Path]:
        """What lies there for the gateway, in the order of releases."""
        return _files(self.folder / OUT)

    def answer(self, answer: Answer) -> None:
        """Tell the engine where a release stands."""
        self._write(self.folder / BACK / answer.report.removeprefix("sha256:"), answer)

    def answers(self) -> Iterator[tuple[Path, Answer]]:
        """What the gateway told. Raises StoreError for a file that is no answer."""
        for path in _files(self.folder / BACK):
            yield path, read(path, Answer)

    def tell_state(self, state: GatewayState) -> None:
        """Leave the gateway's state for the engine."""
        self._write(self.folder / STATE, state)

    def state(self) -> GatewayState | None:
        """The gateway's state; None when it never ran."""
        path = self.folder / STATE
        return read(path, GatewayState) if path.exists() else None

    def present(self, body: bytes, signature: str) -> None:
        """Leave the request with which the engine's key is presented to the network."""
        presented = Presented(body64=b64encode(body).decode(), signature=signature)
        self._write(self.folder / REQUEST, presented)

    def presented(self) -> Presented | None:
        """That request; None when the engine has left none."""
        path = self.folder / REQUEST
        return read(path, Presented) if path.exists() else None

    def tell_accepted(self, kid: str) -> None:
        """Leave word for the engine that the network has accepted its key."""
        self._write(self.folder / ACCEPTED, Accepted(kid=kid))

    def accepted(self) -> str | None:
        """The key of which there is such word, by its id."""
        path = self.folder / ACCEPTED
        return read(path, Accepted).kid if path.exists() else None

    def _write(self, path: Path, content: BaseModel) -> None:
        try:
            write_whole(path, content.model_dump_json().encode())
        except OSError as error:
            raise _unusable(self.folder) from error


def read(path: Path, model: type[T]) -> T:
    """A file of the spool. Raises StoreError when it is not one."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise ValueError("too large")
        return model.model_validate_json(path.read_bytes())
    except OSError as error:
        raise _unusable(path.parent) from error
    except (ValidationError, ValueError):
        todo = "Something else than engine and gateway writes here: find out what"
        raise StoreError("this is no file of the spool", where=path.name, todo=todo) from None


def write_whole(path: Path, data: bytes) -> None:
    """Write a file of mode 0600 that is there as a whole or not at all. Raises OSError."""
    aside = path.with_name(f".{secrets.token_hex(8)}")
    try:
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _name(order: int, body: bytes) -> str:
    return f"{order:08d}-{sha256(body).hexdigest()}"


def _files(folder: Path) -> list[Path]:
    """By name, without what is being written."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _unusable(folder: Path) -> StoreError:
    todo = "Check the folder's owner and its free space"
    return StoreError("the spool cannot be used", where=str(folder), todo=todo)
