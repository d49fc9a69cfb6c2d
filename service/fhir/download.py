"""Downloading an export's files: whole, or not at all.

A file gets its name when all of it is on disk; until then it is called ``.part``.
"""

import itertools
import os
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx

from service.errors import ExpiredError, ExportError, UnavailableError
from service.fhir.bulk import AGAIN, GONE, NDJSON
from service.fhir.endpoint import Endpoint
from service.fhir.exchange import speaking_to
from service.fhir.patience import patiently
from service.fhir.status import status_text

GZIP_START = b"\x1f"  # no JSON begins with it
GZIP_WINDOW = 31  # zlib: expect a gzip header and trailer


class Downloaded(NamedTuple):
    """A file: the number of its ``lines``, blank ones not counted; ``framed``: the server told
    where it ends. Else it ended as the connection did, whether that was all or not."""

    lines: int
    framed: bool


def download(endpoint: Endpoint, url: str, path: Path, *, authorize: bool) -> Downloaded:
    """Fetch one file to ``path``, readable by its owner only.

    Tried again from the start when it breaks off. Raises ExpiredError
    when the server no longer has it, ExportError when it does not give it or takes for ever,
    UnavailableError when patience is at an end, OSError when the disk does not take it.
    """
    framed = patiently(endpoint.patience, lambda: _fetch(endpoint, url, path, authorize))
    with path.open("rb") as lines:
        return Downloaded(sum(1 for line in lines if not line.isspace()), framed)


def _fetch(endpoint: Endpoint, url: str, path: Path, authorize: bool) -> bool:
    """Fetch it once; whether the server told where it ends."""
    part = path.with_name(f"{path.name}.part")
    with endpoint.stream(url, accept=NDJSON, authorize=authorize) as response:
        if response.status_code != 200:
            response.read()
            told = status_text(response)
            kind = ExpiredError if response.status_code in GONE else ExportError
            raise kind(f"A file cannot be fetched ({told})", where=path.name, todo=AGAIN)
        with speaking_to(response.request.url.host):
            _write(part, _timely(_plain(response, path.name), endpoint.patience.export, path.name))
    os.replace(part, path)
    return _is_framed(response)


def _is_framed(response: httpx.Response) -> bool:
    """Whether what ends too early is noticed (RFC 9112 section 8)."""
    told = response.headers
    chunked = "chunked" in told.get("Transfer-Encoding", "").lower()
    return chunked or "Content-Length" in told or not response.http_version.startswith("HTTP/1")


def _write(part: Path, chunks: Iterator[bytes]) -> None:
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        for chunk in chunks:
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())


def _timely(chunks: Iterator[bytes], seconds: float, name: str) -> Iterator[bytes]:
    deadline = time.monotonic() + seconds
    for chunk in chunks:
        yield chunk
        if time.monotonic() >= deadline:
            raise ExportError("A file did not end in time", where=name, todo=AGAIN)


def _plain(response: httpx.Response, name: str) -> Iterator[bytes]:
    """The body with gzip taken off, whoever put it on; a body cut short is an error."""
    chunks = (chunk for chunk in response.iter_raw() if chunk)
    first = next(chunks, b"")
    if first[:1] != GZIP_START:
        yield first
        yield from chunks
        return
    inflate = zlib.decompressobj(GZIP_WINDOW)
    try:
        for chunk in itertools.chain([first], chunks):
            yield inflate.decompress(chunk)
            # A file may be made of several, with zeros behind them (RFC 1952).
            while rest := inflate.unused_data.lstrip(b"\0"):
                inflate = zlib.decompressobj(GZIP_WINDOW)
                yield inflate.decompress(rest)
    except zlib.error:
        raise UnavailableError("A file is not whole", where=name, todo=AGAIN) from None
    if not inflate.eof:
        raise UnavailableError("A file broke off", where=name, todo=AGAIN)
