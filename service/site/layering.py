"""Step 2 after a pull of changes: lay them over the store, without touching what did not change.

Of each patient of whom something is different now, all records are read once more, as `building`
reads them, and written into a layer that takes the place of what the other files say of them. What
cannot be told from changes is left to the next full pull, and the verdict says so until then.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from service.site.acquisition import Acquisition
from service.site.building import arrived_of, building_folder, set_aside, undecided, unresolved
from service.site.changes import (
    Key,
    attach_store,
    deletions,
    find_affected,
    unaffected,
    write_kept,
)
from service.site.division import (
    PART,
    WHEN,
    Divided,
    Shared,
    by_month_and_day,
    copy,
    divide,
    drop_unheld,
    gather_shared,
    workbench,
)
from service.site.expectation import shortfalls
from service.site.placing import place_layer
from service.site.plan import AcquisitionPlan
from service.site.population import Replacement, aliases, patient_ids, read_population
from service.site.staging import Range, Staged, ranges
from service.site.staleness import recent
from service.site.store import Facts, Store, open_store
from service.site.verdict import Fault, Finding
from service.site.workers import Bench, Stage, setting_of

LARGEST = 0.2  # share of the patients: with a larger layer, all is better pulled anew
SMALL = 100  # patients: no layer of so few is too large
UNSEEN = (
    "Deletions that the EHR does not tell of, who has come into the group or left it, changes of "
    "what is nobody's own (a place, a medication), and records that went to somebody outside of "
    "the group or are kept there under another number,"
)


def lay_over(
    acquisition: Acquisition, plan: AcquisitionPlan, data_dir: Path, unseen: str = UNSEEN
) -> Store | None:
    """Lay a pull of changes over the store; None when they show that a full pull is needed.

    ``unseen`` is what such a pull cannot show, in words. Raises StoreError. Then, and when there is
    None, the store stays as it was.
    """
    store = open_store(data_dir)
    with building_folder(data_dir) as folder, workbench(folder) as work:
        facts = _lay(acquisition, plan, store, folder, work, unseen)
        if facts is None:
            return None
        replaced = _ids(work, "SELECT id FROM replaced UNION SELECT id FROM affected")
        if is_too_large(len(replaced), facts):
            return None
        short = shortfalls(store.facts.expected, facts.brought, facts.elements.keys())
        # What is to be expected a full pull tells: what was deleted untold is still in a layer.
        facts = msgspec.structs.replace(
            facts, findings=sorted([*facts.findings, *short]), expected=store.facts.expected
        )
        place_layer(folder, facts, sorted(replaced), data_dir)
    return open_store(data_dir)


def is_too_large(patients: int, facts: Facts) -> bool:
    """Whether there are so many patients to lay over a store that it is better pulled anew."""
    return patients > max(SMALL, LARGEST * facts.patients)


def _lay(
    acquisition: Acquisition,
    plan: AcquisitionPlan,
    store: Store,
    folder: Path,
    work: Any,
    unseen: str,
) -> Facts | None:
    """Write ``layer.parquet`` and ``shared.parquet``; what is known of the store with them."""
    told = list(deletions(acquisition.deleted, acquisition.base_url))
    gone = {key for key in told if key is not None}
    attach_store(work, store)
    links = _links(acquisition, store.facts, gone)
    now = aliases(links, _there(acquisition, work, links, gone))
    merged = _merged(store.facts.aliases, now)
    if merged is None or _comes_late(store.facts, acquisition, now):
        return None
    read, staged = _stage(acquisition, plan, now, folder, work, gone, merged)
    shared = gather_shared(work, folder)
    since = recent(acquisition.transaction_time)
    divided = divide(work, folder, 0, since, unaffected(work))
    _join(work, folder)
    findings = set_aside(folder, read, staged, [divided])
    findings += undecided([shared, divided])
    findings += unresolved(
        work, folder, "SELECT hash(type, id) AS key FROM old ANTI JOIN gone USING (type, id)"
    )
    stored = _STORED.format(folder / "layer.parquet")
    shared = shared.without(drop_unheld(work, folder, stored))
    if None in told:
        findings.append(Finding(Fault.EXPORT_ERROR, "what was deleted", told.count(None)))
    findings += [*acquisition.findings, Finding(Fault.UNRECONCILED, unseen)]
    facts = _counted(work, store.facts, divided, shared, since)
    # Records that come again are no more of them to lose some of.
    arrived = Counter(store.facts.arrived) | arrived_of(read, staged)
    return msgspec.structs.replace(
        facts,
        transaction_time=acquisition.transaction_time,
        lines=arrived.total(),
        arrived=dict(sorted(arrived.items())),
        findings=sorted(_together(store.facts.findings, findings)),
        aliases=now,
        links=list(links),
        absent=sorted({*store.facts.absent, *divided.absent}),
    )


def _links(acquisition: Acquisition, facts: Facts, gone: set[Key]) -> tuple[Replacement, ...]:
    """What patients say of who replaces whom, after the changes."""
    again = patient_ids(acquisition.files) | {id for name, id in gone if name == "Patient"}
    new = read_population(acquisition.files, acquisition.base_url, 1).links
    return tuple(sorted({*new, *(link for link in facts.links if link[0] not in again)}))


def _there(
    acquisition: Acquisition, work: Any, links: Iterable[Replacement], gone: set[Key]
) -> set[str]:
    """Those of the patients who replace others that are there."""
    wanted = {new for _, _, new in links}
    stored = "SELECT DISTINCT patient FROM old WHERE patient IN (SELECT unnest(?::VARCHAR[]))"
    held = {id for (id,) in work.execute(stored, [sorted(wanted)]).fetchall()} if wanted else set()
    return (held | patient_ids(acquisition.files)) - {id for name, id in gone if name == "Patient"}


def _merged(before: Mapping[str, str], now: Mapping[str, str]) -> set[str] | None:
    """The patients whose records go to others, and those others.

    None when one who was replaced is not any more: whose records were whose is not known here.
    """
    if any(now.get(old) != now.get(new, new) for old, new in before.items()):
        return None
    new = now.keys() - before.keys()
    return new | {now[old] for old in new}


def _comes_late(facts: Facts, acquisition: Acquisition, now: Mapping[str, str]) -> bool:
    """Whether one comes, or is replaced, whose records came before and were set aside."""
    return not {*patient_ids(acquisition.files), *now}.isdisjoint(facts.absent)


def _stage(
    acquisition: Acquisition,
    plan: AcquisitionPlan,
    now: Mapping[str, str],
    folder: Path,
    work: Any,
    gone: Iterable[Key],
    merged: Iterable[str],
) -> tuple[list[Range], list[Staged]]:
    """Read what arrived, and what stays of the patients of whom something is different now."""
    read = ranges(acquisition.files)
    with closing(Bench(setting_of(acquisition, plan, folder, now), 0)) as bench:
        staged = [_staged(bench, part) for part in read]
        find_affected(work, folder, gone, merged, _whole(acquisition, now))
        kept = ranges(write_kept(work, folder), first=len(read))
        # What they lack is known from when they came.
        again = [_staged(bench, part) for part in kept]
        staged += [msgspec.structs.replace(each, lines=0, faults={}) for each in again]
    return [*read, *kept], staged


def _whole(acquisition: Acquisition, now: Mapping[str, str]) -> set[str]:
    """The patients of whom everything came, and of all whom they replace."""
    if not acquisition.whole:
        return set()
    came = patient_ids(acquisition.files)
    return came - {new for old, new in now.items() if old not in came}


def _staged(bench: Bench, part: Range) -> Staged:
    staged = bench.do(Stage(part))
    assert isinstance(staged, Staged)
    return staged


# What the store has of its patients with a new layer over it.
_STORED = """
    SELECT type, id, shared FROM old ANTI JOIN affected ON patient = affected.id
    UNION ALL SELECT type, id, shared FROM read_parquet('{}')
