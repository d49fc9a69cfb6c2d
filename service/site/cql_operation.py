"""The CQL operation: one expression of CQL is evaluated, about no patient or about one.

It is there where site.toml has `evaluate_cql = true`. An expression sees patient data only where
someone who has signed in names the patient: it sees that one, and the audit log has it.
"""

from datetime import UTC, datetime
from typing import Any

from service.cql.expression import (
    NAME,
    compile_expression,
    evaluate_expression,
    translate_expression,
)
from service.cql.program import Program
from service.errors import MeasureError, RequestError
from service.fhir.model import r4
from service.fhir.parameter_values import declarations
from service.fhir.parameters import evaluation_error, result
from service.measure.period import timezone
from service.site.audit import Access
from service.site.local_reports import find_patient, turn
from service.site.parameters_cql import CqlParameters
from service.site.plan import AcquisitionPlan
from service.site.state import State
from service.site.store import Store, open_store
from service.site.tokens import Caller, still_signed_in


def evaluate_cql(site: State, caller: Caller | None, asked: CqlParameters) -> dict[str, Any]:
    """Parameters with the expression's value, or with the reason why it has none.

    Raises RequestError: 400 for parameters that cannot be given to it, 404 for a patient who is not
    in the store, 422 for an expression that reads more than the store was built with, 429 when too
    much is asked at once; StoreError where there is no store.
    """
    now = _now(site, asked)
    declared = declarations(asked.parameters, now) if asked.parameters else ""
    with turn(site.turns):
        try:
            if asked.subject is None or caller is None:
                return result(evaluate_expression(asked.expression, r4(), now, declared))
            return result(_about(asked.subject, site, caller, _program(asked, declared), now))
        except MeasureError as error:
            return evaluation_error(error)


def _now(site: State, asked: CqlParameters) -> datetime:
    if asked.timestamp is not None:
        return datetime.fromisoformat(asked.timestamp)
    return datetime.now(timezone(site.config.timezone))


def _program(asked: CqlParameters, declared: str) -> Program:
    elm = translate_expression(asked.expression, parameters=declared, about_patient=True)
    return compile_expression(elm, r4())


def _about(subject: str, site: State, caller: Caller, program: Program, now: datetime) -> Any:
    access = Access("cql", subject=site.audit.pseudonym(subject))
    with site.audit.recorded(caller, access):
        store = _store(site, program)
        record = site.mapping.apply(find_patient(store, subject))
        value = program.prepare({}, now).patient(record).evaluate(NAME)
        still_signed_in(site.engine, caller, datetime.now(UTC))
    return value


def _store(site: State, program: Program) -> Store:
    """The store, if it holds what the expression reads: what is not there is not absent."""
    store = open_store(site.config.data_dir)
    if not store.covers(AcquisitionPlan(program.uses.elements)):
        raise RequestError(
            422,
            "not-supported",
            "the store has only what the site's measures need, and the expression reads more",
            todo="The measures' $data-requirements list what is there",
        )
    return store
