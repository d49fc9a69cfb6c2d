"""The tiny measures of these tests are written in CQL and translated when they are first used."""

import pytest

from service.cql import translator


@pytest.fixture(autouse=True, scope="session")
def _translator() -> None:
    if (reason := translator.missing()) is not None:
        pytest.skip(reason)
