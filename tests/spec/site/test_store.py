"""The store: what the measures need of every patient, whole, in order, and for its owner only."""

import itertools
import json
import os
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb
import pytest

from service.errors import StoreError
from service.measure.completeness import COMPLETE, Reason, Verdict
from service.site.acquisition import AcquiredFile, Acquisition
from service.site.building import build_store, building_folder
from service.site.expectation import FILE as EXPECTED
from service.site.plan import AcquisitionPlan
from service.site.quarantine import FILE as QUARANTINE
from service.site.staging import USUAL, Sizes
from service.site.store import FILE, FOLDER, FORMAT, Store, open_store
from service.site.verdict import Fault, Finding
from service.site.workers import MOST, processes

BASE = "https://ehr.example/fhir"
PLAN = AcquisitionPlan(
    {
        "Patient": frozenset({"birthDate"}),
        "Observation": frozenset({"value", "device", "effective"}),
        "Location": frozenset({"partOf"}),
        "Encounter": frozenset({"location"}),
        "Device": frozenset({"location"}),
    }
)


def patient(id: str, born: str | None = "1957-03-29") -> dict[str, Any]:
    """A Patient."""
    given = {"resourceType": "Patient", "id": id, "name": [{"family": "Canary"}]}
    return given | ({"birthDate": born} if born else {})


def observation(id: str, of: str, value: int = 1, updated: str = "") -> dict[str, Any]:
    """An Observation of a patient."""
    meta = {"meta": {"lastUpdated": updated}} if updated else {}
    subject = {"reference": f"Patient/{of}"}
    told = {"status": "final", "subject": subject, "valueInteger": value}
    return {"resourceType": "Observation", "id": id, **told, **meta}


def stay(id: str, of: str, at: str) -> dict[str, Any]:
    """An Encounter at a Location."""
    places = [{"location": {"reference": f"Location/{at}"}}]
    subject = {"reference": f"Patient/{of}"}
    told = {"status": "finished", "subject": subject, "location": places}
    return {"resourceType": "Encounter", "id": id, **told}


def place(id: str, part_of: str | None = None) -> dict[str, Any]:
    """A Location."""
    part = {"partOf": {"reference": f"Location/{part_of}"}} if part_of else {}
    return {"resourceType": "Location", "id": id, **part}


def pulled(
    folder: Path, *files: Iterable[dict[str, Any] | str], findings: tuple[Finding, ...] = ()
) -> Acquisition:
    """What a pull would have left: a file of each list; its type is that of its first resource."""
    folder.mkdir(exist_ok=True, parents=True)
    made = []
    for number, resources in enumerate(files, 1):
        lines = [
            r if isinstance(r, str) else json.dumps(r, separators=(",", ":")) for r in resources
        ]
        type_name = next(
            r["resourceType"] for r in [*resources, patient("0")] if isinstance(r, dict)
        )
        path = folder / f"{number:04}-{type_name}.ndjson"
        path.write_bytes("".join(f"{line}\n" for line in lines).encode())
        made.append(AcquiredFile(path, type_name, len(lines)))
    return Acquisition(folder, BASE, "2026-06-01T00:00:00+00:00", tuple(made), findings)


def built(folder: Path, *files: Iterable[dict[str, Any] | str], sizes: Sizes = USUAL) -> Store:
    """The store of a pull of these files."""
    return build_store(pulled(folder / "pull", *files), PLAN, folder, sizes)


def parts(folder: Path) -> list[Path]:
    """The store's Parquet files."""
    return sorted((folder / FOLDER).iterdir())


def faults(store: Store) -> dict[tuple[Fault, str], int]:
    """What was found, with counts."""
    return {(finding.fault, finding.where): finding.count for finding in store.facts.findings}


def quarantine(folder: Path) -> list[dict[str, Any]]:
    """The entries of the quarantine."""
    return [json.loads(line) for line in (folder / QUARANTINE).read_text().splitlines()]


# Reading it


