"""Several calls at once, as many as the server is to bear."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def together(work: Callable[[T], R], items: Iterable[T], at_once: int) -> list[R]:
    """The results of ``work`` for each item, in their order; ``at_once`` of them at a time.

    The first error ends it: what has not begun is not begun, what has is waited for.
    """
    failed = threading.Event()

    def attempt(item: T) -> R:
        if failed.is_set():
            raise CancelledError
        try:
            return work(item)
        except BaseException:
            failed.set()
            raise

    with ThreadPoolExecutor(at_once) as pool:
        running = [pool.submit(attempt, item) for item in items]
    errors = (each.exception() for each in running)
    for error in errors:
        if error is not None and not isinstance(error, CancelledError):
            raise error
    return [each.result() for each in running]
