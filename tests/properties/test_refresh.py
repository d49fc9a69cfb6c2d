"""Changes laid over the store give what a full pull would give, whatever changed.

The EHR is a dictionary here, so that thousands of changes are quick; `tests/faults/test_refresh.py`
does the same with a real server.
"""

import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.site.acquisition import AcquiredFile, Acquisition
from service.site.building import build_store
from service.site.layering import lay_over
from service.site.plan import AcquisitionPlan
from service.site.store import FOLDER, Store, read_index
from service.site.verdict import Fault
from service.site.window import Window, patients_with_news

BASE = "https://ehr.example/fhir"
PLAN = AcquisitionPlan(
    {
        "Patient": frozenset({"birthDate"}),
        "Encounter": frozenset({"location", "period"}),
        "Observation": frozenset({"value", "effective", "encounter"}),
        "Appointment": frozenset({"start"}),
        "Location": frozenset({"partOf", "name"}),
        "Medication": frozenset({"code"}),
        "MedicationRequest": frozenset({"medication"}),
    }
)
SHARED = {"Location", "Medication"}  # what is nobody's own
DATED = {"Encounter", "Observation"}  # what can be searched by date
Resource = dict[str, Any]
Key = tuple[str, str]


class Hospital:
    """Resources with the time of their last change, and what was deleted since when."""

    def __init__(self, random: Random, patients: int = 12) -> None:
        self.random = random
        self.clock = 0
        self.there: dict[Key, tuple[int, Resource]] = {}
        self.gone: dict[Key, int] = {}
        for n in range(4):
            self.put(place(f"l{n}", f"l{n - 1}" if n else None, "ward"))
            self.put({"resourceType": "Medication", "id": f"m{n}", "code": {"text": f"drug {n}"}})
        for n in range(patients):
            self.put(patient(f"p{n}"))
            for m in range(3):
                self.put(self.anything(f"{n}-{m}", f"p{n}"))

    def put(self, resource: Resource) -> None:
        self.clock += 1
        key = resource["resourceType"], resource["id"]
        self.there[key] = self.clock, resource
        self.gone.pop(key, None)

    def delete(self, key: Key) -> None:
        self.clock += 1
        self.there.pop(key, None)
        self.gone[key] = self.clock

    def some(self, *types: str) -> Resource:
        keys = sorted(key for key in self.there if key[0] in types)
        return self.there[self.random.choice(keys)][1]

    def anything(self, id: str, of: str) -> Resource:
        """A record of a patient."""
        r = self.random
        subject = {"subject": {"reference": f"Patient/{of}"}}
        month = f"2026-{r.randint(1, 6):02}"
        at = [{"location": {"reference": f"Location/l{r.randint(0, 3)}"}}]
        drug = {"medicationReference": {"reference": f"Medication/m{r.randint(0, 3)}"}}
        stay = {"encounter": {"reference": f"Encounter/e{id}"}} if r.random() < 0.3 else {}
        return r.choice(
            [
                {"resourceType": "Encounter", "id": f"e{id}", "location": at, **subject}
                | {"period": {"start": f"{month}-01T00:00:00Z"}},
                {"resourceType": "Observation", "id": f"o{id}", "effectiveDateTime": f"{month}-02"}
                | {"valueInteger": r.randint(0, 99), "status": "final", **subject, **stay},
                {"resourceType": "MedicationRequest", "id": f"r{id}", **drug, **subject},
                {"resourceType": "Appointment", "id": f"a{id}", "start": f"{month}-03"}
                | {"participant": [{"actor": {"reference": f"Patient/{of}"}}]},
            ]
        )

    def change(self) -> None:
        """Something happens in the hospital."""
        r = self.random
        mine = ("Encounter", "Observation", "MedicationRequest", "Appointment")
        new = f"p{r.randint(0, 20)}"
        one = self.some(*mine)
        key = one["resourceType"], one["id"]
        match r.randint(0, 11):
            case 0:
                self.put(patient(new))
            case 1 | 2:
                self.put(self.anything(f"n{r.randint(0, 40)}", self.some("Patient")["id"]))
            case 3:
                self.delete(key)
            case 4:
                self.put({**one, "status": "entered-in-error"})
            case 5 if "subject" in one:  # it was another patient's
                self.put({**one, "subject": {"reference": f"Patient/{self.some('Patient')['id']}"}})
            case 6:
                self.put(place(f"l{r.randint(0, 3)}", f"l{r.randint(0, 3)}", f"ward {r.random()}"))
            case 7:  # two patients were one
                old, kept = self.some("Patient"), self.some("Patient")
                if old["id"] != kept["id"]:
                    link = {"other": {"reference": f"Patient/{kept['id']}"}, "type": "replaced-by"}
                    self.put({**old, "link": [link]})
            case 8 if r.random() < 0.3:
                self.delete(("Patient", self.some("Patient")["id"]))
            case 9:
                self.put(dict(one))  # written again, and nothing is different
            case 10 if r.random() < 0.3:
                self.put({k: v for k, v in self.some("Patient").items() if k != "link"})
            case _:
                self.put(self.anything(one["id"][1:], self.some("Patient")["id"]))

    def pull(self, folder: Path, since: int | None = None) -> Acquisition:
        """What an export brings: all, or what changed after a time."""
        changed = (one for when, one in self.there.values() if since is None or when > since)
        files = written(folder, changed)
        deleted = []
        if since is not None:
            requests = [
                {"request": {"method": "DELETE", "url": "/".join(key)}}
                for key, when in self.gone.items()
                if when > since
            ]
            path = folder / "deleted.ndjson"
            bundle = {"resourceType": "Bundle", "type": "transaction", "entry": requests}
            path.write_text(json.dumps(bundle) + "\n")
            deleted = [AcquiredFile(path, "Bundle", 1)]
        return Acquisition(
            folder,
            BASE,
            "2026-07-01T00:00:00+00:00",
            files,
            (),
            since=None if since is None else str(since),
            deleted=tuple(deleted),
        )

    def seen(self, folder: Path, month: str) -> Acquisition:
        """What a search for what is dated in a month or later brings."""
        own = (one for _, one in self.there.values() if one["resourceType"] not in SHARED)
        files = written(folder, (one for one in own if month_of(one) >= month))
        return Acquisition(folder, BASE, "2026-07-01T00:00:00+00:00", files, (), way="search")

    def whole(self, folder: Path, ids: frozenset[str]) -> Acquisition:
        """What a search for all records of some patients brings, and what those refer to."""
        found = (one for _, one in self.there.values() if owner(one) in {*ids, None})
        at = "2026-07-01T00:00:00+00:00"
        return Acquisition(folder, BASE, at, written(folder, found), (), way="search", whole=True)


