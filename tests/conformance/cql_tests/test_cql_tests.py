"""Every test of HL7's cql-tests passes, or is a known gap."""

import pytest

from service.cql import translator
from service.cql.literal import literal
from service.errors import WeirError
from tests.conformance.cql_tests.known_gaps import KNOWN_GAPS, MOST_GAPS
from tests.conformance.cql_tests.suite import FOLDER, Case, agrees, cases, evaluate

CASES = cases()
pytestmark = [
    pytest.mark.skipif(not CASES, reason=f"HL7's cql-tests are not at {FOLDER}"),
    pytest.mark.skipif(translator.missing() is not None, reason=str(translator.missing())),
]


def _parameter(case: Case) -> object:
    gap = KNOWN_GAPS.get(case.id)
    marks = () if gap is None else pytest.mark.xfail(strict=True, reason=gap)
    return pytest.param(case, id=case.id, marks=marks)


@pytest.mark.parametrize("case", [_parameter(case) for case in CASES])
def test_expression_gives_what_the_suite_says(case: Case) -> None:
    if case.invalid:
        with pytest.raises(WeirError):
            evaluate(case.expression)
        return
    assert case.output is not None
    got, expected = evaluate(case.expression), evaluate(case.output)
    assert agrees(got, expected), f"{literal(got)} is not {literal(expected)}"


def test_known_gaps_are_few_and_all_in_the_suite() -> None:
    assert len(KNOWN_GAPS) <= MOST_GAPS
    assert KNOWN_GAPS.keys() <= {case.id for case in CASES}


def test_every_value_of_the_suite_survives_being_written_as_cql() -> None:
    """A literal is lossless: it evaluates to the value that it was written for."""
    for output in sorted({case.output for case in CASES if case.output}):
        value = evaluate(output)
        assert agrees(evaluate(literal(value)), value), output
