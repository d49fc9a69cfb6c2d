"""The outbox: written before anything is sent, kept for ever, and never sent twice."""

from pathlib import Path

import pytest

from service.errors import StoreError
from service.site.database import open_database
from service.site.outbox import Outbox, Status
from tests.releases import READMISSION, release

PERIOD = "2024-01-01/2024-03-31"


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(open_database(tmp_path))


def test_what_is_queued_is_the_release_byte_for_byte(outbox: Outbox) -> None:
    one = release()
    assert outbox.enqueue(one)
    (queued,) = outbox.queued()
    assert (queued.key, queued.body, queued.number) == (one.key, one.body, 1)
    assert (queued.status, queued.attempts) == (Status.QUEUED, 0)


def test_the_same_again_is_nothing_new(outbox: Outbox) -> None:
    assert outbox.enqueue(release())
    assert not outbox.enqueue(release())
    assert not outbox.enqueue(release(month="2026-12")), "a rerun in the next month, too"
    assert len(outbox.queued()) == 1


def test_a_rerun_after_it_was_sent_sends_nothing(outbox: Outbox) -> None:
    outbox.enqueue(release())
    outbox.record(outbox.queued()[0], Status.SENT, "receipt")
    assert not outbox.enqueue(release())
    assert not outbox.queued()


def test_changed_content_is_a_new_release_of_the_period(outbox: Outbox) -> None:
    outbox.enqueue(release())
    current = outbox.current(READMISSION, PERIOD)
    assert outbox.enqueue(release(counts=(90, 15, 40), replaces=current))
    assert [each.number for each in outbox.queued()] == [1, 2]


def test_a_number_that_goes_back_is_a_new_release_too(outbox: Outbox) -> None:
    """20, 40, 20: the network must end with 20, though it had that report before."""
    for numerator in (20, 40, 20):
        current = outbox.current(READMISSION, PERIOD)
        assert outbox.enqueue(release(counts=(90, 15, numerator), replaces=current))
    assert len({each.key for each in outbox.queued()}) == 3


def test_and_cannot_be_forgotten_to_be_one(outbox: Outbox) -> None:
    outbox.enqueue(release())
    outbox.enqueue(release(counts=(90, 15, 40)))
    with pytest.raises(StoreError, match="same key"):
        outbox.enqueue(release(replaces=None))


def test_periods_and_measures_are_apart(outbox: Outbox) -> None:
    assert outbox.enqueue(release())
    assert outbox.enqueue(release("2024-Q2"))
    assert [each.number for each in outbox.queued()] == [1, 1]
    assert outbox.current(READMISSION, "2024-07-01/2024-09-30") is None


def test_what_left_the_site_can_be_listed(outbox: Outbox) -> None:
    outbox.enqueue(release())
    outbox.enqueue(release("2024-Q2"))
    outbox.record(outbox.queued()[0], Status.SENT, "receipt-1")
    (sent,) = outbox.sent()
    assert (sent.body, sent.note, sent.attempts) == (release().body, "receipt-1", 1)


def test_a_refused_release_is_shown_and_offered_again(outbox: Outbox) -> None:
    outbox.enqueue(release())
    outbox.record(outbox.queued()[0], Status.REFUSED, "HTTP 401")
    assert not outbox.queued()
    assert [each.note for each in outbox.refused()] == ["HTTP 401"]
    assert outbox.enqueue(release())
    assert len(outbox.queued()) == 1


def test_a_refused_release_that_was_replaced_is_history(outbox: Outbox) -> None:
    outbox.enqueue(release())
    outbox.record(outbox.queued()[0], Status.REFUSED, "HTTP 422")
    outbox.enqueue(release(counts=(90, 15, 40), replaces=outbox.current(READMISSION, PERIOD)))
    assert not outbox.refused()


def test_a_receipt_is_never_overwritten(outbox: Outbox) -> None:
    """Two processes at once: the one that failed does not undo what the other achieved."""
    outbox.enqueue(release())
    (queued,) = outbox.queued()
    outbox.record(queued, Status.SENT, "receipt-1")
    outbox.record(queued, Status.QUEUED, "no answer")
    assert [each.note for each in outbox.sent()] == ["receipt-1"]


def test_it_outlives_the_program(tmp_path: Path) -> None:
    Outbox(open_database(tmp_path)).enqueue(release())
    assert len(Outbox(open_database(tmp_path)).queued()) == 1