def test_what_records_of_strangers_contained_is_not_kept_either(tmp_path: Path) -> None:
    place_within = {"resourceType": "Location", "id": "here", "status": "active"}
    strangers = stay("e1", "stranger", "x") | {
        "contained": [place_within],
        "location": [{"location": {"reference": "#here"}}],
    }
    store = built(tmp_path, [patient("a")], [strangers], [place("ward")])
    assert store.facts.resources == {"Location": 1, "Patient": 1}


def test_patients_come_one_at_a_time_in_order_with_all_that_is_theirs(tmp_path: Path) -> None:
    store = built(
        tmp_path,
        [observation("o2", "b"), observation("o1", "a"), observation("o3", "a")],
        [patient("b"), patient("a"), patient("c")],
    )
    found = [
        (record.id, [r["id"] for resources in record.resources.values() for r in resources])
        for record in store.patients()
    ]
    assert found == [("a", ["o1", "o3", "a"]), ("b", ["o2", "b"]), ("c", ["c"])]
    assert store.facts.patients == 3
    assert store.completeness() == COMPLETE


def test_one_patient_can_be_found(tmp_path: Path) -> None:
    store = built(tmp_path, [patient("a"), patient("b")], [observation("o", "b")])
    record = store.patient("b")
    assert record is not None and set(record.resources) == {"Patient", "Observation"}
    assert store.patient("z") is None


def test_what_is_nobodys_comes_with_each_patient_whose_records_lead_to_it(tmp_path: Path) -> None:
    pump = {
        "resourceType": "Device",
        "id": "pump",
        "location": {"reference": "Location/store"},
    }
    store = built(
        tmp_path,
        [patient("a"), patient("b"), patient("c")],
        [stay("e1", "a", "bed"), stay("e2", "b", "ward")],
        [observation("o", "b") | {"device": {"reference": "Device/pump"}}],
        [place("bed", "ward"), place("ward", "bed"), place("attic"), place("store")],
        [pump],
    )
    places = {
        record.id: {
            r["id"] for name in ("Location", "Device") for r in record.resources.get(name, ())
        }
        for record in store.patients()
    }
    assert places == {"a": {"bed", "ward"}, "b": {"ward", "bed", "pump", "store"}, "c": set()}


def test_the_latest_version_of_a_resource_counts_once(tmp_path: Path) -> None:
    store = built(
        tmp_path,
        [patient("a"), patient("a")],
        [
            observation("o", "a", 3, "2026-02-01T00:00:00+09:00"),
            observation("o", "a", 2, "2026-01-31T23:00:00Z"),
            observation("o", "a", 1, "2026-01-01T00:00:00Z"),
            observation("p", "a", 5),
            observation("p", "a", 5),
        ],
    )
    [record] = store.patients()
    assert [o["valueInteger"] for o in record.resources["Observation"]] == [2, 5]
    assert store.completeness() == COMPLETE


TINY = Sizes(range=1000, division=2000, alone=0)
SAME, EARLIER = "2026-02-01T00:00:00Z", "2026-01-01T00:00:00Z"


@pytest.mark.parametrize(
    "versions",
    [
        [observation("o", "a", 5), observation("o", "a", 6)],
        [observation("o", "a", 5, SAME), observation("o", "a", 6, SAME)],
        [observation("o", "a", 5, EARLIER), observation("o", "a", 6)],
        [observation("o", "a", 5), observation("o", "b", 5)],  # ids of each patient's own
    ],
    ids=["of no time", "of one time", "one of no time", "of two patients"],
)
@pytest.mark.parametrize(
    "sizes", [USUAL, pytest.param(TINY, marks=pytest.mark.full)], ids=["one division", "many"]
)
def test_of_versions_that_nothing_tells_apart_one_stays_and_that_is_said(
    tmp_path: Path, versions: list[dict[str, Any]], sizes: Sizes
) -> None:
    others = [patient(f"b{n}") for n in range(40)]
    store = built(tmp_path, [patient("a"), *others, patient("b")], versions, sizes=sizes)
    assert faults(store) == {(Fault.UNDECIDED, "Observation"): 1}
    assert store.facts.resources["Observation"] == 1
    assert store.completeness().verdict is Verdict.PROVISIONAL


