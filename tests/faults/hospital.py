"""A hospital in which things happen: a real server of a test's own, behind a proxy.

The server keeps meta.lastUpdated for every record, and tells nothing of deletions.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import httpx

from service.demo.ehr import free_port, run_ehr
from service.demo.load import _token, load
from service.fhir.http import open_client
from service.fhir.keys import read_signing_key
from service.site.config import RefreshConfig, SiteConfig
from tests.ehr import (
    ADMINISTRATOR,
    PATIENTS,
    RESOURCES,
    clients,
    profiled,
    site_config,
    write_keys,
)
from tests.faults.proxy import FaultProxy, run_proxy

Resource = dict[str, Any]
MINE = ("Encounter", "Observation", "MedicationRequest")


class Hospital:
    """A hospital in which things happen."""

    def __init__(self, base_url: str, proxy: FaultProxy, client: httpx.Client, key: Path) -> None:
        self.base_url = base_url
        self.proxy = proxy
        self.client = client
        self.key = key
        self.there: dict[tuple[str, str], Resource] = {}
        self.put(*RESOURCES)

    def config(self, data_dir: Path, full_days: int) -> SiteConfig:
        """A site that trusts this server to tell changes."""
        config = profiled(site_config(self.base_url, self.key, data_dir), since="true")
        return config.model_copy(update={"refresh": RefreshConfig(full_days=full_days)})

    def windowed(self, data_dir: Path) -> SiteConfig:
        """A site that does not, and trusts its search by date."""
        config = profiled(site_config(self.base_url, self.key, data_dir))
        with Path(config.fhir.vendor).open("a") as profile:
            profile.write('\n[search.dates]\nEncounter = "date"\nObservation = "date"\n')
        return config.model_copy(update={"refresh": RefreshConfig(full_days=7, window_days=7)})

    def put(self, *resources: Resource) -> None:
        load(self.client, self.base_url, ADMINISTRATOR, resources, lambda n: None)
        self.there |= {(each["resourceType"], each["id"]): each for each in resources}

    def delete(self, key: tuple[str, str]) -> None:
        headers = {"Authorization": f"Bearer {_token(self.client, self.base_url, ADMINISTRATOR)}"}
        answer = self.client.delete(f"{self.base_url}/{'/'.join(key)}", headers=headers)
        assert answer.is_success
        del self.there[key]

    def change(self, random: Random) -> Resource | None:
        """Something happens; what is to be written, unless it was a deletion."""
        keys = sorted(key for key in self.there if key[0] in MINE)
        one = self.there[random.choice(keys)]
        other = {"reference": f"Patient/{random.choice(PATIENTS)}"}
        match random.randint(0, 5):
            case 0:
                return {**one, "status": random.choice(["cancelled", "entered-in-error"])}
            case 1:
                return {**one, "subject": other}
            case 2:
                return {**one, "id": f"new-{random.randint(0, 999)}", "subject": other}
            case 3:
                return {**self.there["Location", "ward"], "name": f"ward {random.random()}"}
            case 4 if len(keys) > 8:
                self.delete((one["resourceType"], one["id"]))
                return None
            case 5 if one["resourceType"] == "Observation":
                return {**one, "effectiveDateTime": f"2026-0{random.randint(1, 9)}-01"}
            case _:
                return {**one, "status": "unknown"}


@contextmanager
def run_hospital(folder: Path) -> Iterator[Hospital]:
    """Run a hospital whose server has its files in a folder."""
    keys = write_keys(folder)
    known = [read_signing_key(keys[name], name) for name in ("ec", "rsa")]
    front, back = free_port(), free_port()
    url = f"http://127.0.0.1:{front}/fhir"
    with (
        run_proxy(front, f"http://127.0.0.1:{back}") as proxy,
        run_ehr(folder / "server", clients(*known), base_url=url, port=back),
        open_client() as client,
    ):
        yield Hospital(url, proxy, client, keys["ec"])
