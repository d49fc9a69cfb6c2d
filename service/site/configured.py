"""The check of what a run reads on this machine before it asks the EHR for anything."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from service.errors import WeirError
from service.measure.package import MeasurePackage
from service.site.checkup import Check, bad, good
from service.site.config import SiteConfig
from service.site.database import check_database
from service.site.keys import SIGNING, site_keys
from service.site.mapping import load_mapping
from service.site.pipeline import load_packages
from service.site.refreshing import check_window
from service.site.signed_policy import site_policy
from service.site.vendor import VendorProfile, load_vendor

NAME = "Configuration"

Loaded = TypeVar("Loaded")


@dataclass(frozen=True)
class Settled:
    """What is asked of the EHR, and how; the other checks build on it."""

    packages: Sequence[MeasurePackage]
    profile: VendorProfile


def check_configuration(config: SiteConfig) -> tuple[list[Check], Settled | None]:
    """Load what a run loads, by the same functions: one row for each thing that cannot be used.

    None instead of what the other checks build on, where that is among them.
    """
    faults: list[Check] = []
    packages = _tried(faults, lambda: load_packages(config.measures))
    profile = _tried(faults, lambda: load_vendor(config.fhir.vendor, config.fhir.get_searches))
    if profile is not None:
        _tried(faults, lambda: check_window(config, profile))
    _tried(faults, lambda: site_policy(config))
    _tried(faults, lambda: load_mapping(config.mapping))
    _tried(faults, lambda: _kept_keys(config))
    for folder in dict.fromkeys((config.data_dir, config.history_dir or config.data_dir)):
        _tried(faults, partial(check_database, folder))
    settled = None if packages is None or profile is None else Settled(packages, profile)
    told = "measures, policy, mapping and vendor profile can be used"
    return faults or [good(NAME, told)], settled


def _tried(faults: list[Check], load: Callable[[], Loaded]) -> Loaded | None:
    try:
        return load()
    except WeirError as error:
        where = f" ({error.where})" if error.where else ""
        faults.append(bad(NAME, f"{error.what}{where}", error.todo or ""))
        return None


def _kept_keys(config: SiteConfig) -> None:
    """Read the site's own keys if there are any; only a run makes them."""
    if (config.data_dir / "keys" / SIGNING).exists():
        site_keys(config.data_dir)
