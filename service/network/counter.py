"""The counter: letters that come at the same time are received together, with one commit.

One clerk, a thread of its own, serves everybody who waits; so a letter waits no longer than one
transaction, and under load a transaction holds as many letters as have come during the last.
"""

import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from service.errors import RequestError
from service.network.config import NetworkConfig
from service.network.keeping import Receipt
from service.network.receiving import Letter, receive, receive_all

QUIET = 1.0  # seconds without letters
MOST = 200  # letters of one transaction

_Waiting = tuple[Letter, "Future[list[Receipt]]"]


class Counter:
    """Where letters are handed in, from many threads."""

    def __init__(self, engine: Engine, config: NetworkConfig) -> None:
        self._engine, self._config = engine, config
        self._queue: deque[_Waiting] = deque()
        self._clerk = ThreadPoolExecutor(1, "counter")
        self._served = -QUIET

    def hand_in(self, letter: Letter) -> "Future[list[Receipt]]":
        """What `receiving.receive` will say of the letter, once it is committed or refused."""
        answer: Future[list[Receipt]] = Future()
        self._queue.append((letter, answer))
        self._clerk.submit(self._serve)
        return answer

    def is_busy(self) -> bool:
        """Whether letters wait, or have come a moment ago."""
        return bool(self._queue) or time.monotonic() - self._served < QUIET

    def close(self) -> None:
        """Serve who still waits, and go home."""
        self._clerk.shutdown()

    def _serve(self) -> None:
        """Serve all who wait; nobody does when they were served together with one before them."""
        waiting = [self._queue.popleft() for _ in range(min(MOST, len(self._queue)))]
        if not waiting:
            return
        self._served = time.monotonic()
        try:
            answers = receive_all(self._engine, self._config, [letter for letter, _ in waiting])
        except SQLAlchemyError:
            # What the database refuses of one letter is not to cost the others their place.
            for letter, answer in waiting:
                self._serve_alone(letter, answer)
        except BaseException as error:
            for _, answer in waiting:
                answer.set_exception(error)
        else:
            for (_, answer), told in zip(waiting, answers, strict=True):
                if isinstance(told, RequestError):
                    answer.set_exception(told)
                else:
                    answer.set_result(told)

    def _serve_alone(self, letter: Letter, answer: "Future[list[Receipt]]") -> None:
        try:
            answer.set_result(receive(self._engine, self._config, letter))
        except BaseException as error:
            answer.set_exception(error)