def written(folder: Path, resources: Iterable[Resource]) -> tuple[AcquiredFile, ...]:
    """Files of resources, by type, in a new folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    by_type: dict[str, list[str]] = {}
    for resource in resources:
        by_type.setdefault(resource["resourceType"], []).append(json.dumps(resource))
    for name, lines in by_type.items():
        (folder / f"{name}.ndjson").write_text("\n".join(lines) + "\n")
    return tuple(
        AcquiredFile(folder / f"{name}.ndjson", name, len(lines)) for name, lines in by_type.items()
    )


def month_of(resource: Resource) -> str:
    """When a record was; for ever, if it is of a type that is not searched by date."""
    told = resource.get("period", {}).get("start") or resource.get("effectiveDateTime") or "9999-99"
    return str(told)[:7]


def owner(resource: Resource) -> str | None:
    """Whose a record is; None if nobody's."""
    if resource["resourceType"] == "Patient":
        return str(resource["id"])
    actor = [each["actor"] for each in resource.get("participant", ())]
    told = [resource["subject"]] if "subject" in resource else actor
    return told[0]["reference"].removeprefix("Patient/") if told else None


def patient(id: str) -> Resource:
    return {"resourceType": "Patient", "id": id, "birthDate": "1957-03-29", "active": True}


def place(id: str, within: str | None, name: str) -> Resource:
    part = {"partOf": {"reference": f"Location/{within}"}} if within else {}
    return {"resourceType": "Location", "id": id, "name": name, **part}


def content(data_dir: Path) -> list[tuple[Any, ...]]:
    """Every row of a store, and every byte in it."""
    index = read_index(data_dir)
    assert index is not None
    columns = "patient, fingerprint, type, id, day, shared, json"
    folder = data_dir / FOLDER
    base = [str(folder / name) for name in index.parts]
    rows = duckdb.execute(f"SELECT {columns} FROM read_parquet(?)", [base]).fetchall()
    rows = [row for row in rows if row[0] not in index.replaced]
    if index.layer:
        rows += duckdb.execute(
            f"SELECT {columns} FROM read_parquet(?)", [str(folder / index.layer)]
        ).fetchall()
    return sorted(rows)


