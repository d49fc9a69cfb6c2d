"""Bulk Data Access: the asynchronous `$export` of a Group's, or all, patients.

http://hl7.org/fhir/uv/bulkdata/export.html: kick off, poll the status address, read the manifest,
download its files (see `download`), delete the export.
"""

import itertools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote, urlencode

import httpx
import msgspec
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
)

from service.errors import (
    AuthorizationError,
    DeclinedError,
    EhrError,
    ExpiredError,
    ExportError,
    UnavailableError,
)
from service.fhir.endpoint import FHIR_JSON, Body, Endpoint
from service.fhir.patience import patiently, retry_after
from service.fhir.status import status_text

NDJSON = "application/fhir+ndjson"
FIRST_POLL = 0.25  # seconds
SHORTEST_POLL = 0.5
GONE = (404, 410)
AGAIN = "Start the run again; if it stays so, ask the EHR's administrator"

Level = Literal["group", "patient", "system"]


@dataclass(frozen=True)
class ExportRequest:
    """What to export. ``group``: the id of a FHIR Group, at that level. ``elements``: by type those
    to send (_elements). ``patients``: ids of whom alone to send. ``since``: an instant, records
    changed after which are sent alone."""

    level: Level
    types: frozenset[str]
    group: str | None = None
    since: str | None = None
    elements: Mapping[str, frozenset[str]] = field(default_factory=dict)
    patients: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """The address of the operation, from the FHIR base."""
        if self.level == "group":
            return f"Group/{quote(self.group or '', safe='')}/$export"
        return "Patient/$export" if self.level == "patient" else "$export"

    def parameters(self) -> list[tuple[str, str]]:
        """Its parameters but for ``patients``, in the order in which they are sent."""
        found = [("_type", ",".join(sorted(self.types))), ("_outputFormat", NDJSON)]
        if self.since:
            found.append(("_since", self.since))
        named = [
            f"{name}.{one}" for name, of in sorted(self.elements.items()) for one in sorted(of)
        ]
        return [*found, ("_elements", ",".join(named))] if named else found


class ManifestFile(BaseModel):
    """One file of an export; ``count`` is the number of its resources, where the server tells."""

    model_config = ConfigDict(frozen=True)

    type: str
    url: str = Field(repr=False)
    count: int | None = Field(default=None, ge=0)


class _Link(BaseModel):
    relation: str = ""
    url: str = Field(default="", repr=False)


class Manifest(BaseModel):
    """What an export made. ``transaction_time`` is the instant that the data are as of.

    ``requires_access_token`` is None when the server does not say, though it should. ``deleted``
    are files of Bundles whose entries name what was deleted since the time asked for.
    """

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    transaction_time: AwareDatetime = Field(alias="transactionTime")
    requires_access_token: bool | None = Field(default=None, alias="requiresAccessToken")
    output: tuple[ManifestFile, ...]
    deleted: tuple[ManifestFile, ...] = ()
    error: tuple[ManifestFile, ...] = ()
    link: tuple[_Link, ...] = ()

    @field_validator("deleted", "error", "link", mode="before")
    @classmethod
    def _none(cls, given: object) -> object:
        """Some servers write null for what is not there."""
        return () if given is None else given

    @property
    def next(self) -> str | None:
        """Where the manifest goes on, if this is a part of it."""
        return next((link.url for link in self.link if link.relation.lower() == "next"), None)

    def joined(self, other: "Manifest") -> "Manifest":
        """Both parts as one; the data are as of the earlier time. Whether files ask for a token
        is not told when the parts say different things of it."""
        same = self.requires_access_token == other.requires_access_token
        return Manifest(
            transaction_time=min(self.transaction_time, other.transaction_time),
            requires_access_token=self.requires_access_token if same else None,
            output=self.output + other.output,
            deleted=self.deleted + other.deleted,
            error=self.error + other.error,
            link=other.link,
        )


