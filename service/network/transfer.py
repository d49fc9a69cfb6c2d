"""How answers travel: compressed, and feeds and files only when the reader lacks them.

The entity tag (RFC 9110, 8.8.3) is a hash of exactly the bytes that this reader would be sent, made
after it was decided what they may see: nobody is answered "not modified" for what is another's.
A page is compressed unless it holds a secret, as the token of a form is: the size of a compressed
answer tells of a secret in it to whoever has words of their own put beside it (BREACH). It is not
tagged, since it is made for one person and one moment.
"""

import gzip
import re
from hashlib import sha256

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SUFFIXES = (".json", ".csv", ".atom", ".svg", ".png", ".pdf")
DENSE = ("image/png", "application/pdf")  # compressed already
LEAST = 1000  # bytes that are worth compressing
LEVEL = 4
VARY = "Accept-Encoding, Authorization, Cookie"
_SECRET = "answer_holds_a_secret"
_NO_GZIP = re.compile(r"q=0(\.0*)?")


def holds_a_secret(request: Request) -> None:
    """Say of the answer to a request that it must not be compressed."""
    setattr(request.state, _SECRET, True)


class Transfer:
    """ASGI middleware: holds an answer until it is whole, then compresses it; feeds get a tag."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; take care of the answer if it is a feed, a file or a page."""
        if scope["type"] == "http" and scope["method"] == "GET":
            scope.setdefault("state", {})
            send = _Answer(scope, send).take
        await self._app(scope, receive, send)


class _Answer:
    """One answer on its way; what is no success, or neither feed nor page, passes as it is."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._asked = Headers(scope=scope)
        self._feed = _is_feed(scope["path"])
        self._send = send
        self._start: Message | None = None
        self._body = bytearray()

    async def take(self, message: Message) -> None:
        """Hold the head and the parts of the body, and send them with the last part."""
        if message["type"] == "http.response.start" and self._concerns(message):
            self._start = message
        elif self._start is None:
            await self._send(message)
        else:
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                await (self._feed_ends if self._feed else self._page_ends)(self._start)

    def _concerns(self, start: Message) -> bool:
        if start["status"] != 200 or self._feed:
            return bool(start["status"] == 200)
        page = Headers(scope=start).get("Content-Type", "").startswith("text/html")
        return page and _SECRET not in self._scope["state"]

    async def _page_ends(self, start: Message) -> None:
        headers, body = MutableHeaders(scope=start), bytes(self._body)
        headers["Vary"] = VARY
        if len(body) >= LEAST and _takes_gzip(self._asked.get("Accept-Encoding", "")):
            headers["Content-Encoding"] = "gzip"
        await self._send_off(start, body)

    async def _feed_ends(self, start: Message) -> None:
        headers, body = MutableHeaders(scope=start), bytes(self._body)
        own = headers.get("ETag", "").strip('"')  # of a report as it came: sent as it is
        tag = own or sha256(body).hexdigest()
        large = len(body) >= LEAST and headers.get("Content-Type") not in DENSE
        if large and not own and _takes_gzip(self._asked.get("Accept-Encoding", "")):
            tag += "-gzip"  # other bytes have another tag
            headers["Content-Encoding"] = "gzip"
        headers["ETag"], headers["Vary"] = f'"{tag}"', VARY
        if _has(self._asked.get("If-None-Match", ""), tag):
            for name in ("Content-Length", "Content-Type", "Content-Encoding"):
                del headers[name]
            start["status"], body = 304, b""
        await self._send_off(start, body)

    async def _send_off(self, start: Message, body: bytes) -> None:
        headers = MutableHeaders(scope=start)
        if "Content-Encoding" in headers:
            body = await run_in_threadpool(gzip.compress, body, LEVEL, mtime=0)
            headers["Content-Length"] = str(len(body))
        await self._send(start)
        await self._send({"type": "http.response.body", "body": body})


def _is_feed(path: str) -> bool:
    return path.startswith("/fhir/") or path.endswith(SUFFIXES)


def _takes_gzip(accepted: str) -> bool:
    for each in accepted.split(","):
        name, _, quality = each.replace(" ", "").partition(";")
        if name.lower() == "gzip":
            return not _NO_GZIP.fullmatch(quality)
    return False


def _has(known: str, tag: str) -> bool:
    """Whether a reader says that it has this (RFC 9110, 13.1.2)."""
    told = (each.strip().removeprefix("W/") for each in known.split(","))
    return known.strip() == "*" or f'"{tag}"' in told
