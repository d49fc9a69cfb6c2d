"""Who has news in a window of time: what is dated there, held against the store.

Where an EHR does not tell soundly what changed, what is dated lately shows it of nearly all: of
whom the window is not as the store has it, everything is pulled (docs/decisions/0012).
"""

from collections.abc import Collection, Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from service.fhir.compartment import SHARED
from service.site.acquisition import Acquisition
from service.site.building import building_folder
from service.site.changes import attach_store
from service.site.division import load_records, workbench
from service.site.plan import AcquisitionPlan
from service.site.population import patient_ids, put_together, read_population
from service.site.staging import ranges
from service.site.store import Facts, open_store
from service.site.workers import Bench, Stage, setting_of


@dataclass(frozen=True)
class Window:
    """A time that has not ended: ``month`` (YYYY-MM) is the first of it."""

    month: str

    @property
    def day(self) -> date:
        """The day before: the first of a month begins there in other time zones."""
        return date.fromisoformat(f"{self.month}-01") - timedelta(days=1)

    @property
    def unseen(self) -> str:
        """What it cannot show, in words."""
        return (
            f"Changes and deletions of what is dated before {self.month} or not at all or is "
            "nobody's own, and who has left the group,"
        )


def window_of(facts: Facts, days: int) -> Window:
    """The window that begins so many days before the last full pull, or a little earlier.

    It stays the same until the next full pull: nothing that is dated in it grows out of sight.
    """
    first = datetime.fromisoformat(facts.reconciled) - timedelta(days=days)
    return Window(f"{first:%Y-%m}")


def patients_with_news(
    seen: Acquisition, plan: AcquisitionPlan, window: Window, dated: Collection[str], data_dir: Path
) -> frozenset[str] | None:
    """Of the patients who came with a window, those of whom it is not as the store has it.

    Types that are ``dated`` came as far as they lie in the window, the others whole. With each
    patient come those with whom they were put together; None when one of these has left, since
    whose records were whose is not known here. Raises StoreError.
    """
    store = open_store(data_dir)
    links, aliases = store.facts.links, store.facts.aliases
    came = patient_ids(seen.files)
    if not came >= {*aliases.values(), *(says for says, _, _ in links)}:
        return None
    with building_folder(data_dir) as folder, workbench(folder) as work:
        attach_store(work, store)
        with closing(Bench(setting_of(seen, plan, folder, aliases), 0)) as bench:
            for part in ranges(seen.files):
                bench.do(Stage(part))
        load_records(work, folder, 0, ())
        found = _differing(work, came, plan.types - SHARED, window.month, frozenset(dated))
    now = read_population(seen.files, seen.base_url, 1).links
    found |= {says for says, _, _ in {*now} ^ {*links}}
    return frozenset(put_together(found, [*now, *links]) & came)


def _differing(
    work: Any, came: Iterable[str], types: frozenset[str], month: str, dated: frozenset[str]
) -> set[str]:
    """The patients who have a record in the window that the store has not, or the other way."""
    rows = work.execute(
        """
        WITH there AS (
            SELECT patient, type, id, hash(json) AS text FROM record
            WHERE patient IS NOT NULL AND type IN (SELECT unnest($types::VARCHAR[]))
        ), stored AS (
            SELECT patient, type, id, day, hash(json) AS text FROM old
            WHERE NOT shared AND type IN (SELECT unnest($types::VARCHAR[]))
        ), news AS (
            SELECT patient FROM there ANTI JOIN stored USING (patient, type, id, text)
            UNION
            SELECT patient FROM stored ANTI JOIN there USING (patient, type, id)
            WHERE day >= $month OR NOT (type IN (SELECT unnest($dated::VARCHAR[])))
        )
        SELECT patient FROM news WHERE patient IN (SELECT unnest($came::VARCHAR[]))
        """,
        {"types": sorted(types), "month": month, "dated": sorted(dated), "came": sorted(came)},
    )
    return {id for (id,) in rows.fetchall()}
