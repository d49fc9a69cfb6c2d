"""A proxy that stands in front of a real server and spoils what passes through it.

    with proxy.fault(answer(500, "/Group/", times=2)):
        ...

A fault sees each request and the server's own answer, and gives the answer that is sent. Nothing
else is changed, so what a test meets is a real server's behaviour, and one thing wrong with it. A
fault begins when everything that was asked before has its answer: what a client that was killed
left on its way neither uses a fault up nor is counted.
"""

import asyncio
import gzip
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.client import HTTPConnection
from typing import Any

import httpx
import uvicorn


@dataclass(frozen=True)
class Answer:
    """What is sent back. ``cut`` bytes are sent of the body, then the connection is closed; with
    ``hold`` the rest of the body is only sent when that is set; ``slow`` sends it bit by bit."""

    status: int
    headers: dict[str, str]
    body: bytes
    cut: int | None = None
    hold: threading.Event | None = None
    slow: bool = False


UNDER_WAY = "/requests-under-way"  # answered by the proxy itself
STILL = 3  # times in a row that nothing is under way
SETTLED_WITHIN = 120.0  # seconds

Fault = Callable[[str, str, Answer], Answer]  # method, path with query, the server's answer


@dataclass
class FaultProxy:
    """Listens on ``port`` and passes everything to ``upstream``, through the present faults."""

    port: int
    upstream: str
    faults: list[Fault] = field(default_factory=list)
    seen: list[tuple[str, str]] = field(default_factory=list)
    posted: list[tuple[str, bytes]] = field(default_factory=list)
    listeners: list[list[tuple[str, dict[bytes, bytes]]]] = field(default_factory=list)
    client: httpx.AsyncClient | None = field(default=None, repr=False)
    under_way: int = 0

    @contextmanager
    def fault(self, *faults: Fault) -> Iterator[None]:
        """Spoil what passes while the block runs; ``seen`` and ``posted`` start anew."""
        self._settle()
        self.seen.clear()
        self.posted.clear()
        self.faults[:] = faults
        try:
            yield
        finally:
            self.faults.clear()

    def _settle(self) -> None:
        """Wait until what was asked of the proxy so far has its answer.

        The first question waits its turn behind connections that were not accepted yet; those that
        were accepted with it are read before the later ones are answered.
        """
        until = time.monotonic() + SETTLED_WITHIN
        asking = HTTPConnection("127.0.0.1", self.port, timeout=SETTLED_WITHIN)
        still = 0
        while still < STILL:
            asking.request("GET", UNDER_WAY)
            still = still + 1 if asking.getresponse().read() == b"0" else 0
            assert time.monotonic() < until, f"{self.under_way} requests are not answered"
            time.sleep(0 if still else 0.02)
        asking.close()

    @contextmanager
    def heads(self) -> Iterator[list[tuple[str, dict[bytes, bytes]]]]:
        """The path and headers of every request while the block runs."""
        self.listeners.append([])
        try:
            yield self.listeners[-1]
        finally:
            self.listeners.pop()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """The ASGI application."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["path"] == UNDER_WAY:
            await _send(Answer(200, {}, str(self.under_way).encode()), send)
        else:
            self.under_way += 1
            try:
                await self._serve(scope, receive, send)
            finally:
                self.under_way -= 1

    async def _live(self, receive: Any, send: Any) -> None:
        await receive()
        self.client = httpx.AsyncClient(
            base_url=self.upstream,
            verify=False,
            timeout=60,
            limits=httpx.Limits(max_keepalive_connections=0),  # the server closes idle ones
        )
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.client.aclose()
        await send({"type": "lifespan.shutdown.complete"})

    async def _serve(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        query = scope["query_string"].decode()
        path = scope["path"] + (f"?{query}" if query else "")
        self.seen.append((scope["method"], path))
        if scope["method"] == "POST":
            self.posted.append((path, body))
        for listener in self.listeners:
            listener.append((path, dict(scope["headers"])))
        answer = await self._ask(scope["method"], path, scope["headers"], body)
        for fault in list(self.faults):
            answer = fault(scope["method"], path, answer)
        await _send(answer, send)

    async def _ask(self, method: str, path: str, headers: Any, body: bytes) -> Answer:
        passed = [(k, v) for k, v in headers if k not in (b"host", b"accept-encoding")]
        assert self.client is not None
        got = await self.client.request(method, path, headers=passed, content=body)
        kept = {k: v for k, v in got.headers.items() if k != "content-length"}
        return Answer(got.status_code, kept, got.content)


async def _send(answer: Answer, send: Any) -> None:
    headers = {**answer.headers, "content-length": str(len(answer.body))}
    raw = [(k.encode(), v.encode()) for k, v in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": raw})
    if answer.hold is not None or answer.slow:
        await _trickle(answer, send)
        return
    if answer.cut is None:
        await send({"type": "http.response.body", "body": answer.body})
        return
    await send({"type": "http.response.body", "body": answer.body[: answer.cut], "more_body": True})
    await asyncio.sleep(0.05)  # let it reach the client before the connection goes
    raise ConnectionAbortedError


async def _trickle(answer: Answer, send: Any) -> None:
    """The body in pieces, with pauses."""
    size = max(1, len(answer.body) // 20)
    while answer.hold is not None and not answer.hold.is_set():
        await asyncio.sleep(0.05)
    for start in range(0, len(answer.body), size):
        piece = answer.body[start : start + size]
        await send({"type": "http.response.body", "body": piece, "more_body": True})
        await asyncio.sleep(0.02)
    await send({"type": "http.response.body", "body": b""})


@contextmanager
def run_proxy(port: int, upstream: str) -> Iterator[FaultProxy]:
    """Serve a proxy from a thread on 127.0.0.1."""
    proxy = FaultProxy(port, upstream)
    config = uvicorn.Config(
        proxy,
        host="127.0.0.1",
        port=port,
        log_level="critical",
        log_config=None,
        lifespan="on",
        date_header=False,  # the server's own is passed on
        timeout_keep_alive=600,  # seconds: no connection is closed under a client that was slow
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.02)
    try:
        yield proxy
    finally:
        server.should_exit = True
        thread.join(10)


def _some(pattern: str, times: int | None) -> Callable[[str, str], bool]:
    """Whether a request, as "GET /path", is among the first ``times`` that match."""
    left = [times]

    def matches(method: str, path: str) -> bool:
        if not re.search(pattern, f"{method} {path}") or left[0] == 0:
            return False
        if left[0] is not None:
            left[0] -= 1
        return True

    return matches


def answer(
    status: int, pattern: str, *, times: int | None = None, body: object = None, **headers: str
) -> Fault:
    """Answer with this status instead of the server's; header names are written with _ for -."""
    matches = _some(pattern, times)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    content = json.dumps(body).encode() if body is not None else b""

    def fault(method: str, path: str, given: Answer) -> Answer:
        return Answer(status, named, content) if matches(method, path) else given

    return fault


