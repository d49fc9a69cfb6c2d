"""What it costs a site to store a pull and to refresh it: `make bench` prints and keeps the tables.

Patients are made up, 21 resources each of about 700 bytes, as an EHR writes them: with profiles,
identifiers and texts that no measure needs. Everything is timed within one run on one machine, in
seconds of the clock and of CPU, the processes that Weir starts included.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from service.disclosure import parse_policy
from service.measure.package import MeasurePackage, load_package
from service.site.acquisition import AcquiredFile, Acquisition
from service.site.building import build_store
from service.site.evaluation import counts_of
from service.site.layering import lay_over
from service.site.mapped_store import MappedStore
from service.site.mapping import NO_MAPPING
from service.site.needs import needs_of, plan_of
from service.site.recollection import count_again
from service.site.staging import Range, blocks, ranges
from service.site.store import open_store

ROOT = Path(__file__).parents[1]
TABLE = ROOT / "docs" / "bench-site.md"
STORED = 100_000  # patients
TIMES = 3
REFRESHED = 20_000
CHANGED = 0.005
BASE = "https://ehr.example/fhir"
BLOCK = 2**18
EVENTS = "urn:weir:codesystem:dreaming-event"
PROFILE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core"
HEAD = f"""# What storing and refreshing cost a site

Written by `make bench`, for made-up patients of 21 resources each, on {{cores}} cores that may have
had other work. CPU seconds are of all processes that Weir starts.

## Storing

{STORED:,} patients go into the store; beside it, in the same run, the same files merely decoded
with untyped msgspec, block by block and line by line, in a process of which the garbage collector
looks through nothing else: else it takes up to twice as long block by block. *One core* is one
process that is kept to one core; *all cores* is as many processes as there are cores, up to four.
All of it is done {{times}} times, turn by turn, and the fastest of each is told.

{{storing}}

Speed of storing as a site does it, on {{cores}} cores, as a share of merely decoding in one
process, by the clock: **{{wall}} %** of decoding block by block, **{{line_wall}} %** of decoding
line by line. The target is 60 %. By CPU time: **{{cpu}} %** and **{{line_cpu}} %**; processes at
work at the same time take more CPU seconds each, because they share caches and, on most virtual
machines, a core. Like with like, by the clock: **{{wall_all}} %** on all cores, **{{one_wall}} %**
on one.

Memory: the largest process has {{peak}} MB after {STORED:,} patients, {{small}} MB after a tenth.

## Refreshing

A full run (store and evaluate everybody) of {REFRESHED:,} patients, the DrEaMing measure in twelve
months, and the nightly run after it in which {CHANGED:.1%} of them have a new record and a changed
one; the fastest of {{times}} again. The pull itself and what comes after evaluation are not in it.

{{refreshing}}

The nightly run costs **{{share_cpu}} %** of a full one in CPU time, **{{share_wall}} %** by the
clock. The target is 3 %.
"""


@dataclass(frozen=True)
class Cost:
    """Seconds by the clock, seconds of CPU."""

    wall: float
    cpu: float

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.wall + other.wall, self.cpu + other.cpu)


def cost(work: Callable[[], Any]) -> Cost:
    """What it takes to do something."""
    began, used = time.perf_counter(), _cpu()
    work()
    return Cost(time.perf_counter() - began, _cpu() - used)


def fastest(turns: list[list[Cost]]) -> list[Cost]:
    """Of each thing that was done in every turn, what it took the fastest time."""
    return [min(costs, key=attrgetter("wall")) for costs in zip(*turns, strict=True)]


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def _peak() -> float:
    """Megabytes of the largest process that there was, this one or one that it waited for."""
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return max(resource.getrusage(each).ru_maxrss for each in who) / 1024


def main(stored: int = STORED, refreshed: int = REFRESHED) -> None:
    """Measures, prints and writes the table."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("WEIR_BENCH_DIR")) as name:
        folder = Path(name)
        told = storing(folder / "storing", stored) | refreshing(folder / "refreshing", refreshed)
    text = HEAD.format(cores=len(os.sched_getaffinity(0)), times=TIMES, **told)
    sys.stdout.write(text)
    if (stored, refreshed) == (STORED, REFRESHED):
        TABLE.write_text(text, encoding="utf-8")
        sys.stdout.write(f"Written to {TABLE}\n")


# Storing


