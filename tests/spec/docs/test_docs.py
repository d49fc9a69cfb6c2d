"""The documentation is true to the tree: its files, links and commands exist."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import typer.main

from service.cli import app

ROOT = Path(__file__).parents[3]
PAGES = sorted(path for path in ROOT.rglob("*.md") if not {".venv", "node_modules"} & {*path.parts})
# What a page shows as a place of the reader's, not of this project.
OWN = ("measures/", "service/", "tests/", "docs/", "mappings/", "tools/")


EVERY_PAGE = [pytest.param(page, id=str(page.relative_to(ROOT))) for page in PAGES]


@pytest.mark.parametrize("page", EVERY_PAGE)
def test_what_a_page_names_is_there(page: Path) -> None:
    text = page.read_text()
    named = set(re.findall(r"`((?:" + "|".join(OWN) + r")[\w./-]*\w/?)`", text))
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", EVERY_PAGE)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text())
    local = [link for link in links if "://" not in link]
    assert [link for link in local if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", EVERY_PAGE)
def test_the_commands_of_a_page_exist(page: Path) -> None:
    for shown in re.findall(r"(?:^ {4}|`)weir ((?:[a-z]+ ?)+)", page.read_text(), re.MULTILINE):
        command: click.Command = typer.main.get_command(app)
        for word in shown.split():
            if not isinstance(command, click.Group):
                break
            assert word in command.commands, f"weir {shown}"
            command = command.commands[word]


def test_every_subcommand_has_help() -> None:
    def silent(command: click.Command, name: str) -> Iterator[str]:
        if not command.help:
            yield name
        if isinstance(command, click.Group):
            for child, inner in command.commands.items():
                yield from silent(inner, f"{name} {child}")

    assert list(silent(typer.main.get_command(app), "weir")) == []
