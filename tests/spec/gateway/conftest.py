"""A gateway, and the real network that it speaks to."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.receiver import Receiver, run_receiver
from tests.faults.test_push import network_config
from tests.gateways import Engine


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """An engine whose gateway has a network that nobody answers for."""
    return Engine(tmp_path, "http://127.0.0.1:9")


@pytest.fixture
def receiver(engine: Engine) -> Iterator[Receiver]:
    """The network that the engine's gateway speaks to."""
    with run_receiver(network_config(engine.folder, north=engine.keys)) as receiver:
        engine.url = receiver.url
        yield receiver
