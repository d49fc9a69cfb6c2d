"""What is worth trying again, and how long a server may make us wait."""

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import EhrError, UnavailableError
from service.fhir.patience import LONGEST_ASKED, Patience, patiently, retry_after

NOW = 1_790_000_000.0  # 2026-09-21
QUICK = Patience(attempts=3, first=0.0)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("30", 30),
        (" 1.5 ", 1.5),
        (format_datetime(datetime.fromtimestamp(NOW + 90, UTC), usegmt=True), 90),
        (format_datetime(datetime.fromtimestamp(NOW - 90, UTC), usegmt=True), 0),
        (f"{NOW + 45:.0f}", 45),  # a clock time instead of a duration
        (f"{(NOW + 45) * 1000:.0f}", 45),  # the same in milliseconds
        (f"{NOW - 45:.0f}", 0),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after_is_read_in_every_form_that_servers_send(
    value: str | None, seconds: float | None
) -> None:
    assert retry_after(value, NOW) == seconds


@given(st.text())
def test_no_retry_after_makes_us_fail(value: str) -> None:
    seconds = retry_after(value, NOW)
    assert seconds is None or seconds >= 0


def test_pauses_double_up_to_the_longest_unless_the_server_says_how_long() -> None:
    patience = Patience(first=1, longest=5)
    assert [patience.pause(attempt) for attempt in (1, 2, 3, 4, 9)] == [1, 2, 4, 5, 5]
    assert patience.pause(1, asked=30) == 30
    assert patience.pause(1, asked=1e9) == LONGEST_ASKED


def test_a_busy_server_is_asked_again_until_patience_is_at_an_end() -> None:
    calls = []

    def call(succeed_at: int) -> str:
        calls.append(1)
        if len(calls) < succeed_at:
            raise UnavailableError("busy")
        return "done"

    assert patiently(QUICK, lambda: call(3)) == "done"
    calls.clear()
    with pytest.raises(UnavailableError):
        patiently(QUICK, lambda: call(4))
    assert len(calls) == 3


def test_what_another_try_would_not_change_is_not_tried_again() -> None:
    calls = []

    def call() -> None:
        calls.append(1)
        raise EhrError("forbidden")

    with pytest.raises(EhrError):
        patiently(QUICK, call)
    assert len(calls) == 1
