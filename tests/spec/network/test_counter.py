"""Letters that come at the same time are received together; each is taken or refused for itself."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.exc import OperationalError
from sqlmodel import Session, col, select

from service.errors import RequestError
from service.network import roster
from service.network.config import NetworkConfig
from service.network.counter import Counter
from service.network.database import open_database
from service.network.keeping import Receipt
from service.network.receiving import Answer, Letter, receive_all
from service.network.submission import Submission
from service.network.window import span
from tests.spec.network.reports import RETURNS, signed_letter, summary_of

MONTHS = span("2023-01", "2025-12", "month")


@pytest.fixture
def engine(config: NetworkConfig) -> Iterator[Engine]:
    opened = open_database(config.database)
    with Session(opened) as session:
        roster.seed(session, config)
    yield opened
    opened.dispose()


def revisions(engine: Engine) -> list[tuple[str, str, int]]:
    """Site, period and revision of all that is kept, in order."""
    with Session(engine) as session:
        kept = session.exec(select(Submission).order_by(col(Submission.id)))
        return [(each.site, each.period, each.revision) for each in kept]


def receipt_of(answer: Answer) -> Receipt:
    assert not isinstance(answer, RequestError)
    (receipt,) = answer
    return receipt


def test_many_senders_at_once_each_get_their_own_receipt(
    engine: Engine, config: NetworkConfig
) -> None:
    counter = Counter(engine, config)
    letters = [signed_letter(summary_of(s, m)) for m in MONTHS for s in ("north", "south")]
    with ThreadPoolExecutor(16) as pool:
        waiting = list(pool.map(counter.hand_in, letters))
    receipts = [receipt for answer in waiting for receipt in answer.result()]
    for letter, receipt in zip(letters, receipts, strict=True):
        assert receipt.new and receipt.release == letter.idempotency_key
    assert len(revisions(engine)) == len({receipt.receipt for receipt in receipts}) == 72
    counter.close()


def test_one_that_is_refused_costs_the_others_nothing(
    engine: Engine, config: NetworkConfig
) -> None:
    good, other = (signed_letter(summary_of(period=month)) for month in MONTHS[:2])
    unsigned = replace(signed_letter(summary_of(period=MONTHS[2])), signature=None)
    forbidden = signed_letter(summary_of("south", "2025-Q1", measure=RETURNS))
    nonsense = Letter(b"{}", good.signature, "none")
    answers = receive_all(engine, config, [good, unsigned, forbidden, nonsense, other])
    assert [a.status for a in answers if isinstance(a, RequestError)] == [401, 403, 401]
    assert [receipt_of(answers[at]).new for at in (0, 4)] == [True, True]
    assert revisions(engine) == [("north", MONTHS[0], 1), ("north", MONTHS[1], 1)]


def test_the_same_report_twice_at_once_is_kept_once(engine: Engine, config: NetworkConfig) -> None:
    letter = signed_letter(summary_of())
    first, second = map(receipt_of, receive_all(engine, config, [letter, letter]))
    assert (first.new, second.new) == (True, False)
    assert replace(second, new=True) == first


def test_two_versions_at_once_are_two_versions(engine: Engine, config: NetworkConfig) -> None:
    letters = [signed_letter(summary_of(numerator=count)) for count in (21, 30)]
    assert all(receipt_of(each).new for each in receive_all(engine, config, letters))
    assert revisions(engine) == [("north", "2025-01", 1), ("north", "2025-01", 2)]


def test_when_the_database_fails_for_one_the_others_are_still_kept(
    engine: Engine, config: NetworkConfig
) -> None:
    fatal = signed_letter(summary_of(period=MONTHS[5]))

    def fail(*args: object) -> None:
        if fatal.idempotency_key in str(args[3]) and "INSERT INTO submission" in str(args[2]):
            raise OperationalError("", {}, Exception("planted"))

    event.listen(engine, "before_cursor_execute", fail)
    counter = Counter(engine, config)
    letters = [signed_letter(summary_of(period=month)) for month in MONTHS[:5]]
    answers = [counter.hand_in(each) for each in (*letters, fatal)]
    assert [answer.result()[0].new for answer in answers[:-1]] == [True] * 5
    with pytest.raises(OperationalError):
        answers[-1].result()
    assert len(revisions(engine)) == 5
    counter.close()
