"""Operators are shown by calling them: no translator is needed."""

import pytest


@pytest.fixture(autouse=True, scope="session")
def _translator() -> None:
    """Stands in for the fixture of the folder above, which skips without a translator."""
