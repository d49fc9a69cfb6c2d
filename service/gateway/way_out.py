"""The one way out of the gateway: whatever leaves passes `WayOut.send`.

Addresses and headers are made of the configuration and of hashes; nothing else is added to a
request, and what a server answers is read for codes, hashes and ids only.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx

from service.fhir.http import Identity, open_client
from service.fhir.response import FHIR_JSON
from service.gateway.config import NetworkConfig

HEADERS = {"Content-Type": FHIR_JSON, "Accept": "application/fhir+json, application/json"}


@dataclass(frozen=True)
class WayOut:
    """The way to one network or server."""

    client: httpx.Client = field(repr=False)
    url: str

    def send(self, path: str, body: bytes, headers: Mapping[str, str]) -> httpx.Response:
        """Post exactly these bytes. Raises httpx.RequestError when nobody answers."""
        return self.client.post(f"{self.url}{path}", content=body, headers={**HEADERS, **headers})

    def look(self, address: str, headers: Mapping[str, str]) -> httpx.Response:
        """Get a page of the same server. Raises httpx.RequestError."""
        return self.client.get(address, headers={**HEADERS, **headers})

    @property
    def origin(self) -> str:
        """Scheme, host and port: what the ledger calls the recipient."""
        url = httpx.URL(self.url)
        return f"{url.scheme}://{url.netloc.decode()}"


def open_way_out(network: NetworkConfig) -> WayOut:
    """A way to the network, with its own authorities and a client certificate if it has one.

    Raises ConfigError.
    """
    identity = None
    if network.client_certificate:
        identity = Identity(network.client_certificate, network.client_key)
    return WayOut(open_client(network.ca_file, identity=identity), network.url)
