"""A very small hospital, written by hand, whose every count can be checked by eye.

In January 2026 four patients leave after major surgery, one of them a child, and one leaves after
pneumonia and is back within 30 days:

    canary-anna    adult; drank, ate and was up within 24 hours
    canary-berta   adult; drank alone
    canary-carl    adult; nothing is recorded
    canary-emil    17 years old; all three
    canary-dora    adult; no surgery; discharged on 12 January, admitted again on the 20th

Ids, names and birth dates are canaries: `assert_no_canary` finds them where they must not be.
"""

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from service.measure.package import load_package
from service.site.acquisition import AcquiredFile, Acquisition
from service.site.building import build_store
from service.site.config import SiteConfig
from service.site.needs import plan_of
from service.site.plan import ALL_ELEMENTS, AcquisitionPlan, merge
from service.site.store import Store
from service.site.verdict import Finding

Resource = dict[str, Any]

CANARIES = ("canary", "Zyzzyva", "1961-02-03", "2008-07-06")
PLAN = AcquisitionPlan(
    {
        name: frozenset({ALL_ELEMENTS})
        for name in ("Patient", "Encounter", "Procedure", "Observation")
    }
)
EVENTS = "urn:weir:codesystem:dreaming-event"


def patient(name: str, born: str | None = "1961-02-03") -> Resource:
    told = {"resourceType": "Patient", "id": name, "name": [{"family": "Zyzzyva"}]}
    return told | ({"birthDate": born} if born else {})


def stay(name: str, number: int, start: str, end: str) -> Resource:
    return {
        "resourceType": "Encounter",
        "id": f"{name}-stay-{number}",
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
        "subject": {"reference": f"Patient/{name}"},
        "period": {"start": f"2026-{start}T08:00:00Z", "end": f"2026-{end}T11:00:00Z"},
    }


def operation(name: str, day: str) -> Resource:
    return {
        "resourceType": "Procedure",
        "id": f"{name}-operation",
        "status": "completed",
        "code": {"coding": [{"system": "urn:weir:codesystem:surgery", "code": "orthopaedic"}]},
        "subject": {"reference": f"Patient/{name}"},
        "encounter": {"reference": f"Encounter/{name}-stay-1"},
        "performedPeriod": {"start": f"2026-{day}T09:00:00Z", "end": f"2026-{day}T11:00:00Z"},
    }


def event(name: str, code: str, at: str) -> Resource:
    return {
        "resourceType": "Observation",
        "id": f"{name}-{code}",
        "status": "final",
        "code": {"coding": [{"system": EVENTS, "code": code}]},
        "subject": {"reference": f"Patient/{name}"},
        "effectiveDateTime": f"2026-{at}:00Z",
    }


def surgical(name: str, events: Iterable[str], born: str | None = "1961-02-03") -> list[Resource]:
    """In hospital from 5 to 9 January, operated on the 6th, each event four hours later."""
    return [
        patient(name, born),
        stay(name, 1, "01-05", "01-09"),
        operation(name, "01-06"),
        *(event(name, code, "01-06T15:00") for code in events),
    ]


CHART: tuple[Resource, ...] = (
    *surgical("canary-anna", ("drink", "eat", "mobilise")),
    *surgical("canary-berta", ("drink",)),
    *surgical("canary-carl", ()),
    *surgical("canary-emil", ("drink", "eat", "mobilise"), born="2008-07-06"),
    patient("canary-dora"),
    stay("canary-dora", 1, "01-10", "01-12"),
    stay("canary-dora", 2, "01-20", "01-25"),
)


@cache
def plan(measures: tuple[Path, ...]) -> AcquisitionPlan:
    """What a site acquires for these measures."""
    return merge(plan_of(load_package(path)) for path in measures)


def fill_store(
    config: SiteConfig, chart: Iterable[Resource] = CHART, findings: Iterable[Finding] = ()
) -> Store:
    """Build the site's store from NDJSON files, as after a pull on 1 June 2026."""
    by_type: dict[str, list[str]] = {}
    for resource in chart:
        by_type.setdefault(resource["resourceType"], []).append(json.dumps(resource))
    folder = config.data_dir / "pull"
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name, lines in by_type.items():
        path = folder / f"{name}.ndjson"
        path.write_text("\n".join(lines) + "\n")
        files.append(AcquiredFile(path, name, len(lines)))
    pulled = Acquisition(
        folder, "https://ehr.example/fhir", "2026-06-01T00:00:00Z", tuple(files), tuple(findings)
    )
    try:
        return build_store(pulled, plan(config.measures), config.data_dir)
    finally:
        pulled.discard()


def assert_no_canary(text: str) -> None:
    """No id, name or birth date of a patient stands in the text."""
    assert [canary for canary in CANARIES if canary in text] == []