"""


def _join(work: Any, folder: Path) -> None:
    """The new part with what stays of the last layer."""
    new = f"read_parquet('{folder / 'part-0.parquet'}')"
    query = f"""
        SELECT patient, fingerprint, type, id, day, shared, json FROM {new}
        UNION ALL SELECT * FROM layered ANTI JOIN affected ON patient = affected.id
        ORDER BY patient, type, id
    """
    copy(work, query, folder / "layer.parquet", PART)


def _counted(work: Any, before: Facts, divided: Divided, shared: Shared, since: str) -> Facts:
    """What is stored, by type, month and day, after what was stored before."""
    rows = work.execute(
        f"SELECT type, {WHEN}, count(*) FROM mine JOIN affected ON patient = affected.id "
        "WHERE NOT shared GROUP BY ALL",
        {"recent": since},
    ).fetchall()
    resources = Counter(before.resources)
    pooled = work.execute("SELECT type, count(*) FROM pool GROUP BY type").fetchall()
    for name, count in pooled:
        resources[name] -= count
    for name, _, count in rows:
        resources[name] -= count
    for name, count in [*divided.resources.items(), *shared.resources.items()]:
        resources[name] += count
    gone = by_month_and_day((name, day, -count) for name, day, count in rows if day)
    come = by_month_and_day(divided.days)
    months, days = (
        _added_up([was, *those])
        for was, *those in zip((before.months, before.days), gone, come, strict=True)
    )
    newer = ((name, {day: n for day, n in of.items() if day >= since}) for name, of in days.items())
    days = {name: of for name, of in newer if of}
    return msgspec.structs.replace(
        before,
        patients=resources["Patient"],
        resources=_present(resources),
        months=months,
        days=days,
    )


def _added_up(counts: Sequence[Mapping[str, Mapping[str, int]]]) -> dict[str, dict[str, int]]:
    """Counts of types, without what there is none of."""
    total: dict[str, Counter[str]] = {}
    for each in counts:
        for name, of in each.items():
            total.setdefault(name, Counter()).update(of)
    return {name: _present(of) for name, of in sorted(total.items()) if +of}


def _present(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted((+counts).items()))


def _together(before: Iterable[Finding], now: Sequence[Finding]) -> Iterator[Finding]:
    """The findings of a pull with those of its changes; what shrank is found anew."""
    counts: dict[tuple[Fault, str, str], int] = {}
    for finding in before:
        if finding.fault not in (Fault.SHRUNK, Fault.UNRECONCILED):
            counts[finding.fault, finding.where, finding.type] = finding.count
    for finding in now:
        key = finding.fault, finding.where, finding.type
        # A patient who is read again lacks the same again, and parts are parts each time.
        again = finding.fault in (Fault.UNRESOLVED_REFERENCE, Fault.SLICED)
        had = counts.get(key, 0)
        counts[key] = max(had, finding.count) if again else had + finding.count
    for (fault, where, type_name), count in counts.items():
        yield Finding(fault, where, count, type_name)


def _ids(work: Any, query: str) -> set[str]:
    return {id for (id,) in work.execute(query).fetchall()}