def test_a_record_that_moved_to_another_patient_is_theirs_alone(tmp_path: Path) -> None:
    store = built(
        tmp_path,
        [patient("a"), patient("b")],
        [
            observation("o", "b", updated="2026-02-01T00:00:00Z"),
            observation("o", "a", updated="2026-01-01T00:00:00Z"),
        ],
    )
    owners = [record.id for record in store.patients() if "Observation" in record.resources]
    assert owners == ["b"]


def test_the_same_files_give_the_same_store_to_the_byte(tmp_path: Path) -> None:
    files = ([patient(f"p{n}") for n in range(50)], [observation(f"o{n}", "p7") for n in range(50)])
    contents = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        built(tmp_path / name, *files)
        contents.append([path.read_bytes() for path in parts(tmp_path / name)])
    assert contents[0] == contents[1]


def test_a_large_pull_has_as_many_divisions_for_each_process(tmp_path: Path) -> None:
    for patients in range(60, 90, 10):
        folder = tmp_path / str(patients)
        folder.mkdir()
        built(folder, [patient(f"p{n}") for n in range(patients)], sizes=TINY)
        *divisions, _nobodys = parts(folder)
        assert len(divisions) % processes() == 0


def test_memory_does_not_grow_with_the_cores_of_a_large_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))
    assert processes() == MOST


def test_it_says_whether_it_holds_what_a_measure_needs(tmp_path: Path) -> None:
    store = built(tmp_path, [patient("a")])
    assert store.covers(PLAN)
    assert store.covers(AcquisitionPlan({"Observation": frozenset({"value"})}))
    assert not store.covers(AcquisitionPlan({"Observation": frozenset({"note"})}))
    assert not store.covers(AcquisitionPlan({"Condition": frozenset()}))


# What is wrong with records


def test_a_record_that_cannot_be_used_is_counted_and_kept_aside(tmp_path: Path) -> None:
    store = built(
        tmp_path,
        [
            patient("a"),
            '{"resourceType": "Patient", "id": "b',
            {"resourceType": "Wish", "id": "w"},
            patient("c"),
        ],
        [observation("o", "a"), observation("x", "ghost")],
    )
    assert faults(store) == {
        (Fault.UNREADABLE, "0001-Patient.ndjson"): 1,
        (Fault.UNKNOWN_TYPE, "0001-Patient.ndjson"): 1,
        (Fault.UNKNOWN_PATIENT, "0002-Observation.ndjson"): 1,
    }
    aside = {(e["file"], e["line"], e["fault"]): e["record"] for e in quarantine(tmp_path)}
    assert aside["0001-Patient.ndjson", 2, "unreadable"] == '{"resourceType": "Patient", "id": "b'
    assert "ghost" in aside["0002-Observation.ndjson", 2, "unknown-patient"]
    assert [record.id for record in store.patients()] == ["a", "c"]
    assert store.completeness().reasons == {Reason.UNREADABLE_RECORD, Reason.MISSING_DATA}


def test_a_patient_without_birth_date_is_kept_listed_and_makes_it_provisional(
    tmp_path: Path,
) -> None:
    store = built(tmp_path, [patient("a"), patient("b", born=None)])
    assert [record.id for record in store.patients()] == ["a", "b"]
    assert faults(store) == {(Fault.NO_BIRTH_DATE, "0001-Patient.ndjson"): 1}
    assert quarantine(tmp_path) == [
        {"file": "0001-Patient.ndjson", "line": 2, "fault": "no-birth-date"}
    ]
    assert store.completeness().verdict is Verdict.PROVISIONAL


