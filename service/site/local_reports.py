"""Exact reports for the site's own people, computed from the local store and never sent."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import BoundedSemaphore
from typing import Any

from service.cql.record import PatientRecord
from service.errors import EvaluationError, RequestError
from service.measure.completeness import Completeness, Verdict
from service.measure.evaluator import Evaluator
from service.measure.explanation import Explainer
from service.measure.explanation_report import explained
from service.measure.package import MeasurePackage
from service.measure.period import timezone
from service.measure.report import Reporter
from service.measure.tally import Tally
from service.site.audit import Access
from service.site.judging import Judge
from service.site.mapped_store import MappedStore
from service.site.needs import needs_of
from service.site.parameters import EvaluateParameters
from service.site.state import State
from service.site.store import Store, open_store
from service.site.tokens import Caller, still_signed_in

LOCAL_ONLY = {
    "system": "urn:weir:handling",
    "code": "local-only",
    "display": "Exact results for this site alone",
}
# What FHIR's MeasureReport.status can say of a verdict.
STATUS = {
    Verdict.COMPLETE: "complete",
    Verdict.PROVISIONAL: "pending",
    Verdict.NOT_COMPUTABLE: "error",
}


def local_report(
    site: State, caller: Caller, package: MeasurePackage, asked: EvaluateParameters
) -> dict[str, Any]:
    """The exact MeasureReport that was asked for, with the verdict on the data behind it.

    Written to the audit log before the store is opened. Raises RequestError: 404 for a patient
    who is not in the store, 429 when too much is asked at once, 401 when the token was revoked
    meanwhile; StoreError when there is no store; EvaluationError for a subject whose result is
    not defined.
    """
    subject = site.audit.pseudonym(asked.subject) if asked.subject else None
    action = "explain-measure" if asked.explain else "evaluate-measure"
    access = Access(action, package.id, asked.report, str(asked.period), subject)
    with site.audit.recorded(caller, access), turn(site.turns):
        report = _report(site, package, asked)
        still_signed_in(site.engine, caller, datetime.now(UTC))
    return report


@contextmanager
def turn(turns: BoundedSemaphore) -> Iterator[None]:
    """One of the few evaluations that may run at once, so that the rest stays responsive."""
    if not turns.acquire(blocking=False):
        raise RequestError(429, "throttled", "too many evaluations at once", todo="Try again soon")
    try:
        yield
    finally:
        turns.release()


def _report(site: State, package: MeasurePackage, asked: EvaluateParameters) -> dict[str, Any]:
    opened = open_store(site.config.data_dir)
    store = MappedStore(opened, site.mapping, [needs_of(package)])
    zone = timezone(site.config.timezone)
    judge = Judge(opened.facts, store.survey, zone, site.config.verdict)
    evaluator = Evaluator(package, asked.period, zone, judge.as_of)
    reporter = Reporter(evaluator, site.config.site)
    if asked.subject is not None:
        record = find_patient(store, asked.subject)
        write = _explained if asked.explain else _individual
        told = write(evaluator, reporter, record)
        return _marked(told, judge.on(package, asked.period).completeness)
    named = asked.report == "subject-list"
    tally = Tally(package.groups, subjects=named)
    counted, failed = _tally(evaluator, store.patients(), tally)
    told = reporter.subject_list(tally) if named else reporter.summary(tally)
    return _marked(told, judge.on(package, asked.period, failed, counted).completeness, failed)


def _individual(evaluator: Evaluator, reporter: Reporter, record: PatientRecord) -> dict[str, Any]:
    return reporter.individual(evaluator.evaluate(record, details=True))


def _explained(evaluator: Evaluator, reporter: Reporter, record: PatientRecord) -> dict[str, Any]:
    explanation = Explainer(evaluator).explain(record)
    return explained(reporter.individual(explanation.result), explanation)


def find_patient(store: MappedStore | Store, subject: str) -> PatientRecord:
    """The patient of that id. Raises RequestError (404)."""
    found = store.patient(subject)
    if found is None:
        raise RequestError(404, "not-found", "the site's store has no such patient")
    return found


def _tally(
    evaluator: Evaluator, patients: Iterable[PatientRecord], tally: Tally
) -> tuple[int, int]:
    """Add every patient's result up; how many are in a population, and how many have no result
    that is defined."""
    counted = failed = 0
    for patient in patients:
        try:
            result = evaluator.evaluate(patient)
        except EvaluationError:
            failed += 1
        else:
            tally.add(result)
            counted += any(
                of for group in result.groups.values() for of in group.populations.values()
            )
    return counted, failed


def _marked(report: dict[str, Any], completeness: Completeness, failed: int = 0) -> dict[str, Any]:
    """The report with what must be known to read it: local only, how complete, who is missing."""
    verdict = [{"url": "verdict", "valueCode": completeness.verdict}]
    reasons = [{"url": "reason", "valueCode": one} for one in sorted(completeness.reasons)]
    extension: list[dict[str, Any]] = [
        {"url": "urn:weir:completeness", "extension": verdict + reasons}
    ]
    if failed:
        extension.append({"url": "urn:weir:not-evaluated", "valueInteger": failed})
    return report | {
        "meta": {**report["meta"], "security": [LOCAL_ONLY]},
        "extension": [*report.get("extension", ()), *extension],
        "status": STATUS[completeness.verdict],
    }
