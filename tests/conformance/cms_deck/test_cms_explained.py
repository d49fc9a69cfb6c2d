"""Published measures explained: the traced program finds what the ordinary one does."""

from __future__ import annotations

from itertools import islice

import pytest

from service.fhir.folder import Folder
from service.measure.evaluator import Evaluator
from service.measure.explanation import Explainer
from service.measure.explanation_report import explained
from service.measure.explanation_text import explanation_text
from service.measure.package import load_package
from service.measure.period import Period
from service.measure.report import Reporter
from service.measure.unit import Units
from tests.conformance.cms_deck import deck
from tests.fhir_models import check_r4
from tests.sampling import sampled

SAMPLE = (
    "CMS165FHIRControllingHighBP",
    "CMS108FHIRVTEProphylaxis",  # counts encounters
    "CMS1017FHIRHHFI",  # a ratio, with observations
    "CMS22FHIRPCSBPScreeningFollowUp",  # queries of several sources
)
PATIENTS = 8

pytestmark = pytest.mark.skipif(
    not deck.there(), reason=f"the CMS deck is neither in {deck.DECK} nor at {deck.TAR}"
)


@pytest.mark.parametrize("measure", sampled(SAMPLE, 3))
def test_an_explanation_finds_what_the_measure_finds(measure: str) -> None:
    check(measure)


@pytest.mark.full
@pytest.mark.parametrize("measure", deck.measures() if deck.there() else [])
def test_every_explanation_finds_what_the_measure_finds(measure: str) -> None:
    check(measure)


def check(measure: str) -> None:
    """Of the criteria of each population, for the measure's first patients."""
    package = load_package(deck.unpacked() / measure / "measure-bundle.json")
    evaluator = Evaluator(package, Period.parse("2026"))
    explainer = Explainer(evaluator)
    (logic,) = package.logics
    session = evaluator.session(logic.program)
    with Folder(deck.unpacked() / measure / "tests") as folder:
        folder.gather()
        for found in islice(folder.patients(), PATIENTS):
            explanation = explainer.explain(found.record)
            ordinary, units = session.patient(found.record), Units(found.record.id)
            for reason in explanation.reasons:
                if reason.population.code != "measure-observation":
                    meeting = units.of(ordinary.evaluate(reason.population.expression))
                    assert [unit.id for unit in meeting] == list(reason.meeting)
            assert explanation_text(explanation, found.places())
        check_r4(explained(Reporter(evaluator).individual(explanation.result), explanation))
