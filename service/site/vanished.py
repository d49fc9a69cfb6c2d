"""What the last store had of patients who are still there, and a pull of everything did not bring.

It is gone at the EHR, or was left out. Nothing else shows which: a few records are too few to be
missed in counts, and one that moves from a patient who is searched later to one who was searched
before stands in neither answer. So it is looked up by id, and what is there goes into the store.
What cannot be looked up is doubted, until a second pull does not bring it either.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from service.fhir.owner import owners
from service.site.acquisition import AcquiredFile
from service.site.changes import Key, attach_store
from service.site.division import workbench
from service.site.plan import AcquisitionPlan
from service.site.staging import private
from service.site.store import Store
from service.site.verdict import Fault, Finding

MOST = 200  # resources that are looked up; where more have vanished, these stand for them


class LookedUp(NamedTuple):
    """Those of some resources that the EHR has, and those of which it did not tell."""

    found: Sequence[bytes] = ()
    unsure: Sequence[Key] = ()


LookUp = Callable[[Sequence[Key]], LookedUp]


class _Head(msgspec.Struct):
    resourceType: str
    id: str


def what_vanished(
    plan: AcquisitionPlan, last: Store, parts: Sequence[Path], folder: Path, look_up: LookUp
) -> tuple[list[AcquiredFile], list[Finding]]:
    """What a pull left out, as files in the folder, and what is to be said of it.

    ``parts`` are the files that were built of the pull.
    """
    with workbench(folder) as work:
        attach_store(work, last)
        new = ", ".join("'" + str(path).replace("'", "''") + "'" for path in parts)
        work.execute(f"CREATE OR REPLACE TEMP VIEW new AS FROM read_parquet([{new}])")
        gone = _vanished(work, plan)
        looked_up = look_up(gone) if gone else LookedUp()
        found = list(_of_patients(work, looked_up.found))
    counts = Counter(kind for kind, _ in found)
    files = [
        _written(folder, name, [line for kind, line in found if kind == name]) for name in counts
    ]
    unsure = Counter(kind for kind, _ in looked_up.unsure)
    findings = [Finding(Fault.LEFT_OUT, name, count, name) for name, count in counts.items()]
    findings += [Finding(Fault.VANISHED, name, count, name) for name, count in unsure.items()]
    return files, findings


def _vanished(work: Any, plan: AcquisitionPlan) -> list[Key]:
    """What is in the last store alone; of much of it some that nobody has chosen."""
    rows = work.execute(
        """
        SELECT type, id FROM old
            SEMI JOIN (SELECT DISTINCT patient FROM new) AS here USING (patient)
            ANTI JOIN new USING (type, id)
        WHERE NOT shared AND type IN (SELECT unnest($types::VARCHAR[]))
        ORDER BY hash(type, id) LIMIT $most
        """,
        {"types": sorted(plan.types), "most": MOST},
    )
    return [(name, id) for name, id in rows.fetchall()]


def _of_patients(work: Any, lines: Sequence[bytes]) -> Iterator[tuple[str, bytes]]:
    """Those of the resources, with their types, that are of a patient of the new store."""
    for line in lines:
        try:
            kind = msgspec.json.decode(line, type=_Head).resourceType
            told = owners(kind, line)
        except (ValueError, RecursionError):
            continue
        here = "SELECT 1 FROM new WHERE patient IN (SELECT unnest(?::VARCHAR[])) LIMIT 1"
        if work.execute(here, [told]).fetchone():
            yield kind, line


def _written(folder: Path, type_name: str, lines: Sequence[bytes]) -> AcquiredFile:
    path = folder / f"left-out-{type_name}.ndjson"
    with private(path) as file:
        file.writelines(line + b"\n" for line in lines)
    return AcquiredFile(path, type_name, len(lines))
