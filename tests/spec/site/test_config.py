"""site.toml: every key is known, every mistake is named."""

from pathlib import Path

import pytest

from service.errors import ConfigError
from service.site.config import load_config

GOOD = """\
measures = ["measures/a", "/b"]
policy_file = "policy.toml"
data_dir = "data"

[fhir]
base_url = "https://ehr.example/fhir/"
client_id = "weir-north"
key_file = "ehr.pem"

[network]
url = "https://network.example"
"""


def _written(folder: Path, text: str) -> Path:
    path = folder / "site.toml"
    path.write_text(text)
    return path


def test_paths_are_relative_to_the_file_and_the_rest_has_defaults(tmp_path: Path) -> None:
    config = load_config(_written(tmp_path, GOOD))
    assert config.measures == (tmp_path / "measures/a", Path("/b"))
    assert config.fhir.key_file == tmp_path / "ehr.pem"
    assert config.fhir.base_url == "https://ehr.example/fhir"
    assert config.site == "weir-north"  # the client's id, unless `site` says another
    assert (config.mapping, config.fhir.group, config.fhir.ca_file) == (None, None, None)
    assert config.network.kind == "weir"


MISTAKES = {
    "unknown key": ("data_dir", "data_dri", "data_dri is not a key of site.toml; did you mean"),
    "unknown key in a section": ("base_url", "baseurl", "did you mean fhir.base_url?"),
    "missing key": ('client_id = "weir-north"', "", "fhir.client_id is missing"),
    "no measures": ('["measures/a", "/b"]', "[]", "measures"),
    "not an address": ("https://ehr.example/fhir/", "ehr.example", "fhir.base_url"),
    "a password": ("https://ehr.", "https://u:p@ehr.", "holds no password"),
    "in the clear": ("https://ehr.", "http://ehr.", "use https"),
    "a kind that is none": ("[network]", '[network]\nkind = "ftp"', "network.kind"),
    "a site that no network can name": ("weir-north", "north hospital", "site:"),
    "an id and two keys": ("[fhir]", '[fhir]\nkid = "1"\nother_keys = ["b.pem"]', "kids = {"),
    "a window and no full pulls": ("[fhir]", "[refresh]\nwindow_days = 9\n[fhir]", "full_days"),
    "not TOML": ("[fhir]", "[fhir", "not TOML"),
}


@pytest.mark.parametrize(("old", "new", "complaint"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_named(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    path = _written(tmp_path, GOOD.replace(old, new))
    with pytest.raises(ConfigError) as error:
        load_config(path)
    assert complaint in str(error.value)
    assert str(path) in str(error.value)


def test_keys_ids_are_by_their_files_relative_to_the_file(tmp_path: Path) -> None:
    kids = 'other_keys = ["b.pem"]\nkids = {"ehr.pem" = "weir-1"}'
    fhir = load_config(_written(tmp_path, GOOD.replace("[fhir]", f"[fhir]\n{kids}"))).fhir
    assert (fhir.kid_of(fhir.key_file), fhir.kid_of(fhir.other_keys[0])) == ("weir-1", None)


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    text = GOOD.replace("client_id", "clientid").replace("policy_file", "policy")
    with pytest.raises(ConfigError) as error:
        load_config(_written(tmp_path, text))
    for complaint in ("fhir.client_id is missing", "policy is not a key", "fhir.clientid"):
        assert complaint in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--config"):
        load_config(tmp_path / "site.toml")


def test_this_machine_may_be_spoken_to_in_the_clear(tmp_path: Path) -> None:
    text = GOOD.replace("https://ehr.example/fhir/", "http://127.0.0.1:8090/fhir")
    assert load_config(_written(tmp_path, text)).fhir.base_url == "http://127.0.0.1:8090/fhir"
