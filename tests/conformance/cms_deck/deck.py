"""The CMS 2026 test deck: 47 published measures with test patients and expected reports.

The deck lies outside the repository (its value sets are licensed); it is unpacked into the cache
when it is first needed. `differences` compares what Weir reports of a patient, as JSON, with what
the measure's authors expect, without any change to the data.
"""

from __future__ import annotations

import fcntl
import json
import tarfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from service.fhir.folder import Folder
from service.measure.evaluator import Evaluator
from service.measure.package import load_package
from service.measure.period import Period
from service.measure.report import Reporter

TAR = Path(__file__).parents[4] / "shared" / "data" / "cms-deck.tar.xz"
CACHE = Path.home() / ".cache" / "weir"
DECK = CACHE / "cms-deck"

Json = dict[str, Any]


def there() -> bool:
    return DECK.is_dir() or TAR.exists()


def unpacked() -> Path:
    """The deck's folder; one of several test processes unpacks it."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "cms-deck.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not DECK.is_dir():
            unfinished = CACHE / "cms-deck.part"
            # Python 3.11 has filters from 3.11.4 on.
            how: Any = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
            with tarfile.open(TAR) as tar:
                tar.extractall(unfinished, **how)
            (unfinished / "cms-deck").rename(DECK)
            unfinished.rmdir()
    return DECK


def measures() -> list[str]:
    return sorted(folder.name for folder in unpacked().iterdir() if folder.is_dir())


@cache
def expected(measure: str) -> dict[str, Json]:
    """What is expected of each patient of a measure, by id."""
    told: dict[str, Json] = json.loads((unpacked() / measure / "expected.json").read_text())
    return told["patients"]


def reports(measure: str) -> Iterator[tuple[str, Json]]:
    """Every patient's individual report."""
    package = load_package(unpacked() / measure / "measure-bundle.json")
    reporters: dict[str, tuple[Evaluator, Reporter]] = {}
    with Folder(unpacked() / measure / "tests") as folder:
        folder.gather()
        for found in folder.patients():
            patient = found.record.id
            days = "/".join(expected(measure)[patient]["period"].values())
            if days not in reporters:
                evaluator = Evaluator(package, Period.parse(days), ZoneInfo("UTC"))
                reporters[days] = evaluator, Reporter(evaluator)
            evaluator, reporter = reporters[days]
            yield patient, reporter.individual(evaluator.evaluate(found.record))
        assert not folder.faults


def differences(told: Json, report: Json) -> list[str]:
    """What the report says otherwise than expected: counts, observations, strata."""
    groups = {group["id"]: group for group in report["group"]}
    return [
        *_counts(told["groups"], groups),
        *_observations(told.get("observations", {}), groups),
        *_strata(told.get("stratifiers", {}), groups),
    ]


def _counts(wanted: Json, groups: dict[str, Json]) -> Iterator[str]:
    for name, counts in wanted.items():
        found = {_code(one): one["count"] for one in groups[name]["population"]}
        for code, count in counts.items():
            if found.get(code) != count:
                yield f"{name} {code}: {found.get(code)}, expected {count}"


def _observations(wanted: Json, groups: dict[str, Json]) -> Iterator[str]:
    """Values of each observation, in any order.

    Those of a ratio are called MeasureObservation_<group>_<side>_<n>, those of a continuous
    variable MeasureObservation_<group>_<n>.
    """
    for name, told in wanted.items():
        found = {
            one["id"]: sorted(float(e["valueDecimal"]) for e in one.get("extension", ()))
            for one in groups[name]["population"]
            if _code(one) == "measure-observation"
        }
        values: dict[str, list[float]] = {one: [] for one in found}
        for one in told:
            values[_observation(one["id"], found)].append(one["count"])
        for one, numbers in values.items():
            if found[one] != sorted(numbers):
                yield f"{name} {one}: {found[one]}, expected {sorted(numbers)}"


def _observation(name: str, known: Json) -> str:
    """The Measure's id of the observation that an expected value called ``name`` is of."""
    base = name.rpartition("_")[0]
    return base if base in known else base.rpartition("_")[0]


def _strata(wanted: Json, groups: dict[str, Json]) -> Iterator[str]:
    """The counts within a stratum; what the deck calls "false" is no count at all."""
    for name, stratifiers in wanted.items():
        found = {one["id"]: one for one in groups[name]["stratifier"]}
        for stratifier, strata in stratifiers.items():
            inside = _inside(found[stratifier])
            for stratum, counts in strata.items():
                if stratum == "false":
                    continue
                for code, count in counts.items():
                    if inside.get(code) != count:
                        yield f"{name} {stratifier} {code}: {inside.get(code)}, expected {count}"


def _inside(stratifier: Json) -> dict[str, int]:
    """The counts of the stratum "true"."""
    for stratum in stratifier["stratum"]:
        if stratum["value"]["text"] == "true":
            return {_code(one): one["count"] for one in stratum["population"]}
    return {}


def _code(population: Json) -> str:
    return str(population["code"]["coding"][0]["code"])