def alter(pattern: str, change: Callable[[bytes], bytes], *, times: int | None = None) -> Fault:
    """Change the bytes of the body."""
    matches = _some(pattern, times)

    def fault(method: str, path: str, given: Answer) -> Answer:
        done = given.status == 200 and matches(method, path)
        return replace(given, body=change(given.body)) if done else given

    return fault


def alter_json(pattern: str, change: Callable[[Any], Any], *, times: int | None = None) -> Fault:
    """Change a body of JSON."""
    return alter(pattern, lambda body: json.dumps(change(json.loads(body))).encode(), times=times)


def break_off(pattern: str, *, after: int = 100, times: int | None = None) -> Fault:
    """Close the connection when this many bytes of the body were sent."""
    matches = _some(pattern, times)

    def fault(method: str, path: str, given: Answer) -> Answer:
        done = given.status == 200 and matches(method, path)
        return replace(given, cut=after) if done else given

    return fault


def trickle(pattern: str) -> Fault:
    """Send the body bit by bit."""

    def fault(method: str, path: str, given: Answer) -> Answer:
        matching = given.status == 200 and re.search(pattern, f"{method} {path}")
        return replace(given, slow=True) if matching else given

    return fault


def zip_up(pattern: str, *, lose: int = 0) -> Fault:
    """Send the body as gzip, with the last ``lose`` bytes missing."""

    def fault(method: str, path: str, given: Answer) -> Answer:
        if given.status != 200 or not re.search(pattern, f"{method} {path}"):
            return given
        packed = gzip.compress(given.body)
        headers = {**given.headers, "content-encoding": "gzip"}
        return Answer(200, headers, packed[: len(packed) - lose])

    return fault
