"""One EHR's FHIR endpoint, as a SMART backend service speaks to it.

Calls are authorized, renewed when the token has run out, and tried again when the server is busy.
It may be used from several threads at once.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from service.errors import AuthorizationError, EhrError
from service.fhir.exchange import send, speaking_to
from service.fhir.patience import USUAL, Patience, patiently
from service.fhir.smart import BackendService
from service.fhir.status import status_text

FHIR_JSON = "application/fhir+json"


@dataclass(frozen=True)
class Body:
    """What is sent with a POST, and its media type."""

    content: bytes
    type: str


@dataclass(frozen=True)
class Endpoint:
    """``base_url`` has no slash at its end; other addresses may be relative to it."""

    base_url: str
    client: httpx.Client
    service: BackendService
    patience: Patience = USUAL

    def get(
        self, url: str, *, accept: str = FHIR_JSON, prefer: str | None = None
    ) -> httpx.Response:
        """GET, until success or an answer that will not change: 4xx is for the caller to judge.

        Raises UnavailableError when patience is at an end, AuthorizationError for 401 and 403.
        """
        return patiently(self.patience, lambda: self.ask(url, accept=accept, prefer=prefer))

    def ask(
        self,
        url: str,
        *,
        body: Body | None = None,
        accept: str = FHIR_JSON,
        prefer: str | None = None,
    ) -> httpx.Response:
        """GET, or POST when there is a body; tried once. Raises as `get` does."""
        headers = {"Accept": accept} | ({"Prefer": prefer} if prefer else {})
        return self._authorized("POST" if body else "GET", url, headers, body)

    def delete(self, url: str) -> httpx.Response:
        """DELETE, tried once."""
        return self._authorized("DELETE", url, {"Accept": FHIR_JSON})

    @contextmanager
    def stream(self, url: str, *, accept: str, authorize: bool) -> Iterator[httpx.Response]:
        """GET, tried once, with the body left to be read; a token is sent if ``authorize``."""
        headers = {"Accept": accept, "Accept-Encoding": "gzip"}
        if authorize:
            response = self._authorized("GET", url, headers, stream=True)
        else:
            response = send(self.client, self._request("GET", url, headers), stream=True)
        try:
            yield response
        finally:
            response.close()

    def absolute(self, url: str) -> str:
        """An address as the server wrote it, made absolute. Raises EhrError when it is none."""
        try:
            return str(httpx.URL(f"{self.base_url}/").join(url))
        except (httpx.InvalidURL, ValueError):
            raise EhrError("The EHR gives an address that is none", where=self.base_url) from None

    def is_here(self, url: str) -> bool:
        """Whether an address is on this server: same scheme, host and port."""
        return _origin(self.absolute(url)) == _origin(self.base_url)

    def _authorized(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: Body | None = None,
        *,
        stream: bool = False,
    ) -> httpx.Response:
        token, response = self._attempt(method, url, headers, body, stream)
        if response.status_code == 401:
            response.close()
            token, response = self._attempt(method, url, headers, body, stream)
        if response.status_code == 403:
            _read(response)  # and its connection is free again
            if self.service.widen(token):
                _, response = self._attempt(method, url, headers, body, stream)
        if response.status_code in (401, 403):
            raise self._refusal(response)
        return response

    def _attempt(
        self, method: str, url: str, headers: Mapping[str, str], body: Body | None, stream: bool
    ) -> tuple[str, httpx.Response]:
        """The token that was sent, and the answer."""
        token = self.service.token()
        request = self._request(method, url, {**headers, "Authorization": f"Bearer {token}"}, body)
        response = send(self.client, request, stream=stream)
        if response.status_code == 401:
            self.service.forget(token)
        return token, response

    def _request(
        self, method: str, url: str, given: Mapping[str, str], body: Body | None = None
    ) -> httpx.Request:
        # Whatever stands on the way, and the EHR itself, is to say what is there now.
        headers = {**given, "Cache-Control": "no-cache"}
        if body is not None:
            headers["Content-Type"] = body.type
        content = body.content if body else None
        return self.client.build_request(
            method, self.absolute(url), headers=headers, content=content
        )

    def _refusal(self, response: httpx.Response) -> AuthorizationError:
        _read(response)
        return AuthorizationError(
            f"The EHR does not let this client in ({status_text(response)})",
            where=self.base_url,
            todo="Ask the EHR's administrator to allow this client to read the types that the "
            "measures need, and to export",
        )


def _read(response: httpx.Response) -> None:
    with speaking_to(response.request.url.host):
        response.read()
    response.close()


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = httpx.URL(url)
    return parts.scheme, parts.host, parts.port
