"""The demo: two centers' EHRs, the site program beside each, and the network that they report to.

Every step is the real one: FHIR over HTTP from a server that this project did not write, `weir site
run` and `weir network serve` as their own processes, and tables read from the network's feed.
"""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from threading import Lock
from typing import Any

from service.demo.centers import CENTERS
from service.demo.ehr import EhrClient, free_port, run_ehr
from service.demo.folder import CLIENT, SiteFolder, fresh_folder, make_network, make_site
from service.demo.load import administrator, load
from service.demo.programs import run_network, site_key
from service.demo.records import Resource, records
from service.demo.story import Plan, tell
from service.fhir.http import open_client
from service.progress import progress

SEED = 42
FIRST, LAST = date(2024, 1, 1), date(2025, 12, 1)
MEASURES = ("dreaming", "readmission")


@dataclass(frozen=True)
class Demo:
    """A demo that is set up: its sites' EHRs hold their records, and the network answers.

    `records` are what was loaded, by the sites' ids.
    """

    sites: tuple[SiteFolder, ...]
    network_url: str
    records: dict[str, list[Resource]]

    def feed(self, measure: str) -> dict[str, Any]:
        """The network's numbers for a measure, by its id."""
        with open_client() as client:
            response = client.get(f"{self.network_url}/measures/{measure}.json")
            return dict(response.raise_for_status().json())


@contextmanager
def set_up(
    folder: Path, seed: int = SEED, first: date = FIRST, last: date = LAST
) -> Iterator[Demo]:
    """Start both EHRs and the network on 127.0.0.1, and load the centers' records.

    The folder is made new; it must be an earlier demo's, empty, or not there. What was started is
    stopped at the end, whatever happens. Raises ConfigError for the folder, EhrError and WeirError.
    """
    folder = fresh_folder(folder)
    *ehr_ports, network_port = _free_ports(len(CENTERS) + 1)
    network_url = f"http://127.0.0.1:{network_port}"
    sites = tuple(
        make_site(folder, center, (first, last), port, network_url)
        for center, port in zip(CENTERS, ehr_ports, strict=True)
    )
    told = {site.center.id: _records(site, seed, first, last) for site in sites}
    network = make_network(folder, {site.center: site_key(site) for site in sites})
    with ExitStack() as stack:
        # Left last: a server that has stopped ends what still loads it.
        pool = stack.enter_context(ThreadPoolExecutor(len(sites)))
        stack.enter_context(run_network(network, network_port))
        who = administrator(secrets.token_urlsafe())
        for site in sites:
            _start_ehr(stack, site, who)
        _load(pool, sites, who, told)
        yield Demo(sites, network_url, told)


def _records(site: SiteFolder, seed: int, first: date, last: date) -> list[Resource]:
    """The center's records. Each center has its own story."""
    center = site.center
    plan = Plan(center.zone, seed + CENTERS.index(center), first, last, center.change)
    return list(records(center, tell(plan)))


def _start_ehr(stack: ExitStack, site: SiteFolder, who: EhrClient) -> None:
    clients = [EhrClient(CLIENT, site.key().jwks()), who]
    ehr = run_ehr(
        site.ehr,
        clients,
        name=site.center.title,
        port=site.ehr_port,
        validate=False,  # loads twice as fast; the tests validate
        enforce_scopes=True,
    )
    stack.enter_context(ehr)


def _load(
    pool: Executor, sites: Sequence[SiteFolder], who: EhrClient, told: Mapping[str, list[Resource]]
) -> None:
    """Load both EHRs at the same time, as the client `who`."""
    lock = Lock()

    def load_one(site: SiteFolder) -> None:
        with open_client() as client:
            load(client, site.ehr_url, who, told[site.center.id], stored)

    def stored(count: int) -> None:
        with lock:
            advance(count)

    with progress("Loading records into both EHRs", sum(map(len, told.values()))) as advance:
        for done in [pool.submit(load_one, site) for site in sites]:
            done.result()


def _free_ports(count: int) -> list[int]:
    ports: set[int] = set()
    while len(ports) < count:
        ports.add(free_port())
    return sorted(ports)
