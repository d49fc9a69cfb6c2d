"""The demo's centers have looked at every code that they use."""

from pathlib import Path

import pytest

from service.demo.centers import CENTERS, Center
from service.demo.folder import ROOT
from service.site.mapping import load_mapping

STANDARD = {"http://terminology.hl7.org/CodeSystem/v3-ActCode"}


@pytest.mark.parametrize("center", CENTERS, ids=lambda center: center.id)
def test_every_local_code_has_a_reviewed_row(center: Center) -> None:
    mapping = load_mapping(ROOT / "mappings" / center.id)
    for kind, things in center.vocabulary.codes.items():
        system = center.vocabulary.systems[kind]
        for code, _ in (code for codes in things.values() for code in codes):
            assert mapping.knows(system, code) or system in STANDARD, (kind, code)


@pytest.mark.parametrize("center", CENTERS, ids=lambda center: center.id)
def test_no_row_is_for_a_code_that_the_center_does_not_use(center: Center) -> None:
    used = {
        (center.vocabulary.systems[kind], code)
        for kind, things in center.vocabulary.codes.items()
        for codes in things.values()
        for code, _ in codes
    }
    mapping = load_mapping(ROOT / "mappings" / center.id)
    assert {row.source for row in mapping.rows if row.source_code != "*"} <= used


def test_the_columns_that_the_readme_gives_are_the_tables_columns() -> None:
    readme = (ROOT / "mappings" / "README.md").read_text()
    for path in Path(ROOT / "mappings").glob("*/*.csv"):
        assert path.read_text().splitlines()[0] in readme