def start_export(endpoint: Endpoint, request: ExportRequest, *, post: bool = False) -> str:
    """Kick off the export, by GET or by POST; its status address.

    Raises DeclinedError when the server does not accept it.
    """
    try:
        response = patiently(endpoint.patience, lambda: _kick_off(endpoint, request, post))
    except AuthorizationError as error:
        raise _declined(endpoint, request, error.what) from None
    location = response.headers.get("Content-Location")
    if response.status_code != 202 or not location:
        told = f"The EHR did not accept the export ({status_text(response)})"
        raise _declined(endpoint, request, told)
    return endpoint.absolute(location)


def _kick_off(endpoint: Endpoint, request: ExportRequest, post: bool) -> httpx.Response:
    if not post and not request.patients:
        query = urlencode(request.parameters(), safe=",/")
        return endpoint.ask(f"{request.path}?{query}", prefer="respond-async")
    body = Body(msgspec.json.encode(_parameters(request)), FHIR_JSON)
    return endpoint.ask(request.path, body=body, prefer="respond-async")


def _parameters(request: ExportRequest) -> dict[str, Any]:
    kinds = {"_since": "valueInstant"}
    given: list[dict[str, Any]] = [
        {"name": name, kinds.get(name, "valueString"): value}
        for name, value in request.parameters()
    ]
    given += [
        {"name": "patient", "valueReference": {"reference": f"Patient/{id}"}}
        for id in request.patients
    ]
    return {"resourceType": "Parameters", "parameter": given}


def _declined(endpoint: Endpoint, request: ExportRequest, told: str) -> DeclinedError:
    return DeclinedError(
        told,
        where=f"{request.path} at {endpoint.base_url}",
        todo="Check fhir.group, and ask the EHR's administrator whether this client may export it",
    )


def await_manifest(
    endpoint: Endpoint, status_url: str, advance: Callable[[int], None] = lambda polls: None
) -> Manifest:
    """Poll until the export is done, as often as the server wants; tells ``advance`` of each poll.

    A manifest in parts is read to its end. Raises ExpiredError when the export is not there any
    more, ExportError when it fails, is not done in time or its manifest never ends.
    """
    deadline = time.monotonic() + endpoint.patience.export
    manifest = _await(endpoint, status_url, deadline, advance)
    seen = {status_url}
    while (url := manifest.next) is not None:
        if endpoint.absolute(url) in seen:
            raise ExportError("The export's manifest leads back to itself", where=endpoint.base_url)
        seen.add(endpoint.absolute(url))
        manifest = manifest.joined(_await(endpoint, url, deadline, advance))
    return manifest


def _await(
    endpoint: Endpoint, url: str, deadline: float, advance: Callable[[int], None]
) -> Manifest:
    endpoint.patience.wait(FIRST_POLL)
    for attempt in itertools.count(1):
        response = _poll(endpoint, url)
        advance(1)
        if response.status_code != 202:
            break
        if time.monotonic() >= deadline:
            raise ExportError("The export did not end in time", where=endpoint.base_url, todo=AGAIN)
        asked = retry_after(response.headers.get("Retry-After"))
        endpoint.patience.wait(max(SHORTEST_POLL, endpoint.patience.pause(attempt, asked)))
    if response.status_code != 200:
        kind = ExpiredError if response.status_code in GONE else ExportError
        told = status_text(response)
        raise kind(f"The export failed ({told})", where=endpoint.base_url, todo=AGAIN)
    return _manifest(response.content, endpoint.base_url)


def _poll(endpoint: Endpoint, url: str) -> httpx.Response:
    """The export's status. An export that has failed for good says so at every poll, by a 5xx with
    an OperationOutcome: when patience is at an end it is not waited for any more."""
    try:
        return endpoint.get(url, accept="application/json")
    except UnavailableError as error:
        if not error.failed:
            raise
        delete_export(endpoint, url)
        told = f"The export failed: {error.what}"
        raise ExportError(told, where=endpoint.base_url, todo=AGAIN) from None


def _manifest(content: bytes, where: str) -> Manifest:
    try:
        return Manifest.model_validate_json(content)
    except ValidationError:
        # Not chained: pydantic repeats what it read.
        raise ExportError("The export's manifest is none", where=where, todo=AGAIN) from None


def delete_export(endpoint: Endpoint, status_url: str) -> bool:
    """Tell the server that its files are no longer needed; whether it took note."""
    try:
        return endpoint.delete(status_url).is_success
    except EhrError:
        return False  # it expires by itself
