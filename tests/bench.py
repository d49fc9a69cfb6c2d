"""CPU and memory of measures over many small patients: `make bench` prints and keeps the table.

The test patients of four CMS measures are multiplied with fresh ids. Each measure and size runs in
a process of its own, one patient after the other as a site does: the patient's JSON is decoded,
then the measure is evaluated; both are timed in CPU time of one core. Needs the test deck.
"""

from __future__ import annotations

import multiprocessing
import resource
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any

import msgspec

from service.cql.record import PatientRecord
from service.measure.evaluator import Evaluator
from service.measure.package import load_package
from service.measure.period import Period
from tests.conformance.cms_deck import deck

SIZES = (1_000, 10_000)
MEASURES = (
    "CMS122FHIRDiabetesAssessGT9Pct",
    "CMS130FHIRColorectalCancerScrn",
    "CMS165FHIRControllingHighBP",
    "CMS108FHIRVTEProphylaxis",  # counts encounters
)
TABLE = Path(__file__).parents[1] / "docs" / "bench.md"
HEAD = """# How fast measures are evaluated

Written by `make bench`: CPU milliseconds per patient on one core, and the process's peak memory.
The patients are the CMS test deck's, multiplied with fresh ids. *Load* is compiling the measure
from its package, once; *before* is the memory when every test patient has been evaluated once.

| measure | patients | resources each | load s | decode ms | evaluate ms | before MB | peak MB |
|---|---|---|---|---|---|---|---|
"""


@dataclass(frozen=True)
class Figures:
    """What one run took: seconds of CPU in all, megabytes of memory."""

    measure: str
    patients: int
    resources: int
    load: float
    decode: float
    evaluate: float
    before: float
    peak: float

    def row(self) -> str:
        """The row of the table."""
        name = self.measure.partition("FHIR")[0]
        each = self.resources / self.patients
        decode, evaluate = (1000 * total / self.patients for total in (self.decode, self.evaluate))
        timed = f"{self.load:.1f} | {decode:.3f} | {evaluate:.3f}"
        memory = f"{self.before:.0f} | {self.peak:.0f}"
        return f"| {name} | {self.patients:,} | {each:.1f} | {timed} | {memory} |"


def main() -> None:
    if not deck.there():
        sys.exit(f"The benchmark needs the test deck, {deck.TAR}")
    rows = []
    for measure in MEASURES:
        for size in SIZES:
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                rows.append(pool.apply(run, (measure, size)).row())
            sys.stdout.write(rows[-1] + "\n")
    TABLE.write_text(HEAD + "\n".join(rows) + "\n", encoding="utf-8")
    sys.stdout.write(f"Written to {TABLE}\n")


def run(measure: str, patients: int) -> Figures:
    """Evaluates the measure for so many patients."""
    began = time.process_time()
    package = load_package(deck.unpacked() / measure / "measure-bundle.json")
    period = next(iter(deck.expected(measure).values()))["period"]
    evaluator = Evaluator(package, Period.parse("/".join(period.values())))
    load = time.process_time() - began
    for text in islice(replicas(measure), len(deck.expected(measure))):
        evaluator.evaluate(_decoded("warm", text))
    before = _megabytes()
    resources, decode, evaluate = 0, 0.0, 0.0
    for number, text in zip(range(patients), replicas(measure), strict=False):
        began = time.process_time()
        record = _decoded(f"p{number}", text)
        decoded = time.process_time()
        evaluator.evaluate(record)
        evaluate += time.process_time() - decoded
        decode += decoded - began
        resources += sum(map(len, record.resources.values()))
    return Figures(measure, patients, resources, load, decode, evaluate, before, _megabytes())


def replicas(measure: str) -> Iterator[bytes]:
    """The resources of one patient after the other as JSON, each copy with ids of its own."""
    templates = [
        _template(path) for path in sorted((deck.unpacked() / measure / "tests").iterdir())
    ]
    for number in count():
        text, ids = templates[number % len(templates)]
        for id_ in ids:
            fresh = f"{id_}-{number}"
            text = text.replace(f'"{id_}"', f'"{fresh}"').replace(f'/{id_}"', f'/{fresh}"')
        yield text.encode()


def _template(path: Path) -> tuple[str, list[str]]:
    resources = [entry["resource"] for entry in msgspec.json.decode(path.read_bytes())["entry"]]
    ids = {one["id"] for one in resources if "id" in one}
    return msgspec.json.encode(resources).decode(), sorted(ids, key=len, reverse=True)


def _decoded(name: str, text: bytes) -> PatientRecord:
    by_type: dict[str, list[Any]] = defaultdict(list)
    for one in msgspec.json.decode(text):
        by_type[one["resourceType"]].append(one)
    return PatientRecord(name, by_type)


def _megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
