"""What a server answered, in words that are safe to show."""

import httpx
import msgspec

from service.fhir.outcome import issues

# Issue types of what another try may change.
PASSING = frozenset({"transient", "throttled", "timeout", "lock-error", "no-store"})


def status_text(response: httpx.Response) -> str:
    """An answer's status and issue codes, as in "HTTP 404, not-found"; safe to show."""
    return ", ".join([f"HTTP {response.status_code}", *sorted(_codes(response))])


def says_failed(response: httpx.Response) -> bool:
    """Whether an answer is an OperationOutcome, and not of what passes."""
    codes = _codes(response)
    return bool(codes) and codes.isdisjoint(PASSING)


def _codes(response: httpx.Response) -> frozenset[str]:
    """The issue codes of an OperationOutcome; none when the answer is none, or is not read yet."""
    try:
        body = msgspec.json.decode(response.content)
    except (ValueError, RecursionError, httpx.ResponseNotRead):  # Unicode's are ValueErrors
        return frozenset()
    if not isinstance(body, dict) or body.get("resourceType") != "OperationOutcome":
        return frozenset()
    return frozenset(issue.code for issue in issues(body))
