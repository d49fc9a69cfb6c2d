"""24. Errors and Messages."""

import pytest

from service.cql.operators.messages import message
from service.errors import EvaluationError
from tests.spec.cql.operators.examples import Clock


def test_the_result_is_the_source_and_the_message_is_told() -> None:
    """The operator is defined to return the input source."""
    clock = Clock()
    assert message(clock, 2, True, "200", "Warning", "You have been warned!") == 2
    assert clock.messages == [("Warning", "200", "You have been warned!")]


def test_nothing_is_told_unless_the_condition_is_true() -> None:
    """Otherwise, the operation only returns the results and performs no processing at all."""
    clock = Clock()
    assert message(clock, [1], False, "400", "Error", "x") == [1]
    assert message(clock, [1], None, "400", "Error", "x") == [1]
    assert clock.messages == []


def test_the_severity_is_message_unless_it_is_given() -> None:
    """If no severity is supplied, a default severity of Message is assumed."""
    clock = Clock()
    message(clock, None, True, None, None, "x")
    assert clock.messages == [("Message", None, "x")]


def test_an_error_stops_processing_and_keeps_its_text_to_itself() -> None:
    """This is the only severity that stops processing. The text may tell of a patient."""
    with pytest.raises(EvaluationError) as raised:
        message(Clock(), 4, True, "400", "Error", "Mrs. Doe has no weight")
    assert "400" in str(raised.value) and "Doe" not in str(raised.value)
