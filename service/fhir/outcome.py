"""What a server says went wrong: the codes of an OperationOutcome, never its words.

Diagnostics and details may quote a record, so they are not read here; the codes are checked against
FHIR's own value sets before anything repeats them.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

SEVERITIES = frozenset({"fatal", "error", "warning", "information"})
# http://hl7.org/fhir/R4/valueset-issue-type.html
ISSUE_TYPES = frozenset(
    {
        "invalid",
        "structure",
        "required",
        "value",
        "invariant",
        "security",
        "login",
        "unknown",
        "expired",
        "forbidden",
        "suppressed",
        "processing",
        "not-supported",
        "duplicate",
        "multiple-matches",
        "not-found",
        "deleted",
        "too-long",
        "code-invalid",
        "extension",
        "too-costly",
        "business-rule",
        "conflict",
        "transient",
        "lock-error",
        "no-store",
        "exception",
        "timeout",
        "incomplete",
        "throttled",
        "informational",
    }
)
# Of these that say, however mildly, that not all was sent.
LEAVING_OUT = frozenset(
    {
        *("suppressed", "incomplete", "too-costly", "timeout", "throttled", "transient"),
        *("security", "login", "expired", "forbidden", "exception", "no-store"),
        *("lock-error", "too-long", "conflict", "not-supported"),
    }
)


@dataclass(frozen=True)
class Issue:
    """One issue of an OperationOutcome; ``severity`` and ``code`` are FHIR's.

    ``details`` are the server's own codes for it, which nothing may repeat.
    """

    severity: str
    code: str
    details: frozenset[str] = field(default=frozenset(), compare=False, repr=False)

    @property
    def is_harmless(self) -> bool:
        """Whether nothing was left out because of it."""
        return self.severity == "information" and self.code not in LEAVING_OUT

    def means(self, codes: Collection[str]) -> bool:
        """Whether it is no error and one of these codes of the server's own says what it is."""
        no_error = self.severity in ("warning", "information")
        return no_error and not self.details.isdisjoint(codes)


def issues(outcome: Any) -> Iterator[Issue]:
    """The issues of a decoded OperationOutcome; what is not understood counts as an error."""
    listed = outcome.get("issue") if isinstance(outcome, dict) else None
    for issue in listed if isinstance(listed, list) and listed else [{}]:
        told = issue if isinstance(issue, dict) else {}
        yield Issue(
            _one_of(SEVERITIES, told.get("severity"), "error"),
            _one_of(ISSUE_TYPES, told.get("code"), "unknown"),
            frozenset(_codes(told.get("details"))),
        )


def _codes(details: object) -> Iterator[str]:
    codings = details.get("coding") if isinstance(details, dict) else None
    for coding in codings if isinstance(codings, list) else []:
        code = coding.get("code") if isinstance(coding, dict) else None
        if isinstance(code, str):
            yield code


def _one_of(known: frozenset[str], told: object, otherwise: str) -> str:
    return told if isinstance(told, str) and told in known else otherwise
