"""A network to send reports to: the real application on each kind of database."""

import os
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy
from argon2 import PasswordHasher
from fastapi.testclient import TestClient

from service.network.app import create_app
from service.network.config import NetworkConfig
from service.network.people import account
from tests.spec.network.reports import LOCAL, Sender, network_config

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
SERVER = os.environ.get("WEIR_TEST_POSTGRES", "postgresql+pg8000://postgres@127.0.0.1:5432/test")


@pytest.fixture(autouse=True, scope="session")
def cheap_passwords() -> Iterator[None]:
    """Hashes that cost as much as in use would be half of the time of these tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(account, "HASHER", CHEAP)
        yield


@pytest.fixture(
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)],
)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database of each kind that we support."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'network.db'}"
    else:
        yield from _postgresql()


def _postgresql() -> Iterator[str]:
    url = sqlalchemy.make_url(SERVER)
    try:
        socket.create_connection((url.host or "127.0.0.1", url.port or 5432), timeout=2).close()
    except OSError:
        pytest.skip(f"no PostgreSQL at {url.host}:{url.port}; set WEIR_TEST_POSTGRES to a URL")
    name = f"weir_{uuid.uuid4().hex[:12]}"
    server = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT")
    try:
        with server.connect() as connection:
            connection.execute(sqlalchemy.text(f"CREATE DATABASE {name} TEMPLATE template0"))
        yield url.set(database=name).render_as_string(hide_password=False)
        with server.connect() as connection:
            connection.execute(sqlalchemy.text(f"DROP DATABASE {name} WITH (FORCE)"))
    finally:
        server.dispose()


@pytest.fixture
def config(database: str) -> NetworkConfig:
    return network_config(database)


@pytest.fixture
def sender(config: NetworkConfig) -> Iterator[Sender]:
    with TestClient(create_app(config), base_url=LOCAL) as client:
        yield Sender(client)
