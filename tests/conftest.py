"""Fixtures and settings for every test."""

import pytest
from hypothesis import settings

from tests.ehr import ehr

__all__ = ["ehr"]

# A busy machine fails no test, and what fails for one fails for all. To look for more:
# `pytest tests/properties --hypothesis-profile=searching`.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.register_profile("searching", deadline=None, max_examples=1000)
settings.load_profile("repeatable")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many faults of an EHR were tried: each is a case of a test over a table of faults."""
    passed, failed = (_faults(terminalreporter, outcome) for outcome in ("passed", "failed"))
    if passed or failed:
        by_search = sum("search" in name for name in (*passed, *failed))
        terminalreporter.write_line(
            f"{len(passed) + len(failed)} faults of an EHR were tried, {by_search} of them in "
            f"searches: {len(passed)} times the result was the truth, or was not called complete"
        )


def _faults(terminalreporter: pytest.TerminalReporter, outcome: str) -> list[str]:
    names = [each.nodeid for each in terminalreporter.stats.get(outcome, ())]
    return [name for name in names if name.startswith("tests/faults/test_ehr_") and "[" in name]
