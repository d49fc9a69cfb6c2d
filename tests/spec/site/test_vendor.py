"""Vendor profiles are data: each is whole, and a mistake in one is named."""

from pathlib import Path

import pytest

from service.errors import ConfigError
from service.site.vendor import (
    PROFILES,
    ExportProfile,
    SearchProfile,
    VendorProfile,
    load_vendor,
    vendor_names,
)

DOCS = Path(__file__).parents[3] / "docs" / "vendors.md"
DEFAULT = PROFILES.joinpath("default.toml").read_text()


@pytest.mark.parametrize("name", vendor_names())
def test_a_profile_that_comes_with_the_program_can_be_loaded(name: str) -> None:
    assert load_vendor(name).title


def test_the_default_trusts_nothing_that_could_leave_records_out() -> None:
    profile = load_vendor("default")
    sound = profile.export
    assert not (sound.elements or sound.since or sound.patients)
    asked = profile.search
    assert not (asked.last_updated or asked.include or asked.elements)
    assert profile.fall_back and asked.totals


def test_epic_exports_groups_alone_and_never_increments() -> None:
    epic = load_vendor("epic")
    assert epic.export.levels == ("group",)
    assert not (epic.export.since or epic.search.last_updated)
    assert "Observation" in epic.search.slices


MISTAKES = {
    "a key that is not known": ("[search]", "[search]\npagesize = 1", "search.pagesize"),
    "a key that is missing": ("post = false", "", "export.post is missing"),
    "a way that is none": ('"export"', '"fax"', "way"),
    "a level that is none": ('"patient"]', '"ward"]', "export.levels"),
    "no level": ('["group", "patient"]', "[]", "export.levels"),
    "pages of nothing": ("page_size = 200", "page_size = 0", "search.page_size"),
    "a type that is none": (
        "[search]",
        '[search.slices]\nQuetzal = ["a=b"]\n[search]',
        "not a resource type",
    ),
    "a part that is no search": (
        "[search]",
        '[search.slices]\nObservation = ["category"]\n[search]',
        "search parameters",
    ),
    "no TOML": ("[export]", "[export", "not TOML"),
}


@pytest.mark.parametrize(("old", "new", "complaint"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_named(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    path = tmp_path / "ours.toml"
    path.write_text(DEFAULT.replace(old, new, 1))
    with pytest.raises(ConfigError) as error:
        load_vendor(str(path))
    assert complaint in str(error.value)
    assert str(path) in str(error.value)


def test_a_name_that_is_not_known_is_answered_with_those_that_are() -> None:
    with pytest.raises(ConfigError, match="default, epic, hapi, oracle-health"):
        load_vendor("cerner")
    with pytest.raises(ConfigError, match="fhir.vendor"):
        load_vendor("nowhere.toml")


@pytest.mark.parametrize("model", [VendorProfile, ExportProfile, SearchProfile])
def test_every_key_is_explained(model: type[VendorProfile]) -> None:
    text = DOCS.read_text()
    assert [key for key in model.model_fields if f"`{key}`" not in text] == []
