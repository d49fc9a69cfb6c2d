"""What surrounds every request to either program: headers, the access log and the last catch.

The access log names the route, never the path or the query, and an unforeseen error is logged
by its type and place, never by its text: all of those may name a patient.
"""

import logging
import time
import traceback
import uuid
from collections.abc import Callable, Mapping

from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Guard:
    """ASGI middleware around a whole program.

    ``headers`` gives what every answer to a path carries; ``apology`` makes the answer to an
    unforeseen error from the path and the reference under which the log has it.
    """

    def __init__(
        self,
        app: ASGIApp,
        log: logging.Logger,
        headers: Callable[[str], Mapping[str, str]],
        apology: Callable[[str, str], Response],
    ) -> None:
        self._app = app
        self._log = log
        self._headers = headers
        self._apology = apology

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and answer for what goes wrong with it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        statuses: list[int] = []
        started = time.monotonic()

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])
                MutableHeaders(scope=message).update(self._headers(scope["path"]))
            await send(message)

        try:
            await self._app(scope, receive, send_guarded)
        except Exception as error:
            reference = self._log_error(error)
            if not statuses:
                await self._apology(scope["path"], reference)(scope, receive, send_guarded)
        self._log.info(
            "%s %s %s %.0f ms",
            scope["method"],
            getattr(scope.get("route"), "path", "(another path)"),
            statuses[0] if statuses else "-",
            (time.monotonic() - started) * 1000,
        )

    def _log_error(self, error: Exception) -> str:
        """Log where and what kind; return the reference under which the log has it."""
        reference = uuid.uuid4().hex[:8]
        places = " < ".join(
            f"{frame.name} {frame.filename}:{frame.lineno}"
            for frame in reversed(traceback.extract_tb(error.__traceback__)[-4:])
        )
        self._log.error("%s %s at %s", reference, type(error).__name__, places)
        return reference
