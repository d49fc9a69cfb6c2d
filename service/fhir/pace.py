"""The courtesy of a client: how fast it may ask, when it may not, and how it is stopped.

    with Pace(per_minute=120, quiet=(Quiet.read("07:00-19:00"),), stop=data_dir / "stop") as pace:
        open_client(before=pace.before)

An EHR serves patients first. No request begins in the quiet hours or faster than the budget allows,
and when the file ``stop`` appears all traffic ends within seconds: what waits is woken, and open
connections are shut.
"""

import contextlib
import socket
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from datetime import time as clock
from pathlib import Path
from typing import Any, Self

import httpx

from service.errors import StoppedError

LOOK = 0.5  # seconds between two looks for the file that stops us
OPENED = ("connect_tcp.complete", "start_tls.complete")  # httpcore's names for a new connection


@dataclass(frozen=True)
class Quiet:
    """A part of every day, by the site's clock, in which the EHR is left alone; it may span
    midnight."""

    start: clock
    end: clock

    @classmethod
    def read(cls, text: str) -> Self:
        """From "HH:MM-HH:MM". Raises ValueError when it is not that."""
        start, _, end = text.partition("-")
        quiet = cls(clock.fromisoformat(start.strip()), clock.fromisoformat(end.strip()))
        if quiet.start == quiet.end:
            raise ValueError("quiet hours need a start and another end, as in 07:00-19:00")
        return quiet

    def left(self, now: datetime) -> float:
        """Seconds of it that are left at a local time; 0 outside of it."""
        at = now.timetz().replace(tzinfo=None)
        if self.start < self.end:
            inside = self.start <= at < self.end
        else:
            inside = at >= self.start or at < self.end
        if not inside:
            return 0.0
        end = datetime.combine(now.date(), self.end, now.tzinfo)
        if end <= now:
            end += timedelta(days=1)
        return end.timestamp() - now.timestamp()


class Pace:
    """Holds every request of a client until it may go; a context that watches for ``stop``.

    ``told`` hears why there is a long wait. Once stopped it stays so, and raises StoppedError.
    """

    def __init__(
        self,
        *,
        per_minute: int | None = None,
        quiet: Sequence[Quiet] = (),
        zone: tzinfo | None = None,
        stop: Path | None = None,
        told: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._between = 60.0 / per_minute if per_minute else 0.0
        self._quiet = quiet
        self._zone = zone
        self._stop = stop
        self._told = told
        self._next = time.monotonic()
        self._turn = threading.Lock()
        self._stopped = threading.Event()
        self._ended = threading.Event()
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._look()
        if self._stop is not None:
            self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()

    def before(self, request: httpx.Request) -> None:
        """An event hook of a client: returns when the request may go. Raises StoppedError."""
        request.extensions["trace"] = self._note
        while left := self._quiet_left():
            self._told(f"The EHR's quiet hours: waiting for {left / 60:.0f} minutes")
            self.wait(left)
        if self._between:
            self.wait(self._reserve())
        self.check()

    def wait(self, seconds: float) -> None:
        """Sleep so long. Raises StoppedError as soon as we are stopped."""
        if seconds > 0:
            self._stopped.wait(seconds)
        self.check()

    def check(self) -> None:
        """Raise StoppedError if we are stopped."""
        if self._stopped.is_set():
            raise StoppedError(
                "All traffic to the EHR is stopped",
                where=str(self._stop),
                todo="`weir site stop --off` allows it again",
            )

    def _quiet_left(self) -> float:
        now = datetime.now(self._zone).astimezone(self._zone)
        return max((quiet.left(now) for quiet in self._quiet), default=0.0)

    def _reserve(self) -> float:
        """Take the next free moment; how long it is until then."""
        with self._turn:
            now = time.monotonic()
            mine = max(now, self._next)
            self._next = mine + self._between
            return mine - now

    def _note(self, event: str, info: Mapping[str, Any]) -> None:
        """httpcore tells of a connection that it opened."""
        if event.endswith(OPENED):
            opened = info["return_value"].get_extra_info("socket")
            if opened is not None:
                self._sockets.add(opened)

    def _watch(self) -> None:
        while not self._ended.wait(LOOK) and not self._stopped.is_set():
            self._look()

    def _look(self) -> None:
        if self._stop is not None and self._stop.exists():
            self._stopped.set()
            for each in list(self._sockets):
                # Whoever reads from it is woken; SSLSocket.shutdown would pull it from under them.
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(each, socket.SHUT_RDWR)
