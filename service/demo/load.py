"""Puts a center's records into its EHR, over the wire: FHIR transactions with a SMART token."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import httpx
import msgspec

from service.demo.ehr import EhrClient
from service.demo.records import Resource
from service.errors import EhrError
from service.fhir.smart import discover

BATCH = 500  # resources in one transaction


def administrator(secret: str) -> EhrClient:
    """The hospital's own client, which may write."""
    return EhrClient("administrator", scopes="system/*.write", secret=secret)


def load(
    client: httpx.Client,
    base_url: str,
    who: EhrClient,
    resources: Iterable[Resource],
    advance: Callable[[int], None],
) -> None:
    """Store the resources under their own ids; `advance` is told how many more are stored.

    Raises EhrError when the server gives no token, or does not take a transaction whole.
    """
    headers = {
        "Authorization": f"Bearer {_token(client, base_url, who)}",
        "Content-Type": "application/fhir+json",
        "Prefer": "return=minimal",
    }
    for batch in _batches(iter(resources)):
        body = msgspec.json.encode(_transaction(batch))
        response = client.post(base_url, content=body, headers=headers)
        if not response.is_success:
            raise EhrError(f"The EHR refused a transaction (HTTP {response.status_code})")
        advance(len(batch))


def _token(client: httpx.Client, base_url: str, who: EhrClient) -> str:
    form = {"grant_type": "client_credentials", "scope": who.scopes}
    endpoint = discover(client, base_url).token_endpoint
    response = client.post(endpoint, data=form, auth=(who.client_id, who.secret or ""))
    if not response.is_success:
        raise EhrError(f"The EHR gave its administrator no token (HTTP {response.status_code})")
    return str(response.json()["access_token"])


def _batches(resources: Iterator[Resource]) -> Iterator[list[Resource]]:
    while batch := list(islice(resources, BATCH)):
        yield batch


def _transaction(resources: list[Resource]) -> Resource:
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "request": {"method": "PUT", "url": f"{each['resourceType']}/{each['id']}"},
                "resource": each,
            }
            for each in resources
        ],
    }
