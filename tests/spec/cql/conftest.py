"""The rules here are shown in CQL text, translated when a test runs."""

import pytest

from service.cql import translator


@pytest.fixture(autouse=True, scope="session")
def _translator() -> None:
    if (reason := translator.missing()) is not None:
        pytest.skip(reason)
