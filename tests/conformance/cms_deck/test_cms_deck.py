"""Every measure of the deck gives every patient the counts, strata and observations expected."""

from __future__ import annotations

import pytest

from tests.conformance.cms_deck import deck
from tests.conformance.cms_deck.known import KNOWN
from tests.sampling import sampled

pytestmark = pytest.mark.skipif(
    not deck.there(), reason=f"the CMS deck is neither in {deck.DECK} nor at {deck.TAR}"
)


@pytest.mark.parametrize("measure", sampled(deck.measures() if deck.there() else [], 6))
def test_every_patient_is_reported_as_expected(measure: str) -> None:
    patients = deck.expected(measure)
    found = {
        patient: deck.differences(patients[patient], report)
        for patient, report in deck.reports(measure)
    }
    assert found.keys() == patients.keys()
    known = [one for one in KNOWN if one.measure == measure]
    beginnings = tuple(beginning for one in known for beginning in one.beginnings)
    wrong = {patient: said for patient, said in found.items() if said}
    unknown = {
        patient: said
        for patient, said in wrong.items()
        if not all(one.startswith(beginnings) for one in said)
    }
    assert not unknown
    assert len(wrong) == sum(one.patients for one in known)


def test_known_differences_are_of_measures_in_the_deck() -> None:
    assert {one.measure for one in KNOWN} <= set(deck.measures())
