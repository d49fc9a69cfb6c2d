"""Changes pulled from a real server: the truth, or a verdict that says what they cannot show.

The server keeps meta.lastUpdated for every record, and tells nothing of deletions.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest

from service.demo.ehr import free_port, run_ehr
from service.demo.load import _token, load
from service.fhir.http import open_client
from service.fhir.keys import read_signing_key
from service.measure.completeness import Reason, Verdict
from service.site.config import RefreshConfig, SiteConfig
from service.site.refreshing import refresh
from service.site.store import Store
from tests.ehr import (
    ADMINISTRATOR,
    PATIENTS,
    PLAN,
    RESOURCES,
    clients,
    profiled,
    site_config,
    write_keys,
)
from tests.properties.test_refresh import content, told

Resource = dict[str, Any]
MINE = ("Encounter", "Observation", "MedicationRequest")


class Hospital:
    """A hospital in which things happen."""

    def __init__(self, base_url: str, client: httpx.Client, key: Path) -> None:
        self.base_url = base_url
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


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    folder = tmp_path_factory.mktemp("changing")
    keys = write_keys(folder)
    known = [read_signing_key(keys[name], name) for name in ("ec", "rsa")]
    port = free_port()
    url = f"http://127.0.0.1:{port}/fhir"
    with (
        run_ehr(folder / "server", clients(*known), base_url=url, port=port),
        open_client() as client,
    ):
        yield Hospital(url, client, keys["ec"])


def night(hospital: Hospital, site: Path, full_days: int = 7) -> Store:
    return refresh(hospital.config(site, full_days), PLAN)


def check(hospital: Hospital, folder: Path, random: Random, nights: int, changes: int) -> int:
    """Nights of changes, and after them a full pull; how many nights showed less than the truth."""
    night(hospital, folder / "site")
    short = 0
    for number in range(nights):
        for _ in range(changes):
            resource = hospital.change(random)
            if resource is not None:
                hospital.put(resource)
        laid = night(hospital, folder / "site")
        truth = night(hospital, folder / f"fresh-{number}")
        if content(folder / "site") != content(folder / f"fresh-{number}"):
            short += 1
            assert laid.completeness().verdict is not Verdict.COMPLETE
            assert Reason.UNRECONCILED in laid.completeness().reasons
        full = night(hospital, folder / "site", full_days=0)
        assert content(folder / "site") == content(folder / f"fresh-{number}")
        assert told(full) == told(truth)
        assert Reason.UNRECONCILED not in full.completeness().reasons
    return short


@pytest.mark.full
def test_after_the_full_pull_the_store_is_that_of_a_fresh_one(
    hospital: Hospital, tmp_path: Path
) -> None:
    check(hospital, tmp_path, Random(1), nights=2, changes=6)


@pytest.mark.full
def test_a_window_shows_new_changed_moved_and_deleted_records_of_these_days(
    hospital: Hospital, tmp_path: Path
) -> None:
    """The pull of everything is an export here, and the window is searched."""
    today = {"effectiveDateTime": datetime.now(UTC).isoformat(timespec="seconds")}
    one = {**hospital.there["Observation", "pain-1"], "id": "today", **today}
    order = {**hospital.there["MedicationRequest", "order-1"], "id": "today"}  # of no date
    steps: list[Callable[[], None]] = [
        lambda: hospital.put(one, order),
        lambda: hospital.put({**one, "valueQuantity": {"value": 7}}),
        lambda: hospital.put({**one, "subject": {"reference": f"Patient/{PATIENTS[1]}"}}),
        lambda: hospital.delete(("Observation", "today")),
        lambda: hospital.delete(("MedicationRequest", "today")),
        lambda: None,
    ]
    config = hospital.windowed(tmp_path / "site")
    refresh(config, PLAN)
    for number, step in enumerate(steps):
        before = content(config.data_dir)
        step()
        laid = refresh(config, PLAN)
        truth = night(hospital, tmp_path / f"fresh-{number}")
        assert content(config.data_dir) == content(tmp_path / f"fresh-{number}")
        assert (content(config.data_dir) == before) is (number == len(steps) - 1)
        assert told(laid) == told(truth)
        assert laid.completeness().reasons == {Reason.UNRECONCILED}


@pytest.mark.full
def test_after_a_thousand_changes_too(hospital: Hospital, tmp_path: Path) -> None:
    assert check(hospital, tmp_path, Random(2), nights=20, changes=50) > 0
