"""Patience with servers: what is worth trying again, when, and how often."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TypeVar

from service.errors import UnavailableError

LONGEST_ASKED = 900.0  # seconds; a server that asks for more is asked again after this
EPOCH_SECONDS = 1e8  # no server means to be left alone for three years: this is a clock time
EPOCH_MILLISECONDS = 1e11

T = TypeVar("T")


@dataclass(frozen=True)
class Patience:
    """How often a call is tried, and how long is waited: ``first`` seconds, doubled each time up to
    ``longest``, unless the server says how long. An export, and the download of a file, may take
    ``export`` seconds in all. ``wait`` is told the seconds, and may raise to give up.
    """

    attempts: int = 7
    first: float = 1.0
    longest: float = 60.0
    export: float = 24 * 3600.0
    wait: Callable[[float], None] = field(default=time.sleep, compare=False, repr=False)

    def pause(self, attempt: int, asked: float | None = None) -> float:
        """Seconds to wait after failure number ``attempt``, counted from 1."""
        if asked is not None:
            return min(asked, LONGEST_ASKED)
        return min(self.first * 2.0 ** (attempt - 1), self.longest)


USUAL = Patience()


def patiently(patience: Patience, call: Callable[[], T]) -> T:
    """The result of ``call``, tried again as long as it raises UnavailableError and patience lasts.

    Raises the last UnavailableError.
    """
    for attempt in range(1, patience.attempts):
        try:
            return call()
        except UnavailableError as error:
            patience.wait(patience.pause(attempt, error.retry_after))
    return call()


def retry_after(value: str | None, now: float | None = None) -> float | None:
    """Seconds that a Retry-After header asks to wait, never negative; None when it says nothing.

    Read as seconds or an HTTP date (RFC 9110 section 10.2.3) and, as some servers send it, as a
    clock time in seconds or milliseconds since 1970. ``now`` is in seconds since 1970.
    """
    if value is None:
        return None
    now = time.time() if now is None else now
    seconds = _number(value)
    if seconds is None:
        return _until(value, now)
    if seconds >= EPOCH_MILLISECONDS:
        seconds = seconds / 1000 - now
    elif seconds >= EPOCH_SECONDS:
        seconds -= now
    return max(0.0, seconds)


def _number(value: str) -> float | None:
    digits = value.strip()
    return float(digits) if digits.replace(".", "", 1).isdecimal() and digits.isascii() else None


def _until(value: str, now: float) -> float | None:
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except (TypeError, ValueError, OverflowError):
        return None