def storing(folder: Path, patients: int) -> dict[str, str]:
    """Storing, and merely decoding, so many patients."""
    small = in_a_process(_store, folder / "small", make(folder / "tenth", patients // 10))
    files = make(folder / "pull", patients)
    size = sum(file.path.stat().st_size for file in files)
    paths = [file.path for file in files]
    cores = len(os.sched_getaffinity(0))
    ways: dict[str, Callable[[], Figures]] = {
        "store, all cores": lambda: in_a_process(_store, folder / "full", files),
        "store, one core": lambda: in_a_process(_store, folder / "one", files, cores=1),
        "decode block by block, all cores": lambda: _decoded_in(cores, files),
        "decode block by block, one core": lambda: in_a_process(_decoded, paths, cores=1),
        "decode line by line, one core": lambda: in_a_process(_decoded_by_line, paths, cores=1),
    }
    # Turn by turn, so that what else the machine does meets all of them.
    done = [[way() for way in ways.values()] for _ in range(TIMES)]
    best = fastest([[each.cost for each in turn] for turn in done])
    full, one, every, blocks, lines = best
    peak = max(each[0].peak for each in done)
    table = ["| | s | CPU s | MB/s |\n|---|---|---|---|"]
    table += [
        f"| {n} | {c.wall:.1f} | {c.cpu:.1f} | {size / 1e6 / c.wall:.0f} |"
        for n, c in zip(ways, best, strict=True)
    ]
    return {
        "storing": "\n".join(table),
        "wall": f"{100 * blocks.wall / full.wall:.0f}",
        "wall_all": f"{100 * every.wall / full.wall:.0f}",
        "cpu": f"{100 * blocks.cpu / full.cpu:.0f}",
        "one_wall": f"{100 * blocks.wall / one.wall:.0f}",
        "line_wall": f"{100 * lines.wall / full.wall:.0f}",
        "line_cpu": f"{100 * lines.cpu / full.cpu:.0f}",
        "peak": f"{peak:.0f}",
        "small": f"{small.peak:.0f}",
    }


@dataclass(frozen=True)
class Figures:
    """What a process took, and megabytes of the largest process."""

    cost: Cost
    peak: float


def in_a_process(work: Callable[..., Figures], *given: Any, cores: int | None = None) -> Figures:
    """Do it in a process of its own, so that its memory is its own, kept to some of the cores."""
    kept_to = sorted(os.sched_getaffinity(0))[:cores]
    with multiprocessing.get_context("spawn").Pool(1, os.sched_setaffinity, (0, kept_to)) as pool:
        return pool.apply(work, given)


def _store(folder: Path, files: list[AcquiredFile]) -> Figures:
    acquisition, plan = pulled(folder, files), plan_of(dreaming())
    spent = cost(lambda: build_store(acquisition, plan, folder))
    return Figures(spent, _peak())


def _decoded(paths: list[Path]) -> Figures:
    gc.freeze()  # as in a program that has loaded nothing else for the collector to look through
    spent = cost(lambda: _decode(paths))
    return Figures(spent, _peak())


def _decoded_by_line(paths: list[Path]) -> Figures:
    gc.freeze()
    spent = cost(lambda: _decode_by_line(paths))
    return Figures(spent, _peak())


def _decode_by_line(paths: Iterable[Path]) -> None:
    decode = msgspec.json.Decoder().decode
    for path in paths:
        with path.open("rb") as file:
            for line in file:
                decode(line)


def _decode(paths: Iterable[Path]) -> None:
    decode = msgspec.json.Decoder().decode_lines
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                decode(block + file.readline())


def _decode_range(part: Range) -> None:
    decode = msgspec.json.Decoder().decode_lines
    for block in blocks(part):
        decode(block)


def _decoded_in(cores: int, files: list[AcquiredFile]) -> Figures:
    return Figures(cost(lambda: _decode_in(cores, files)), 0)


def _decode_in(cores: int, files: Iterable[AcquiredFile]) -> None:
    """The same in several processes, among which the lines are divided as they are for storing."""
    with multiprocessing.get_context("fork").Pool(cores, gc.freeze) as pool:
        pool.map(_decode_range, ranges(files), chunksize=1)


# Refreshing


def refreshing(folder: Path, patients: int) -> dict[str, str]:
    """A full run, and a nightly one after it, of so many patients."""
    plan = plan_of(dreaming())
    pull = pulled(folder / "pull", make(folder / "pull", patients))
    step = round(1 / CHANGED)
    files = make(folder / "night", patients, step=step, changed=True)
    night = pulled(folder / "night", files, since="2026-07-01T00:00:00+00:00")

    def lay(site: Path) -> None:
        assert lay_over(night, plan, site) is not None

    def run(site: Path) -> list[Cost]:
        ways: list[Callable[[], Any]] = [
            lambda: build_store(pull, plan, site),
            lambda: _count(site),
            lambda: lay(site),
            lambda: _count(site),
        ]
        return [cost(way) for way in ways]

    store, evaluated, laid, again = fastest([run(folder / str(time)) for time in range(TIMES)])
    full, nightly = store + evaluated, laid + again
    rows = [
        ("full run: store", store),
        ("full run: evaluate", evaluated),
        ("nightly run: lay changes over the store", laid),
        ("nightly run: evaluate", again),
    ]
    table = ["| | s | CPU s |\n|---|---|---|"]
    table += [f"| {name} | {each.wall:.2f} | {each.cpu:.2f} |" for name, each in rows]
    return {
        "refreshing": "\n".join(table),
        "share_cpu": f"{100 * nightly.cpu / full.cpu:.1f}",
        "share_wall": f"{100 * nightly.wall / full.wall:.1f}",
    }


def dreaming() -> MeasurePackage:
    """The measure."""
    return load_package(ROOT / "measures" / "dreaming")


def _count(site: Path) -> None:
    package = dreaming()
    policy = parse_policy(
        'network = "n"\nversion = "1"\nthreshold = 11\nrounding = 3\nlegal_basis = "x"\n'
        f'[[release]]\nmeasure = "{package.url}"\nwindow = "month"\n'
        'from = "2025-01"\nto = "2025-12"\n'.encode()
    )
    mapped = MappedStore(open_store(site), NO_MAPPING, [needs_of(package)])
    as_of = datetime.fromisoformat("2026-07-01T00:00:00+00:00")
    counts = counts_of([package], policy, ZoneInfo("UTC"), as_of)
    results = count_again(mapped, [package], counts, "none", site)
    assert sum(len(next(iter(one.table.groups)).populations) for one in results)


# Patients


def pulled(folder: Path, files: list[AcquiredFile], since: str | None = None) -> Acquisition:
    """A pull of files."""
    return Acquisition(folder, BASE, "2026-07-01T00:00:00+00:00", tuple(files), (), since=since)


def make(folder: Path, patients: int, step: int = 1, changed: bool = False) -> list[AcquiredFile]:
    """Files of every so-manieth patient; if ``changed``, with other records than before."""
    folder.mkdir(parents=True)
    texts: dict[str, Any] = {}
    lines: dict[str, int] = {}
    for number in range(0, patients, step):
        for name, line in records(number, changed):
            if name not in texts:
                texts[name] = (folder / f"{name}.ndjson").open("w", encoding="utf-8")
            texts[name].write(line)
            lines[name] = lines.get(name, 0) + 1
    for file in texts.values():
        file.close()
    os.sync()  # so that nothing of this goes on while something else is timed
    return [AcquiredFile(folder / f"{name}.ndjson", name, of) for name, of in lines.items()]


def records(number: int, changed: bool = False) -> Iterator[tuple[str, str]]:
    """The lines of one patient; those that changed alone if ``changed``."""
    id = f"{number * 2654435761 % 2**32:08x}-{number:08x}"
    month, day = number % 12 + 1, number % 20 + 1
    at = f"2025-{month:02}-{day:02}T"
    status = "cancelled" if changed else "finished"
    yield (
        "Encounter",
        _line(
            "Encounter",
            f"e-{id}",
            id,
            f'"status":"{status}","class":{{"system":'
            f'"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"IMP"}},"period":{{"start":'
            f'"{at}08:00:00Z","end":"2025-{month:02}-{day + 5:02}T11:00:00Z"}}',
        ),
    )
    if not changed:
        yield "Patient", _patient(id, number)
        yield (
            "Procedure",
            _line(
                "Procedure",
                f"s-{id}",
                id,
                f'"status":"completed","code":{{'
                f'"coding":[{{"system":"urn:weir:codesystem:surgery","code":"orthopaedic"}}]}},'
                f'"encounter":{{"reference":"Encounter/e-{id}"}},"performedPeriod":{{"start":'
                f'"{at}09:00:00Z","end":"{at}11:00:00Z"}}',
            ),
        )
    for n in [18] if changed else range(18):
        code = ("drink", "eat", "mobilise", "other")[n % 4]
        yield (
            "Observation",
            _line(
                "Observation",
                f"o{n}-{id}",
                id,
                f'"status":"final","code":{{'
                f'"coding":[{{"system":"{EVENTS}","code":"{code}","display":"{code}"}}]}},'
                f'"encounter":{{"reference":"Encounter/e-{id}"}},"effectiveDateTime":'
                f'"{at}{12 + n % 8:02}:15:00Z","valueQuantity":{{"value":{n}.50,"unit":"1"}}',
            ),
        )


def _patient(id: str, number: int) -> str:
    return (
        f'{{"resourceType":"Patient","id":"{id}","meta":{{"versionId":"3","lastUpdated":'
        f'"2026-03-04T05:06:07.890Z","profile":["{PROFILE}-patient"]}},"identifier":[{{"system":'
        f'"urn:oid:1.2.36.146.595.217.0.1","value":"{number:010}"}}],"name":[{{"family":'
        f'"Family{number}","given":["Given","Middle"]}}],"gender":"female","birthDate":'
        f'"{1930 + number % 70}-05-17","address":[{{"line":["1 Main Street"],"city":"Town",'
        f'"postalCode":"{number % 100000:05}"}}]}}\n'
    )


def _line(type_name: str, id: str, patient: str, own: str) -> str:
    """A record as an EHR writes it."""
    return (
        f'{{"resourceType":"{type_name}","id":"{id}","meta":{{"versionId":"1","lastUpdated":'
        f'"2026-03-04T05:06:07.890Z","profile":["{PROFILE}-{type_name.lower()}"]}},'
        f'"text":{{"status":"generated","div":"<div xmlns=\\"http://www.w3.org/1999/xhtml\\">'
        f'Recorded in the course of care, reviewed and signed.</div>"}},"identifier":[{{"system":'
        f'"urn:oid:1.2.840.114350.1.13.0","value":"{id}"}}],{own},"subject":{{"reference":'
        f'"Patient/{patient}","display":"Family, Given"}}}}\n'
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
