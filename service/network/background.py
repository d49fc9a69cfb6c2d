"""Work that no request waits for: one thing at a time, each once, and after what is urgent."""

import logging
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock

PATIENCE = 60  # seconds

log = logging.getLogger("weir.network.background")


class Background:
    """A thread that makes in advance what pages will need.

    It begins nothing while ``is_busy``, but for no longer than PATIENCE: what comes in then would
    make it do the same again.
    """

    def __init__(self, is_busy: Callable[[], bool]) -> None:
        self._is_busy = is_busy
        self._closing = Event()
        self._worker = ThreadPoolExecutor(1, "background")
        self._waiting: set[Hashable] = set()
        self._lock = Lock()

    def run(self, what: Hashable, work: Callable[[], object]) -> None:
        """Do the work soon, unless it already waits to be done."""
        with self._lock:
            if what in self._waiting:
                return
            self._waiting.add(what)
        self._worker.submit(self._run, what, work)

    def close(self) -> None:
        """Do no more; what has begun is finished."""
        self._closing.set()
        self._worker.shutdown(cancel_futures=True)

    def _run(self, what: Hashable, work: Callable[[], object]) -> None:
        for _ in range(PATIENCE * 10):
            if not self._is_busy() or self._closing.wait(0.1):
                break
        with self._lock:
            self._waiting.discard(what)
        if self._closing.is_set():
            return
        try:
            work()
        except Exception as error:  # a request that needs it will meet the same error, and tell it
            log.warning("not made in advance: %s", type(error).__name__)