def test_a_record_without_a_status_is_kept_listed_and_too_many_of_them_are_no_data(
    tmp_path: Path,
) -> None:
    """It is in no numerator and no denominator that asks for a status, so it counts as lost."""
    nameless = {name: of for name, of in observation("x", "a").items() if name != "status"}
    many = [observation(f"o{n}", "a") for n in range(30)]
    store = built(tmp_path, [patient("a")], [*many, nameless])
    assert faults(store) == {(Fault.NOT_UNDERSTOOD, "0002-Observation.ndjson"): 1}
    assert store.facts.resources["Observation"] == 31
    assert quarantine(tmp_path) == [
        {"file": "0002-Observation.ndjson", "line": 31, "fault": "not-understood"}
    ]
    assert store.completeness().verdict is Verdict.PROVISIONAL
    strange = [{**observation(f"s{n}", "a"), "status": "Final"} for n in range(2)]
    store = built(tmp_path, [patient("a")], [*many, *strange])
    assert store.completeness().verdict is Verdict.NOT_COMPUTABLE
    assert store.completeness().reasons == {Reason.UNREADABLE_RECORD}


def test_references_that_lead_nowhere_are_counted_by_type(tmp_path: Path) -> None:
    store = built(
        tmp_path,
        [patient("a") | {"link": [{"other": {"reference": "Patient/merged"}, "type": "refer"}]}],
        [stay("e", "a", "bed"), stay("f", "a", "bed"), stay("g", "a", "attic")],
        [place("bed", "ward")],
    )
    # Bed is there; its ward and the attic are not. Patients who were not asked for are not missed.
    assert faults(store) == {(Fault.UNRESOLVED_REFERENCE, "Location"): 2}


def test_a_reference_into_a_bundle_that_nobody_has_leads_nowhere(tmp_path: Path) -> None:
    lost = stay("e", "a", "bed")
    lost["location"][0]["location"]["reference"] = "urn:uuid:4711"
    store = built(tmp_path, [patient("a")], [lost], [place("bed")])
    assert faults(store) == {(Fault.UNRESOLVED_REFERENCE, "Resource"): 1}
    assert [finding.type for finding in store.facts.findings] == [""], "it may concern any type"


def test_nobody_at_all_is_no_zero(tmp_path: Path) -> None:
    store = built(tmp_path, [observation("o", "a")])
    assert store.completeness().verdict is Verdict.NOT_COMPUTABLE
    assert list(store.patients()) == []


def test_what_the_pull_found_is_part_of_the_verdict(tmp_path: Path) -> None:
    finding = Finding(Fault.COUNT_MISMATCH, "0001-Patient.ndjson", 3)
    store = build_store(
        pulled(tmp_path / "pull", [patient("a")], findings=(finding,)), PLAN, tmp_path
    )
    assert open_store(tmp_path).completeness().reasons == {Reason.COUNT_MISMATCH}
    assert store.facts.findings == [finding]


# Keeping it


def test_it_holds_no_more_than_the_plan_names_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    store = built(tmp_path, [patient("a"), "broken"])
    assert "name" not in next(iter(store.patients())).resources["Patient"][0]
    for path in (tmp_path / FILE, tmp_path / EXPECTED, tmp_path / QUARANTINE, *parts(tmp_path)):
        assert path.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / FOLDER).stat().st_mode & 0o777 == 0o700
    there = sorted(path.name for path in tmp_path.iterdir())
    assert there == [EXPECTED, "pull", QUARANTINE, FOLDER, FILE]


def test_a_new_store_takes_the_place_of_the_old_at_one_stroke(tmp_path: Path) -> None:
    old = built(tmp_path, [patient(f"p{n:05}") for n in range(5000)])
    reading = old.patients()
    first = next(reading)
    new = built(tmp_path, [patient("new")])
    assert [record.id for record in new.patients()] == ["new"]
    assert [first.id, *(record.id for record in reading)] == [f"p{n:05}" for n in range(5000)]


