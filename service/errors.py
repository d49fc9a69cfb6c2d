"""Every error that Weir shows to a person.

    WeirError                     what happened, where, and what to do
    ├── ConfigError               a configuration or policy file cannot be used
    ├── PeriodError               a measurement period is not one
    ├── MeasureError              a measure package cannot be used
    │   ├── TranslationError      CQL text that does not translate to ELM
    │   ├── CompileError          ELM that cannot be understood; found when the package is loaded
    │   └── EvaluationError       a patient for whom an expression has no defined result
    ├── EhrError                  the EHR's endpoint cannot be used
    │   ├── AuthorizationError    the EHR refused the site's key, token or scopes
    │   ├── ExportError           a bulk export failed or does not add up
    │   │   ├── DeclinedError     the EHR does not export, or not this: search instead
    │   │   └── ExpiredError      the export or a file of it is gone: start it again
    │   ├── NarrowedError         a new token lets us read less than those before it: start again
    │   ├── StoppedError          someone at the site stopped the pull
    │   └── UnavailableError      no answer, or "not now": worth trying again
    ├── StoreError                the local store is missing, damaged or full
    ├── ChartError                numbers that cannot be charted as asked
    ├── DisclosureError           protection cannot be guaranteed, so nothing is released
    ├── RequestError              a request over HTTP that cannot be answered
    └── RefusedError              the network refuses what it received

Messages hold no patient data: no ids, names, dates or text from a record. A record is named by
its file and line.
"""


class WeirError(Exception):
    """An error shown without a traceback: what happened, where, and what to do about it."""

    def __init__(self, what: str, *, where: str | None = None, todo: str | None = None) -> None:
        self.what = what
        self.where = where
        self.todo = todo
        super().__init__(what)

    def __str__(self) -> str:
        where = f" ({self.where})" if self.where else ""
        todo = f". {self.todo}" if self.todo else ""
        return f"{self.what}{where}{todo}"


class ConfigError(WeirError):
    """A configuration or policy file cannot be used."""


class PeriodError(WeirError):
    """A measurement period is not one."""


class MeasureError(WeirError):
    """A measure package cannot be used."""


class TranslationError(MeasureError):
    """CQL text that does not translate to ELM."""


class CompileError(MeasureError):
    """ELM that cannot be understood; found when the package is loaded."""


class EvaluationError(MeasureError):
    """A patient for whom an expression has no defined result."""


class EhrError(WeirError):
    """The EHR's endpoint cannot be used."""


class AuthorizationError(EhrError):
    """The EHR refused the site's key, token or scopes."""


class ExportError(EhrError):
    """A bulk export failed or does not add up."""


class DeclinedError(ExportError):
    """The EHR does not export, or not what was asked for: it can be searched instead."""


class ExpiredError(ExportError):
    """The export, or a file of it, is not there any more: it can be started again."""


class NarrowedError(EhrError):
    """The EHR lets this client read less than when it began: what is left can be pulled anew."""


class StoppedError(EhrError):
    """Someone at the site stopped all traffic to the EHR."""


class UnavailableError(EhrError):
    """No answer, or "not now": worth trying again, after `retry_after` seconds if it says so.

    `failed`: the server says itself that what was asked for has failed, and not that it is busy.
    """

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        todo: str | None = None,
        retry_after: float | None = None,
        failed: bool = False,
    ) -> None:
        self.retry_after = retry_after
        self.failed = failed
        super().__init__(what, where=where, todo=todo)


class StoreError(WeirError):
    """The local store is missing, damaged or full."""


class ChartError(WeirError):
    """Numbers that cannot be charted as asked; `where` names the row."""


class DisclosureError(WeirError):
    """Protection cannot be guaranteed, so nothing is released."""


class RequestError(WeirError):
    """A request over HTTP that cannot be answered.

    `status` is the HTTP status, `code` the issue type of the OperationOutcome (FHIR's value set
    issue-type).
    """

    def __init__(
        self,
        status: int,
        code: str,
        what: str,
        *,
        where: str | None = None,
        todo: str | None = None,
    ) -> None:
        self.status = status
        self.code = code
        super().__init__(what, where=where, todo=todo)


class RefusedError(WeirError):
    """The network refuses what it received."""
