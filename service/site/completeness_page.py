"""The page that says how complete the last run's data were, in plain words, with its counts.

The counts are not protected: they are for the site's own people, after local sign-in. A browser
asks for the token as a password; programs send it as they do everywhere else.
"""

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Security
from fastapi.responses import HTMLResponse
from fastapi.security import HTTPBasic, HTTPBasicCredentials
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from service.errors import RequestError
from service.measure.completeness import Verdict
from service.site.audit import Access
from service.site.state import BearerDep, State, StateDep, signed_in
from service.site.survey import UNMAPPED_FILE, UNREVIEWED_FILE
from service.site.tokens import Caller, sign_in
from service.site.verdict import QUARANTINED, Fault, Finding
from service.site.verdict_list import MeasureVerdict, VerdictList, read_verdicts

PATH = "/completeness"
SHOWN = 200  # codes; the file has all
# One style sheet, which stands in the page, and nothing from elsewhere.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; "
VERDICTS: Mapping[Verdict, str] = {
    Verdict.COMPLETE: "Complete",
    Verdict.PROVISIONAL: "Provisional: data are missing, or may still come",
    Verdict.NOT_COMPUTABLE: "Not computable: too much is missing",
}
REASONS: Mapping[Fault, str] = {
    Fault.UNREADABLE: "Lines that are no FHIR resource",
    Fault.UNKNOWN_TYPE: "Resources of a type that FHIR R4 does not have",
    Fault.UNKNOWN_PATIENT: "Records of patients who did not arrive",
    Fault.NO_BIRTH_DATE: "Patients without a birth date (kept, and in doubt)",
    Fault.NOT_UNDERSTOOD: (
        "Records that no measure may understand: without a status or a code, with a modifier that "
        "is not known, redacted, or with a reference of no known form (kept, and in doubt)"
    ),
    Fault.LEADS_NOWHERE: (
        "Records that give a name or an identifier of the stay or the place that belongs to them, "
        "and no reference to follow (kept, and in doubt)"
    ),
    Fault.MISPLACED: "Resources of another type than their file's (kept if needed)",
    Fault.OUTCOME_AMONG_RECORDS: "Messages of trouble in place of records",
}

router = APIRouter()
password = HTTPBasic(auto_error=False, realm="weir site")
_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def reader(
    site: StateDep,
    bearer: BearerDep,
    basic: Annotated[HTTPBasicCredentials | None, Security(password)],
) -> Caller:
    """Who asks, by a bearer token or by one given as a password. Raises RequestError (401)."""
    if bearer is not None or basic is None:
        return signed_in(site, bearer)
    try:
        return sign_in(site.engine, basic.password, datetime.now(UTC))
    except RequestError:
        site.audit.refused(Access("sign-in"))
        raise


@router.get(PATH, response_class=HTMLResponse, include_in_schema=False)
def completeness(site: StateDep, caller: Annotated[Caller, Depends(reader)]) -> HTMLResponse:
    """The verdicts of the last run, per measure and period, and what they rest on."""
    with site.audit.recorded(caller, Access("read-completeness")):
        return HTMLResponse(_page(site))


def _page(site: State) -> str:
    data_dir = site.config.data_dir
    told = read_verdicts(data_dir)
    return _templates.get_template("completeness.html").render(
        site=site.config.site,
        told=told,
        measures=_by_measure(told) if told else {},
        verdicts=VERDICTS,
        quarantined=list(quarantined(told.findings)) if told else [],
        unmapped=_codes(data_dir / UNMAPPED_FILE),
        unreviewed=_codes(data_dir / UNREVIEWED_FILE),
    )


def _by_measure(told: VerdictList) -> dict[str, list[MeasureVerdict]]:
    """The verdicts by the measures' titles, the latest period first."""
    ordered = sorted(told.verdicts, key=lambda one: one.period, reverse=True)
    by_title = sorted(ordered, key=lambda one: one.title)
    return {title: list(of) for title, of in groupby(by_title, key=lambda one: one.title)}


def quarantined(findings: Sequence[Finding]) -> Iterator[tuple[str, int, str]]:
    """Why records were set aside, how many, and in which files of the pull."""
    counts: Counter[Fault] = Counter()
    places: dict[Fault, list[str]] = {}
    for finding in findings:
        if finding.fault in QUARANTINED:
            counts[finding.fault] += finding.count
            places.setdefault(finding.fault, []).append(f"{finding.where}: {finding.count}")
    for fault, count in counts.most_common():
        yield REASONS[fault], count, ", ".join(places[fault])


@dataclass(frozen=True)
class Codes:
    """Some rows of a list of codes, by column, and how many it has."""

    rows: list[dict[str, str]]
    total: int


def _codes(path: Path) -> Codes:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except FileNotFoundError:
        rows = []
    return Codes(rows[:SHOWN], len(rows))
