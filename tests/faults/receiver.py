"""The real network, served on a port of its own, with a hand on the wire in front of it."""

import threading
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from sqlalchemy import Engine
from sqlmodel import Session, col, select

from service.network.app import create_app
from service.network.config import NetworkConfig
from service.network.database import open_database
from service.network.submission import Submission

Scope = MutableMapping[str, Any]
Spoil = Callable[[str], "int | str | None"]  # release key -> what to do with the request


@dataclass
class Receiver:
    """`spoil` decides for each release: a status to answer with in the network's place, "lose" to
    drop the connection after the network has stored it, or None to let it pass."""

    app: Any
    engine: Engine
    url: str = ""
    spoil: Spoil = lambda key: None
    answer: tuple[dict[str, str], bytes] = field(default_factory=lambda: ({}, b""))
    asked: list[str] = field(default_factory=list)

    def submissions(self, site: str = "north") -> list[Submission]:
        """What the network has of a site, in order of arrival."""
        with Session(self.engine) as session:
            query = select(Submission).where(Submission.site == site).order_by(col(Submission.id))
            return list(session.exec(query))

    @contextmanager
    def spoiled(
        self, spoil: Spoil, headers: dict[str, str] | None = None, body: bytes = b""
    ) -> Iterator[None]:
        """Spoil requests while the block runs, with these headers and body where it answers."""
        self.asked.clear()
        self.spoil, self.answer = spoil, (headers or {}, body)
        try:
            yield
        finally:
            self.spoil = lambda key: None

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        key = headers.get("idempotency-key", "")
        if not key:  # not a report
            return await self.app(scope, receive, send)
        self.asked.append(key)
        doing = self.spoil(key)
        if isinstance(doing, int):
            return await self._answer(doing, send)
        if doing == "lose":
            await self.app(scope, receive, _nowhere)
            raise ConnectionAbortedError
        await self.app(scope, receive, send)

    async def _answer(self, status: int, send: Any) -> None:
        headers, body = self.answer
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        raw.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": body})


async def _nowhere(message: Scope) -> None:
    """Where a lost answer goes."""


@contextmanager
def run_receiver(config: NetworkConfig, **tls: Any) -> Iterator[Receiver]:
    """Serve from a thread on 127.0.0.1; over TLS as ``localhost`` with uvicorn's ssl settings."""
    receiver = Receiver(create_app(config), open_database(config.database))
    server = uvicorn.Server(
        uvicorn.Config(
            receiver,
            host="127.0.0.1",
            port=0,
            log_config=None,
            log_level="critical",
            timeout_keep_alive=600,  # seconds: no connection is closed under a client that was slow
            **tls,
        )
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    receiver.url = f"https://localhost:{port}" if tls else f"http://127.0.0.1:{port}"
    try:
        yield receiver
    finally:
        server.should_exit = True
        thread.join(10)
        receiver.engine.dispose()
