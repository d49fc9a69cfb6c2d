"""One request and its answer; what went wrong on the way is told in our words.

Neither an address beyond its host nor anything that the server wrote is repeated.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from service.errors import EhrError, UnavailableError
from service.fhir.patience import retry_after
from service.fhir.status import says_failed

NOT_NOW = (502, 503, 504)  # what a server, or a proxy before it, answers while it is busy or down


def send(client: httpx.Client, request: httpx.Request, *, stream: bool = False) -> httpx.Response:
    """Send a request; with ``stream`` the answer's body is still to be read, and to be closed.

    Returns success, 4xx and 501. Raises UnavailableError when there is no answer, or 408, 425, 429
    or another 5xx; EhrError for what another try would not change: a certificate that is not
    trusted, a redirect.
    """
    with speaking_to(request.url.host):
        response = client.send(request, stream=stream)
    try:
        _check(response)
    except EhrError:
        response.close()
        raise
    return response


@contextmanager
def speaking_to(host: str) -> Iterator[None]:
    """Turn what httpx raises into an EhrError that names the host only."""
    try:
        yield
    except httpx.TransportError as error:
        # Not chained: httpx's own text can hold an address.
        raise _unreachable(error, host) from None
    except (httpx.InvalidURL, httpx.DecodingError):
        raise EhrError("The EHR sent what cannot be read", where=host) from None


def _unreachable(error: httpx.TransportError, host: str) -> EhrError:
    text = str(error)
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return EhrError(
            "The server's certificate is not trusted",
            where=host,
            todo="Give the authority's certificate as fhir.ca_file",
        )
    if isinstance(error, httpx.UnsupportedProtocol):
        return EhrError("The address is not an http address", where=host)
    return UnavailableError(
        f"The server cannot be reached ({type(error).__name__})",
        where=host,
        todo="Check the address, the firewall, and HTTPS_PROXY and NO_PROXY",
    )


def _check(response: httpx.Response) -> None:
    status, host = response.status_code, response.request.url.host
    if status in (408, 425, 429) or (status >= 500 and status != 501):
        raise UnavailableError(
            f"The server answers HTTP {status}",
            where=host,
            todo="Try again later; if it stays so, ask the EHR's administrator",
            retry_after=retry_after(response.headers.get("Retry-After")),
            failed=status >= 500 and status not in NOT_NOW and says_failed(response),
        )
    if response.is_redirect:
        raise EhrError(
            f"The server redirects to another address (HTTP {status})",
            where=host,
            todo="Give the address that it redirects to in the configuration",
        )