def test_a_process_that_outlived_a_killed_run_does_not_keep_others_from_building(
    tmp_path: Path,
) -> None:
    """It writes on where the next run removes what is left."""
    ended = threading.Event()
    left = tmp_path / "building" / "left"
    left.mkdir(parents=True)

    def write_on() -> None:
        for number in itertools.count():
            if ended.is_set():
                return
            with suppress(OSError):
                left.mkdir(exist_ok=True)
                (left / f"record-{number}.tsv").touch()

    orphan = threading.Thread(target=write_on)
    orphan.start()
    try:
        for _ in range(200):
            with building_folder(tmp_path) as folder:
                (folder / "shared.parquet").touch()
    finally:
        ended.set()
        orphan.join()
    with building_folder(tmp_path) as folder:
        assert [*folder.parent.iterdir()] == [folder]
    assert not folder.parent.exists()


def test_what_a_killed_run_left_behind_is_never_used(tmp_path: Path) -> None:
    (tmp_path / "building").mkdir()
    (tmp_path / "building" / FILE).write_bytes(b"half a store")
    with pytest.raises(StoreError, match="weir site run"):
        open_store(tmp_path)
    built(tmp_path, [patient("a")])
    assert not (tmp_path / "building").exists()
    assert [record.id for record in open_store(tmp_path).patients()] == ["a"]


def test_a_failed_build_leaves_the_last_store(tmp_path: Path) -> None:
    built(tmp_path, [patient("a")])
    acquisition = pulled(tmp_path / "pull", [patient("b")])
    acquisition.files[0].path.unlink()
    with pytest.raises(StoreError):
        build_store(acquisition, PLAN, tmp_path)
    assert [record.id for record in open_store(tmp_path).patients()] == ["a"]


@pytest.mark.parametrize("keep", [0, 100, -100, -1])
def test_a_damaged_file_is_told_and_not_repeated(tmp_path: Path, keep: int) -> None:
    built(tmp_path, [patient("a")], [observation("o", "a")])
    part, _ = parts(tmp_path)
    part.write_bytes(part.read_bytes()[:keep])
    with pytest.raises(StoreError, match="damaged"):
        list(open_store(tmp_path).patients())


def test_a_record_that_is_damaged_within_a_file_is_told(tmp_path: Path) -> None:
    """As by a disk: the file can be read, and what stands in it is not what was written."""
    built(tmp_path, [patient("a")])
    part, _ = parts(tmp_path)
    duckdb.execute(
        f"COPY (SELECT * REPLACE (json[2:] AS json) FROM read_parquet('{part}')) TO '{part}.new' "
        "(FORMAT parquet)"
    )
    Path(f"{part}.new").rename(part)
    with pytest.raises(StoreError, match=r"damaged.*weir site run") as error:
        list(open_store(tmp_path).patients())
    assert error.value.__cause__ is None and error.value.__suppress_context__


def test_what_others_put_beside_the_parts_is_in_nobodys_way(tmp_path: Path) -> None:
    """Files there are removed, since they may hold anybody; a folder is a file system's own."""
    built(tmp_path, [patient("a")])
    (tmp_path / FOLDER / "backup-1.parquet").touch()
    (tmp_path / FOLDER / "lost+found").mkdir()
    built(tmp_path, [patient("b")])
    assert [record.id for record in open_store(tmp_path).patients()] == ["b"]
    names = [path.name for path in parts(tmp_path)]
    assert names == ["000002-000.parquet", "000002-001.parquet", "lost+found"]


@pytest.mark.parametrize("keep", [0, 50, -10])
def test_a_damaged_index_is_told(tmp_path: Path, keep: int) -> None:
    built(tmp_path, [patient("a")])
    (tmp_path / FILE).write_bytes((tmp_path / FILE).read_bytes()[:keep])
    with pytest.raises(StoreError, match="damaged"):
        open_store(tmp_path)


def test_a_part_that_is_gone_is_told(tmp_path: Path) -> None:
    built(tmp_path, [patient("a")])
    parts(tmp_path)[0].unlink()
    with pytest.raises(StoreError, match="damaged"):
        open_store(tmp_path)


def test_a_store_of_another_version_is_not_read_but_built_anew(tmp_path: Path) -> None:
    path = built(tmp_path, [patient("a")]).path
    path.write_bytes(path.read_bytes().replace(b'"format":%d' % FORMAT, b'"format":0'))
    with pytest.raises(StoreError, match="another version"):
        open_store(tmp_path)
    assert [record.id for record in built(tmp_path, [patient("b")]).patients()] == ["b"]


