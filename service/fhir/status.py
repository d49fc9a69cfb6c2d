"""What a server answered, in words that are safe to show."""

import httpx
import msgspec

from service.fhir.outcome import issues


def status_text(response: httpx.Response) -> str:
    """An answer's status and issue codes, as in "HTTP 404, not-found"; safe to show."""
    try:
        body = msgspec.json.decode(response.content)
    except (ValueError, RecursionError, httpx.ResponseNotRead):  # Unicode's are ValueErrors
        body = None
    if not isinstance(body, dict) or body.get("resourceType") != "OperationOutcome":
        return f"HTTP {response.status_code}"
    return ", ".join([f"HTTP {response.status_code}", *sorted({i.code for i in issues(body)})])
