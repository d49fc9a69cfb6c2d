"""`weir site doctor`: from the name of the EHR's host to the elements that the measures read.

Nothing is changed, here or there: no export is started and no file is written.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import httpx

from service.errors import ConfigError, WeirError
from service.fhir.capability import Capability, read_capability
from service.fhir.patience import Patience
from service.site.acquire import connect, opened
from service.site.checkup import Check, State, bad, skipped
from service.site.config import SiteConfig
from service.site.configured import Settled, check_configuration
from service.site.needs import needs_of
from service.site.plan import merge
from service.site.reachability import (
    check_clock,
    check_disk,
    check_name,
    check_network,
    check_proxy,
    check_tls,
    check_traffic,
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

BRIEF = Patience(attempts=2, first=1.0, longest=5.0)
# As people read them; they are made in the order in which they build on each other. Measures last.
ORDER = (
    *("Configuration", "Traffic", "DNS", "TLS", "Proxy", "Token", "Scopes", "Metadata", "Vendor"),
    *("Export", "Search", "Disk", "Clock", "Network"),
)


def examine(config: SiteConfig, patience: Patience = BRIEF) -> list[Check]:
    """All checks, in order; those that others stand in the way of are there as skipped."""
    found, settled = check_configuration(config)
    found += _checks(config, settled, patience)
    titles = [package.title for package in settled.packages] if settled else []
    made = {check.name for check in found}
    found += [skipped(name) for name in (*ORDER, *titles) if name not in made]
    return sorted(found, key=lambda check: _place(check.name))


def _place(name: str) -> int:
    return ORDER.index(name) if name in ORDER else len(ORDER)


def _checks(config: SiteConfig, settled: Settled | None, patience: Patience) -> Iterator[Check]:
    url = config.fhir.base_url
    yield check_name(url, proxied=proxy_of(url) is not None)
    yield check_proxy(url)
    with ExitStack() as stack:
        try:
            client, pace = stack.enter_context(opened(config))
        except ConfigError as error:  # a certificate of ours
            yield bad("TLS", error.what, error.todo or "")
        else:
            traffic = check_traffic(pace)
            yield traffic
            if traffic.state is not State.BAD:
                patience = replace(patience, wait=pace.wait)
                yield from _at_the_ehr(config, settled, client, patience)
    last = last_index(config.data_dir)
    yield check_disk(config.data_dir, last.facts.size if last else 0, config.spool)
    yield from check_network(config.network)


def _at_the_ehr(
    config: SiteConfig, settled: Settled | None, client: httpx.Client, patience: Patience
) -> Iterator[Check]:
    tls = check_tls(client, f"{config.fhir.base_url}/metadata")
    yield tls
    if tls.state is State.BAD:
        return
    try:
        capability = read_capability(client, config.fhir.base_url)
    except WeirError as error:
        yield bad("Metadata", error.what, error.todo or "")
        return
    yield check_clock(capability.clock)
    if settled is not None:
        yield from _with_a_token(config, settled, client, patience, capability)


def _with_a_token(
    config: SiteConfig,
    settled: Settled,
    client: httpx.Client,
    patience: Patience,
    capability: Capability,
) -> Iterator[Check]:
    profile = settled.profile
    needs = [needs_of(package) for package in settled.packages]
    plan = merge(one.plan for one in needs)
    yield from check_metadata(capability, profile, config.fhir.vendor, plan.types)
    try:
        endpoint = connect(config, plan, client, patience)
    except WeirError as error:
        yield bad("Token", error.what, error.todo or "")
        return
    token = check_token(endpoint)
    yield token
    if token.state is State.BAD:
        return
    yield check_scopes(endpoint, config, plan.types)
    search, seen = look_at_patients(endpoint, config, profile, plan.types)
    yield search
    by_search = profile.way == "search" or not capability.exports
    if seen is not None:
        for package, need in zip(settled.packages, needs, strict=True):
            yield from check_measure(package.title, need, seen, by_search=by_search)
