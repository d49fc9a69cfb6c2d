"""The demo's folder is made new each time, and never takes the place of anything else."""

import stat
from datetime import date
from pathlib import Path

import pytest
from joserfc.jwk import OKPKey

from service.demo.centers import CENTERS, NORTH, SOUTH, Center
from service.demo.folder import DREAMING, READMISSION, fresh_folder, make_network, make_site
from service.errors import ConfigError
from service.network.config import load
from service.site.config import load_config
from service.site.signed_policy import site_policy

MONTHS = (date(2024, 1, 1), date(2025, 12, 1))


def test_an_earlier_demo_is_replaced(tmp_path: Path) -> None:
    folder = fresh_folder(tmp_path / "demo-data")
    (folder / "left-over").write_text("")
    assert not (fresh_folder(tmp_path / "demo-data") / "left-over").exists()


def test_something_else_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match="--folder"):
        fresh_folder(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"
    with pytest.raises(ConfigError):
        fresh_folder(tmp_path / "thesis.txt")


@pytest.mark.parametrize("center", CENTERS, ids=lambda center: center.id)
def test_a_site_is_configured_as_its_staff_would(tmp_path: Path, center: Center) -> None:
    site = make_site(tmp_path, center, MONTHS, 8001, "http://127.0.0.1:8002")
    config = load_config(site.config)
    assert (config.site, config.fhir.base_url) == (center.id, "http://127.0.0.1:8001/fhir")
    policy = site_policy(config)
    assert (policy.threshold, policy.rounding) == (11, 3)
    assert len(policy.periods(DREAMING)) == 24
    assert len(policy.periods(READMISSION)) == 8


def test_one_center_signs_in_with_an_elliptic_curve_and_one_with_rsa(tmp_path: Path) -> None:
    algorithms = []
    for center in (NORTH, SOUTH):
        site = make_site(tmp_path, center, MONTHS, 8001, "http://127.0.0.1:8002")
        algorithms.append(site.key().algorithm)
        mode = (site.path / "ehr-key.pem").stat().st_mode
        assert stat.S_IMODE(mode) == 0o600
    assert algorithms == ["ES384", "RS384"]


def test_the_network_knows_both_centers_and_the_change_at_one(tmp_path: Path) -> None:
    keys = {center: _public_key(center.id) for center in CENTERS}
    config = load(make_network(tmp_path, keys))
    assert [site.id for site in config.sites] == ["north", "south"]
    (change,) = config.annotations
    assert (change.site, change.measure, change.month) == ("north", DREAMING, "2025-01")


def _public_key(kid: str) -> str:
    key = OKPKey.generate_key("Ed25519", parameters={"kid": kid})
    return str(key.as_dict(private=False) | {"kid": kid}).replace("'", '"')
