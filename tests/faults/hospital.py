"""A hospital in which things happen: a real server of a test's own, behind a proxy.

The server keeps meta.lastUpdated for every record, and tells nothing of deletions.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import httpx

from service.demo.load import _token, load
from service.fhir.http import open_client
from service.site.config import RefreshConfig, SiteConfig
from tests.ehr import (
    ADMINISTRATOR,
    GROUP,
    PATIENTS,
    RESOURCES,
    profiled,
    run_behind_proxy,
    site_config,
)
from tests.faults.proxy import FaultProxy

Resource = dict[str, Any]
MINE = ("Encounter", "Observation", "MedicationRequest")
PEOPLE = (*PATIENTS, "pat-zyzzyva-9")
FEWEST = 8  # records that are always there


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

    def change(self, random: Random) -> None:
        """Something happens: mostly to a record, or to a patient or the group."""
        random.choice([self._change_record] * 3 + [self._change_patient, self._change_group])(
            random
        )

    def _change_record(self, random: Random) -> None:
        keys = sorted(key for key in self.there if key[0] in MINE)
        one = self.there[random.choice(keys)]
        other = {"reference": f"Patient/{random.choice(self._patients())}"}
        match random.randint(0, 5):
            case 0:
                self.put({**one, "status": random.choice(["cancelled", "entered-in-error"])})
            case 1:
                self.put({**one, "subject": other})
            case 2:
                self.put({**one, "id": f"new-{random.randint(0, 999)}", "subject": other})
            case 3:
                ward = self.there["Location", "ward"]
                self.put({**ward, "type": [{"text": f"ward {random.random()}"}]})
            case 4 if len(keys) > FEWEST:
                self.delete((one["resourceType"], one["id"]))
            case 5 if one["resourceType"] == "Observation":
                self.put({**one, "effectiveDateTime": f"2026-0{random.randint(1, 9)}-01"})
            case _:
                self.put({**one, "status": "unknown"})

    def _change_patient(self, random: Random) -> None:
        ids = self._patients()
        id = random.choice(ids)
        gone = sorted({*PEOPLE} - {*ids})
        match random.randint(0, 6):
            case 0 | 1:
                day = f"1957-03-{random.randint(10, 28)}"
                self.put({**self.there["Patient", id], "birthDate": day})
            case 2 | 3:
                self._merge(random)
            case 4:
                self._part(id)
            case 5 if not gone and random.random() < 0.3:
                self._remove(id)
            case _:
                self.put(*(each for each in RESOURCES if each.get("id") in gone))

    def _change_group(self, random: Random) -> None:
        """Somebody comes, or somebody leaves."""
        id = random.choice(PEOPLE)
        group = self.there["Group", GROUP]
        rest = [one for one in group["member"] if one["entity"]["reference"] != f"Patient/{id}"]
        if len(rest) == len(group["member"]):
            rest.append({"entity": {"reference": f"Patient/{id}"}})
        self.put({**group, "member": rest or group["member"]})

    def _patients(self) -> list[str]:
        return sorted(id for kind, id in self.there if kind == "Patient")

    def _links(self, id: str) -> list[Resource]:
        links: list[Resource] = self.there["Patient", id].get("link", [])
        return links

    def _merge(self, random: Random) -> None:
        """Two patients were one; nobody is replaced by two, nor in a circle."""
        free = [
            id
            for id in self._patients()
            if all(link["type"] != "replaced-by" for link in self._links(id))
        ]
        if len(free) > 1:
            old, new = random.sample(free, 2)
            for id, kind, other in ((old, "replaced-by", new), (new, "replaces", old)):
                link = {"type": kind, "other": {"reference": f"Patient/{other}"}}
                self.put({**self.there["Patient", id], "link": [*self._links(id), link]})

    def _part(self, id: str) -> None:
        """A patient is somebody else than all with whom they were put together."""
        for other in self._patients():
            kept = [
                link
                for link in self._links(other)
                if other != id and link["other"]["reference"] != f"Patient/{id}"
            ]
            if kept != self._links(other):
                self.put({**self.there["Patient", other], "link": kept})

    def _remove(self, id: str) -> None:
        """A patient is deleted, with all records; a member of the group all the same."""
        self._part(id)
        subject = f"Patient/{id}"
        of = {key for key, one in self.there.items() if is_of(one, subject)}
        for key in sorted(of) + [("Patient", id)]:
            self.delete(key)


def is_of(record: Resource, subject: str) -> bool:
    """Whether a record is a patient's."""
    return bool(record.get("subject", {}).get("reference") == subject)


@contextmanager
def run_hospital(folder: Path) -> Iterator[Hospital]:
    """Run a hospital whose server has its files in a folder."""
    with run_behind_proxy(folder) as ehr, open_client() as client:
        yield Hospital(ehr.base_url, ehr.proxy, client, ehr.keys["ec"])
