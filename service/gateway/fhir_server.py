"""A plain FHIR server as the place where releases go, and how the gateway signs in there."""

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import httpx
from pydantic import BaseModel, ValidationError

from service.errors import ConfigError
from service.fhir.keys import read_signing_key
from service.fhir.outcome import issues
from service.fhir.smart import BackendService, discover
from service.gateway.config import NetworkConfig
from service.gateway.destination import Delivery, Parcel, decoded
from service.gateway.way_out import WayOut

MOST_PAGES = 1000
_LOCATION = re.compile(r"\bMeasureReport/[A-Za-z0-9.-]{1,64}")
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]{1,8000}=*")  # RFC 6750 section 2.1


def no_sign_in() -> dict[str, str]:
    """For a server that asks nobody who they are."""
    return {}


@dataclass(frozen=True)
class FhirServer:
    """A FHIR server with its base at the way's address.

    ``sign_in`` gives the headers that say who we are. A conditional create stores a release once
    (R4, http://hl7.org/fhir/R4/http.html#ccreate). Where a server does not support that for
    identifiers, we look for the release ourselves first.
    """

    way: WayOut
    sign_in: Callable[[], dict[str, str]] = field(default=no_sign_in, repr=False)

    def greet(self, statement: str) -> httpx.Response | None:
        """A FHIR server keeps no ledgers' heads."""
        return None

    def deliver(self, parcel: Parcel) -> Delivery:
        """Create it unless it is there."""
        condition = {"If-None-Exist": f"identifier=urn:weir:release|{parcel.release}"}
        answer = self._create(parcel, condition)
        if answer.is_client_error and _is_not_supported(answer):
            found = self._find(parcel)
            if found is not None:
                return found
            answer = self._create(parcel, {})
        return Delivery(answer, _address(answer, parcel) if answer.is_success else None)

    def _create(self, parcel: Parcel, condition: dict[str, str]) -> httpx.Response:
        return self.way.send("/MeasureReport", parcel.body, condition | self.sign_in())

    def _find(self, parcel: Parcel) -> Delivery | None:
        """The release where it already is, or the answer that leaves us not knowing; else None.

        Identifiers are compared here, because a server may ignore what it is asked.
        """
        base = self.way.url
        asked: str | None = f"{base}/MeasureReport?identifier=urn:weir:release|{parcel.release}"
        for _ in range(MOST_PAGES):
            if asked is None or not asked.startswith(f"{base}/"):
                break
            answer = self.way.look(asked, self.sign_in())
            page = _page(answer)
            if page is None:
                return Delivery(answer, None)
            for entry in page.entry:
                if address := _identified(entry.resource, parcel):
                    return Delivery(answer, address)
            asked = page.next
        return None


def sign_in_at(network: NetworkConfig, client: httpx.Client) -> Callable[[], dict[str, str]]:
    """How the configuration says to sign in: a bearer token, SMART Backend Services, or not at all.

    The token's file is read anew each time, so that another program may renew it. Raises
    ConfigError; the function it returns raises EhrError, httpx.RequestError and ConfigError.
    """
    if network.token_file is not None:
        path = network.token_file
        return lambda: _bearer(_token(path))
    if network.client_id is None or network.key_file is None:
        return no_sign_in
    key = read_signing_key(network.key_file, network.kid)
    standing: list[BackendService] = []
    client_id = network.client_id

    def smart() -> dict[str, str]:
        if not standing:
            found = discover(client, network.url)
            standing.append(
                BackendService(client, found, client_id, key, ["MeasureReport"], creates=True)
            )
        return _bearer(standing[0].token())

    return smart


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _token(path: Path) -> str:
    with suppress(OSError, ValueError):
        found = path.read_text("ascii").strip()
        if _TOKEN.fullmatch(found):
            return found
    todo = "Give a file that holds a bearer token and nothing else, as network.token_file"
    raise ConfigError("the token cannot be read", where=str(path), todo=todo)


class _Entry(BaseModel):
    resource: dict[str, Any] = {}


class _Link(BaseModel):
    relation: str
    url: str


class _Page(BaseModel):
    """A page of a searchset, as far as it matters."""

    resourceType: Literal["Bundle"]
    entry: tuple[_Entry, ...] = ()
    link: tuple[_Link, ...] = ()

    @property
    def next(self) -> str | None:
        return next((link.url for link in self.link if link.relation == "next"), None)


def _page(answer: httpx.Response) -> _Page | None:
    try:
        return _Page.model_validate_json(answer.content) if answer.is_success else None
    except ValidationError:
        return None


def _address(answer: httpx.Response, parcel: Parcel) -> str | None:
    """The report's address at the server, from Location or else from the report it returns."""
    located = _LOCATION.search(answer.headers.get("Location", ""))
    return located.group() if located else _identified(decoded(answer), parcel)


def _identified(resource: dict[str, Any], parcel: Parcel) -> str | None:
    """The address of a resource, if it is this release."""
    identifiers = resource.get("identifier")
    known = isinstance(identifiers, list) and any(
        isinstance(each, dict) and each.get("value") == parcel.release for each in identifiers
    )
    address = _LOCATION.fullmatch(f"{resource.get('resourceType')}/{resource.get('id')}")
    return address.group() if known and address else None


def _is_not_supported(answer: httpx.Response) -> bool:
    return any(issue.code == "not-supported" for issue in issues(decoded(answer)))
