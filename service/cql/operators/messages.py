"""24. Errors and Messages.

Section numbers are those of https://cql.hl7.org/04-logicalspecification.html.
"""

from typing import Any

from service.cql.operators.registry import Context, operator
from service.errors import EvaluationError

# 24.1. Message


@operator(
    "Message",
    nulls="handle",
    inputs=("source", "condition", "code", "severity", "message"),
    context=True,
)
def message(
    context: Context,
    source: Any,
    condition: bool | None,
    code: str | None = None,
    severity: str | None = None,
    text: str | None = None,
) -> Any:
    """The source; where the condition is true, the message is told.

    Raises EvaluationError for the severity Error, "the only severity that stops processing". The
    error names the code and not the text, which may tell of a patient.
    """
    if condition is not True:
        return source
    if severity == "Error":
        raise EvaluationError(f"The logic raised an error{f' {code}' if code else ''}")
    context.message(severity or "Message", code, text)
    return source