# In divisions, by several processes


def hospital(patients: int) -> list[list[dict[str, Any] | str]]:
    """A few records of each of many patients, and some that cannot be used."""
    ids = [f"p{n * 7919 % patients:04}" for n in range(patients)]
    return [
        [observation(f"o{n}", id, n) for n, id in enumerate(ids)] + ["{broken", '["neither"]'],
        [patient(id) for id in ids],
        [stay(f"e{n}", id, f"bed-{n % 5}") for n, id in enumerate(ids)],
        [place(f"bed-{n}", "ward") for n in range(5)] + [place("ward")],
        [observation("lost", "ghost")],
    ]


def test_however_a_pull_is_divided_the_store_is_the_same(tmp_path: Path) -> None:
    whole = built(tmp_path / "whole", *hospital(60))
    divided = built(tmp_path / "divided", *hospital(60), sizes=TINY)
    assert len(parts(tmp_path / "divided")) > 3
    assert divided.facts == whole.facts
    assert list(divided.patients()) == list(whole.patients())
    assert quarantine(tmp_path / "divided") == quarantine(tmp_path / "whole")
    assert divided.patient("p0030") == whole.patient("p0030")


def test_a_record_that_moved_between_divisions_is_its_last_patients_alone(tmp_path: Path) -> None:
    moved = [
        observation("moved", "p0001", 1, "2026-01-01T00:00:00Z"),
        observation("moved", "p0058", 2, "2026-02-01T00:00:00Z"),
        observation("moved", "p0029", 3, "2026-01-15T00:00:00Z"),
    ]
    store = built(tmp_path, *hospital(60), moved, sizes=TINY)
    built(tmp_path / "still", *hospital(60), sizes=TINY)
    assert quarantine(tmp_path) == quarantine(tmp_path / "still"), "each is listed once"
    holders = [
        record.id
        for record in store.patients()
        if any(o["id"] == "moved" for o in record.resources["Observation"])
    ]
    assert holders == ["p0058"]


# Patients who are one person


def test_the_records_of_a_patient_who_was_merged_are_the_survivors(tmp_path: Path) -> None:
    merged = patient("old") | {"active": False, "link": [replaced_by("middle")]}
    middle = patient("middle") | {"link": [replaced_by("new")]}
    store = built(
        tmp_path,
        [merged, middle, patient("new")],
        [observation("o1", "old"), observation("o2", "new"), observation("o3", "middle")],
    )
    [record] = store.patients()
    assert record.id == "new" and len(record.resources["Patient"]) == 1
    assert [o["id"] for o in record.resources["Observation"]] == ["o1", "o2", "o3"]
    assert {o["subject"]["reference"] for o in record.resources["Observation"]} == {"Patient/new"}
    assert store.completeness() == COMPLETE


def test_a_survivor_may_say_so_alone(tmp_path: Path) -> None:
    survivor = patient("new") | {
        "link": [{"other": {"reference": "Patient/old"}, "type": "replaces"}]
    }
    store = built(tmp_path, [survivor], [observation("o", "old")])
    assert [(r.id, len(r.resources["Observation"])) for r in store.patients()] == [("new", 1)]


def test_a_patient_whose_survivor_did_not_come_stays(tmp_path: Path) -> None:
    circle = [
        patient("x") | {"link": [replaced_by("y")]},
        patient("y") | {"link": [replaced_by("x")]},
    ]
    gone = patient("a") | {"link": [replaced_by("elsewhere")]}
    store = built(tmp_path, [gone, *circle], [observation("o", "a")])
    assert [record.id for record in store.patients()] == ["a", "x", "y"]


def replaced_by(id: str) -> dict[str, Any]:
    """A Patient.link to whom to use instead."""
    return {"other": {"reference": f"Patient/{id}"}, "type": "replaced-by"}
