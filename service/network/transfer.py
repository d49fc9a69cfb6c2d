"""How feeds and files travel: compressed, and only when they are not what the reader has already.

The entity tag (RFC 9110, 8.8.3) is a hash of exactly the bytes that this reader would be sent, made
after it was decided what they may see: nobody is answered "not modified" for what is another's.
Pages are neither compressed nor tagged: they hold the tokens of forms, and the size of a compressed
answer tells of a secret in it (BREACH).
"""

import gzip
import re
from hashlib import sha256

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SUFFIXES = (".json", ".csv", ".atom", ".svg", ".png", ".pdf")
DENSE = ("image/png", "application/pdf")  # compressed already
LEAST = 1000  # bytes that are worth compressing
LEVEL = 4
VARY = "Accept-Encoding, Authorization, Cookie"
_NO_GZIP = re.compile(r"q=0(\.0*)?")


class Transfer:
    """ASGI middleware: holds a feed's answer until it is whole, then tags and compresses it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; take care of the answer if it is a feed or a file."""
        feed = scope["type"] == "http" and scope["method"] == "GET" and _is_feed(scope["path"])
        answer = _Answer(Headers(scope=scope), send).take if feed else send
        await self._app(scope, receive, answer)


class _Answer:
    """One answer on its way; what is no success passes as it is."""

    def __init__(self, asked: Headers, send: Send) -> None:
        self._asked = asked
        self._send = send
        self._start: Message | None = None
        self._body = bytearray()

    async def take(self, message: Message) -> None:
        """Hold the head and the parts of the body, and send them with the last part."""
        if message["type"] == "http.response.start" and message["status"] == 200:
            self._start = message
        elif self._start is None:
            await self._send(message)
        else:
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                await self._end(self._start)

    async def _end(self, start: Message) -> None:
        headers = MutableHeaders(scope=start)
        body = bytes(self._body)
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
        elif "Content-Encoding" in headers:
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
