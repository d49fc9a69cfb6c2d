"""`weir` itself: every subcommand is there, and only the one that is called for is loaded."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from service.cli import COMMANDS, app

LOADED = """
import sys
from service.cli import app
try:
    app(sys.argv[1:])
finally:
    print(*(name for name in sys.modules if name.count(".") == 1 and "service." in name))
"""


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_says_what_it_is_for(command: str) -> None:
    told = CliRunner().invoke(app, [command, "--help"])
    assert told.exit_code == 0
    assert f" {command} " in told.stdout


def test_a_command_that_is_not_there_is_an_error() -> None:
    told = CliRunner().invoke(app, ["sites"])
    assert told.exit_code == 2
    assert "No such command 'sites'" in told.stderr


def test_a_chart_of_a_table_needs_neither_a_site_nor_a_network() -> None:
    command = [sys.executable, "-c", LOADED, "spc", "--help"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    loaded = told.splitlines()[-1].split()
    assert "service.spc" in loaded
    assert not {"service.site", "service.network", "service.gateway"} & {*loaded}
