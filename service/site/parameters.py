"""The parameters of `$evaluate-measure`, from a query or from a Parameters resource.

Both ways end in one model, and neither guesses: a parameter that is unknown, repeated, not
supported or out of its range is refused.
See http://hl7.org/fhir/R4/measure-operation-evaluate-measure.html.
"""

import re
from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Literal, TypeVar

from fastapi import Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from service.errors import RequestError
from service.measure.period import Period
from service.site.parameters_body import read_parameters

Model = TypeVar("Model", bound=BaseModel)

FHIR_DATE = r"^[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?$"
PATIENT = re.compile(r"(?:Patient/)?([^\s/?#|]{1,128})")

Format = Literal["json", "application/json", "application/fhir+json"] | None
ONLY_JSON = "JSON is all there is."
MEASURE = "The measure by canonical URL, with |version or without, or by id."
ReportType = Literal["subject", "subject-list", "population"]
# R4's codes, and what R5 and DEQM call the same things.
REPORT_TYPES: dict[str, ReportType] = {
    "subject": "subject",
    "individual": "subject",
    "subject-list": "subject-list",
    "population": "population",
    "summary": "population",
}


def patient_id(text: str) -> str:
    """The id of a subject. Raises ValueError where it is none."""
    found = PATIENT.fullmatch(text)
    if found is None:
        raise ValueError("a subject is one patient, as `Patient/<id>` or `<id>`")
    return found[1]


def _trimmed(text: str) -> str:
    """A measure's canonical URL with or without version, its id, or `Measure/<id>`."""
    return text.removeprefix("Measure/")


class RequirementsParameters(BaseModel):
    """What `$data-requirements` takes: with a period, dates are filtered where that is sound."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    measure: Annotated[str, AfterValidator(_trimmed)] | None = Field(
        default=None, description=MEASURE, examples=["dreaming"]
    )
    period_start: str | None = Field(default=None, pattern=FHIR_DATE, alias="periodStart")
    period_end: str | None = Field(default=None, pattern=FHIR_DATE, alias="periodEnd")
    format: Format = Field(default=None, alias="_format", description=ONLY_JSON)

    @property
    def period(self) -> Period | None:
        """The measurement period, if given. Raises PeriodError; RequestError for half of one."""
        if self.period_start is None and self.period_end is None:
            return None
        if self.period_start is None or self.period_end is None:
            raise RequestError(400, "required", "periodStart and periodEnd go together")
        return Period.parse(f"{self.period_start}/{self.period_end}")


class EvaluateParameters(BaseModel):
    """What `$evaluate-measure` takes; R4's names, days of the period included."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    period_start: str = Field(
        pattern=FHIR_DATE,
        alias="periodStart",
        description="First day of the measurement period; a year or a month means its first day.",
        examples=["2026-01-01"],
    )
    period_end: str = Field(
        pattern=FHIR_DATE,
        alias="periodEnd",
        description="Last day of the measurement period; a year or a month means its last day.",
        examples=["2026-03-31"],
    )
    report_type: (
        Literal["subject", "subject-list", "population", "individual", "summary"] | None
    ) = Field(
        default=None,
        alias="reportType",
        description=(
            "`subject` (also `individual`) for one patient, `subject-list` for the counts "
            "with the patients behind them, `population` (also `summary`) for counts alone. "
            "By default `subject` when a subject is given, else `population`."
        ),
        examples=["population"],
    )
    measure: Annotated[str, AfterValidator(_trimmed)] | None = Field(
        default=None,
        description=MEASURE,
        examples=["dreaming"],
    )
    subject: Annotated[str, AfterValidator(patient_id)] | None = Field(
        default=None,
        description="The one patient of a `subject` report. POST keeps it out of URLs.",
        examples=["Patient/123"],
    )
    explain: bool = Field(
        default=False,
        description=(
            "With a subject: also say for each population which clauses of the logic were true, "
            "false or unknown, and what they rest on."
        ),
    )
    practitioner: str | None = Field(default=None, description="Not supported: refused.")
    last_received_on: str | None = Field(
        default=None, alias="lastReceivedOn", description="Not supported: refused."
    )
    format: Format = Field(default=None, alias="_format", description=ONLY_JSON)

    @property
    def period(self) -> Period:
        """The measurement period. Raises PeriodError when there is no such one."""
        return Period.parse(f"{self.period_start}/{self.period_end}")

    @property
    def report(self) -> ReportType:
        """The report type in R4's codes, by R4's default when none was given."""
        if self.report_type is None:
            return "subject" if self.subject else "population"
        return REPORT_TYPES[self.report_type]


def from_query(
    request: Request, parameters: Annotated[EvaluateParameters, Query()]
) -> EvaluateParameters:
    """The parameters of a GET."""
    refuse_repeats(name for name, _ in request.query_params.multi_items())
    return _meant(parameters)


async def from_body(request: Request) -> EvaluateParameters:
    """The parameters of a POST: a Parameters resource, and nothing in the URL."""
    return _meant(await posted(request, EvaluateParameters))


async def posted(request: Request, model: type[Model]) -> Model:
    """What a POST's Parameters resource gives a model. Raises RequestError."""
    if set(request.query_params) - {"_format"}:
        raise RequestError(400, "invalid", "a POST takes its parameters in the body alone")
    pairs = await read_parameters(request)
    refuse_repeats(name for name, _ in pairs)
    try:
        return model.model_validate(dict(pairs))
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from error


def requirements_from_query(
    request: Request, asked: Annotated[RequirementsParameters, Query()]
) -> RequirementsParameters:
    """The parameters of a GET."""
    refuse_repeats(name for name, _ in request.query_params.multi_items())
    return asked


async def requirements_from_body(request: Request) -> RequirementsParameters:
    """The parameters of a POST."""
    return await posted(request, RequirementsParameters)


def refuse_repeats(names: Iterable[str]) -> None:
    """Raise RequestError when a parameter comes twice: taking either would be a guess."""
    if any(count > 1 for count in Counter(names).values()):
        raise RequestError(400, "invalid", "a parameter is given more than once")


def _meant(parameters: EvaluateParameters) -> EvaluateParameters:
    """Refuse what is well formed and still cannot be meant."""
    if parameters.practitioner is not None or parameters.last_received_on is not None:
        raise RequestError(
            400,
            "not-supported",
            "practitioner and lastReceivedOn are not supported",
            todo="Leave them out: reports cover every patient of the site's last pull",
        )
    if parameters.report == "subject" and parameters.subject is None:
        raise RequestError(400, "required", "a subject report needs the parameter subject")
    if parameters.report != "subject" and parameters.subject is not None:
        raise RequestError(400, "invalid", "subject goes with reportType subject alone")
    if parameters.report != "subject" and parameters.explain:
        raise RequestError(400, "invalid", "explain goes with reportType subject alone")
    return parameters