def told(store: Store) -> dict[str, Any]:
    """What a store says of what it holds."""
    facts = store.facts
    return {
        "patients": facts.patients,
        "resources": facts.resources,
        "months": facts.months,
        "days": facts.days,
        "aliases": facts.aliases,
        "links": facts.links,
    }


@dataclass(frozen=True)
class Night:
    """A hospital in which something has changed, and a site that has not looked since."""

    hospital: Hospital
    since: int
    site: Path
    folder: Path

    @property
    def pulled(self) -> Path:
        """Where a pull goes."""
        return self.folder / "pull"

    def full(self, site: Path) -> Store:
        """A store of all that there is."""
        return build_store(self.hospital.pull(self.pulled), PLAN, site)


def nights(seed: int, rounds: int, changes: int, patients: int) -> Iterator[Night]:
    """Rounds of changes, of a site that begins with a full pull."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        hospital = Hospital(Random(seed), patients)
        build_store(hospital.pull(folder / "pull"), PLAN, folder / "site")
        for _ in range(rounds):
            since = hospital.clock
            for _ in range(changes):
                hospital.change()
            yield Night(hospital, since, folder / "site", folder)
            shutil.rmtree(folder / "full", ignore_errors=True)


def check(seed: int, rounds: int, changes: int, patients: int = 12) -> int:
    """Each round's changes, laid over the store and compared with a full pull; how many of them
    asked for a full pull instead."""
    refused = 0
    for night in nights(seed, rounds, changes, patients):
        store = lay_over(night.hospital.pull(night.pulled, night.since), PLAN, night.site)
        if store is None:
            refused += 1
            night.full(night.site)
            continue
        full = night.folder / "full"
        truth = night.full(full)
        assert content(night.site) == content(full)
        assert told(store) == told(truth)
        assert list(store.patients()) == list(truth.patients())
        assert Fault.UNRECONCILED in {finding.fault for finding in store.facts.findings}
        for one in truth.patients():
            assert store.patient(one.id) == one
    return refused


def check_window(seed: int, rounds: int, changes: int, patients: int) -> int:
    """Each round's changes, seen through a window; how many of them were laid over the store.

    Of whom something is different in the window all is as a full pull would have it, of the others
    what lies in the window is.
    """
    window = Window("2026-04")
    laid = 0
    for night in nights(seed, rounds, changes, patients):
        seen = night.hospital.seen(night.folder / "seen", window.month)
        ids = patients_with_news(seen, PLAN, window, DATED, night.site)
        whole = night.hospital.whole(night.pulled, ids or frozenset())
        if ids is None or lay_over(whole, PLAN, night.site, window.unseen) is None:
            night.full(night.site)
            continue
        full = night.folder / "full"
        truth = night.full(full)
        laid += 1
        assert len(ids) < truth.facts.patients
        there = {one.id for one in truth.patients()}
        assert own(night.site, there, window.month) == own(full, there, window.month)
        assert own(night.site, there & ids) == own(full, there & ids)
    return laid


def own(data_dir: Path, patients: Set[str], month: str = "") -> list[tuple[Any, ...]]:
    """The patients' own records in a store, of a month or later or of no searchable date."""
    return [
        (patient, type_name, id, json)
        for patient, _, type_name, id, when, shared, json in content(data_dir)
        if patient in patients and not shared
        if type_name not in DATED or not month or (when or "9999-99") >= month
    ]


@given(st.integers(0, 2**32))
@settings(max_examples=1, derandomize=True)
def test_a_window_gives_what_a_full_pull_gives_in_it(seed: int) -> None:
    assert check_window(seed, rounds=2, changes=3, patients=30)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(5))
def test_many_windows_give_what_a_full_pull_gives_in_them(seed: int) -> None:
    assert check_window(seed, rounds=12, changes=6, patients=60) > 2


@given(st.integers(0, 2**32))
@settings(max_examples=1, derandomize=True)
def test_changes_give_what_a_full_pull_gives(seed: int) -> None:
    check(seed, rounds=2, changes=3, patients=30)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(6))
def test_many_changes_give_what_a_full_pull_gives(seed: int) -> None:
    assert check(seed, rounds=25, changes=6, patients=60) < 20
