"""`weir site doctor`: from the name of the EHR's host to the elements that the measures read.

Nothing is changed, here or there: no export is started and no file is written.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import httpx

from service.errors import WeirError
from service.fhir.capability import Capability, read_capability
from service.fhir.patience import Patience
from service.measure.package import MeasurePackage
from service.site.acquire import connect, opened
from service.site.checkup import Check, State, bad, skipped
from service.site.config import SiteConfig
from service.site.needs import needs_of
from service.site.plan import merge
from service.site.reachability import (
    check_clock,
    check_disk,
    check_name,
    check_network,
    check_proxy,
    check_tls,
    proxy_of,
)
from service.site.readiness import (
    check_measure,
    check_metadata,
    check_scopes,
    check_token,
    look_at_patients,
)
from service.site.store import last_index
from service.site.vendor import load_vendor

BRIEF = Patience(attempts=2, first=1.0, longest=5.0)
NOT_REACHED = ("Metadata", "Token", "Scopes", "Search")
# As people read them; they are made in the order in which they build on each other. Measures last.
ORDER = (
    *("DNS", "TLS", "Proxy", "Token", "Scopes", "Metadata", "Vendor", "Export", "Search"),
    *("Disk", "Clock", "Network"),
)


def examine(
    config: SiteConfig, packages: Sequence[MeasurePackage], patience: Patience = BRIEF
) -> list[Check]:
    """All checks, in order. Raises ConfigError for a configuration that cannot be used,
    StoppedError while traffic to the EHR is stopped."""
    checks = _checks(config, packages, patience)
    return sorted(checks, key=lambda check: _place(check.name))


def _place(name: str) -> int:
    return ORDER.index(name) if name in ORDER else len(ORDER)


def _checks(
    config: SiteConfig, packages: Sequence[MeasurePackage], patience: Patience
) -> Iterator[Check]:
    url = config.fhir.base_url
    yield check_name(url, proxied=proxy_of(url) is not None)
    yield check_proxy(url)
    with opened(config) as (client, pace):
        yield from _at_the_ehr(config, packages, client, replace(patience, wait=pace.wait))
    last = last_index(config.data_dir)
    yield check_disk(config.data_dir, last.facts.size if last else 0)
    yield from check_network(config.network)


def _at_the_ehr(
    config: SiteConfig,
    packages: Sequence[MeasurePackage],
    client: httpx.Client,
    patience: Patience,
) -> Iterator[Check]:
    tls = check_tls(client, f"{config.fhir.base_url}/metadata")
    yield tls
    if tls.state is State.BAD:
        yield from (skipped(name) for name in NOT_REACHED)
        return
    try:
        capability = read_capability(client, config.fhir.base_url)
    except WeirError as error:
        yield bad("Metadata", error.what, error.todo or "")
        yield from (skipped(name) for name in NOT_REACHED[1:])
        return
    yield check_clock(capability.clock)
    yield from _with_a_token(config, packages, client, patience, capability)


def _with_a_token(
    config: SiteConfig,
    packages: Sequence[MeasurePackage],
    client: httpx.Client,
    patience: Patience,
    capability: Capability,
) -> Iterator[Check]:
    profile = load_vendor(config.fhir.vendor, config.fhir.get_searches)
    needs = [needs_of(package) for package in packages]
    plan = merge(one.plan for one in needs)
    yield from check_metadata(capability, profile, config.fhir.vendor, plan.types)
    try:
        endpoint = connect(config, plan, client, patience)
    except WeirError as error:
        yield bad("Token", error.what, error.todo or "")
        yield from (skipped(name) for name in NOT_REACHED[2:])
        return
    token = check_token(endpoint)
    yield token
    if token.state is State.BAD:
        yield from (skipped(name) for name in NOT_REACHED[2:])
        return
    yield check_scopes(endpoint, config, plan.types)
    search, seen = look_at_patients(endpoint, config, profile, plan.types)
    yield search
    for package, need in zip(packages, needs, strict=True):
        if seen:
            yield from check_measure(package.title, need, seen)
        else:
            yield skipped(package.title)
