"""Reading single resources by id: those that others refer to and that an export leaves out."""

from urllib.parse import quote

import msgspec

from service.errors import AuthorizationError
from service.fhir.endpoint import Endpoint


def read_resource(endpoint: Endpoint, type_name: str, id: str) -> bytes | None:
    """The resource as JSON on one line; None when the server has it not, or refuses it.

    Raises UnavailableError when patience is at an end.
    """
    try:
        response = endpoint.get(f"{type_name}/{quote(id, safe='')}")
    except AuthorizationError:
        return None
    if response.status_code != 200:
        return None
    try:
        return msgspec.json.format(response.content, indent=-1)
    except (ValueError, RecursionError):
        return None
