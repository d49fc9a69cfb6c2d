"""Pulling by search: where the EHR does not export, or where its vendor profile says so.

First the patients, then for so many of them at a time each type of record. What the answers of the
EHR do not account for becomes a finding.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qsl

from service.fhir.compartment import SHARED
from service.fhir.paging import Query
from service.fhir.searching import Matches, chunks, count, search
from service.fhir.together import together
from service.progress import progress
from service.site.acquisition import AcquiredFile
from service.site.asking import Asking, elements_to_send
from service.site.cohort import read_cohort
from service.site.includes import includes
from service.site.population import linked, patient_ids
from service.site.pull_log import Cohort, PullLog
from service.site.verdict import Fault, Finding, added_up

BY_SUBJECT = frozenset({"SupplyRequest"})  # which cannot be searched by `patient`
EVERYONE = "everyone"


@dataclass(frozen=True)
class Part:
    """A search of a pull. ``ids`` are the patients whose records are wanted, all when empty;
    ``slice`` is a search that finds a part of the type."""

    key: str
    type: str
    ids: tuple[str, ...] = ()
    slice: str = ""


def search_all(asking: Asking, log: PullLog) -> str:
    """Search what the plan names, into files that the log has at the end.

    Returns the instant that the data are as of: the EHR's clock before the first search. Raises
    EhrError when it does not tell who is meant, UnavailableError when patience is at an end.
    """
    if log.cohort is None:
        as_of = _clock(asking)
        log.note(_cohort(asking, as_of))
    assert log.cohort is not None
    patients = _search_patients(asking, log.cohort, log)
    parts = list(_parts(asking, patients))
    _search_parts(asking, parts, "Searching records", log)
    _count_parts(asking, parts, log)
    return log.cohort.as_of


def search_more(asking: Asking, ids: Collection[str], log: PullLog) -> None:
    """Search some patients and all records of theirs, beside what is in the log's files already."""
    parts = [Part(f"Patient:{id}", "Patient", (id,)) for id in sorted(ids)]
    _search_parts(asking, parts, "Searching patients", log)
    there = patient_ids(_patient_files(log))
    parts = list(_parts(asking, sorted(there.intersection(ids))))
    _search_parts(asking, parts, "Searching records", log)


def _cohort(asking: Asking, as_of: str) -> Cohort:
    """Whose records are wanted."""
    if asking.extent.patients is not None:
        return Cohort(sorted(asking.extent.patients), 0, as_of)
    cohort = read_cohort(asking.endpoint, asking.config.fhir, asking.profile.search.manner)
    return Cohort(None if cohort.ids is None else sorted(cohort.ids), cohort.missing, as_of)


def search_findings(log: PullLog) -> list[Finding]:
    """What is wrong with a pull by search: one finding of a kind and type."""
    found = added_up(log.findings())
    cohort = log.cohort
    if cohort is not None:
        came = patient_ids(_patient_files(log))
        absent = len(set(cohort.ids or ()) - came) + cohort.missing
        if absent:
            found.append(Finding(Fault.COHORT_INCOMPLETE, "the EHR", absent))
    return sorted(found)


def _clock(asking: Asking) -> str:
    """The EHR's clock, or ours when it does not tell the time."""
    told = asking.endpoint.get("metadata").headers.get("Date", "")
    try:
        moment = parsedate_to_datetime(told)
    except (TypeError, ValueError):
        moment = datetime.now(UTC)
    return moment.astimezone(UTC).isoformat()


def _search_patients(asking: Asking, cohort: Cohort, log: PullLog) -> list[str]:
    """Search the patients, and those whose records were put together with theirs; their ids."""
    if cohort.ids is None:
        wanted = [Part(f"Patient:{EVERYONE}", "Patient")]
        _search_parts(asking, wanted, "Searching patients", log)
        _count_parts(asking, wanted, log)
        return sorted(patient_ids(_patient_files(log)))
    known: set[str] = set()
    new = set(cohort.ids)
    while new:
        known |= new
        groups = chunks(sorted(new), asking.profile.search.patients_at_once)
        parts = [Part(f"Patient:{ids[0]}", "Patient", ids) for ids in groups]
        _search_parts(asking, parts, "Searching patients", log)
        links = linked(_patient_files(log), asking.endpoint.base_url)
        new = {id for _, told in links for _, *pair in told for id in pair} - known
    return sorted(patient_ids(_patient_files(log)))


def _patient_files(log: PullLog) -> list[AcquiredFile]:
    return [file for file in log.files() if file.type == "Patient"]


def _parts(asking: Asking, patients: list[str]) -> Iterator[Part]:
    """The searches for all types but Patient, in an order that never changes."""
    for type_name in sorted(asking.own_types - {"Patient"}):
        slices = asking.profile.search.slices.get(type_name, ("",))
        for ids in chunks(patients, asking.profile.search.patients_at_once):
            for number, slice in enumerate(slices):
                yield Part(f"{type_name}:{ids[0]}:{number}", type_name, ids, slice)


def _search_parts(asking: Asking, parts: list[Part], title: str, log: PullLog) -> None:
    with progress(title, len(parts)) as advance:

        def take(part: Part) -> None:
            if part.key not in log.done:
                _search_part(asking, part, log)
            advance(1)

        together(take, parts, asking.at_once)


def _search_part(asking: Asking, part: Part, log: PullLog) -> None:
    """Make one search, and keep what comes."""
    found = _searched(asking, part)
    for matches in found:
        _add_included(asking, matches, log)
    # Apart, since the part is compared with how many matches the EHR counts.
    versions = [line for each in found for _, line in each.versions]
    if versions:
        log.add(f"versions in {part.key}", part.type, versions, [])
    lines = [line for each in found for line in (*each.found.values(), *each.nameless)]
    findings = [finding for each in found for finding in _faults(part, each)]
    log.add(part.key, part.type, lines, findings)


def _searched(asking: Asking, part: Part) -> list[Matches]:
    """What a search brings; patient by patient when many at once do not come whole."""
    found = [_asked(asking, part, part.ids)]
    if not found[0].whole and len(part.ids) > 1:
        found = [_asked(asking, part, (id,)) for id in part.ids]
    return found


def _count_parts(asking: Asking, parts: list[Part], log: PullLog) -> None:
    """Have the EHR count what the search of each type has that brought the most: it is the first to
    be cut where answers are. Patients who are searched by id are not counted: who of them did not
    come is known.
    """
    largest: dict[str, Part] = {}
    for part in parts:
        largest[part.type] = max(
            largest.get(part.type, part), part, key=lambda each: log.done[each.key].lines
        )

    def check(part: Part) -> None:
        key = f"count of {part.type}"
        if key not in log.done and not log.done[part.key].findings:  # else it is doubted anyway
            more = _missed(asking, part, log.done[part.key].lines)
            found = [Finding(Fault.COUNT_MISMATCH, part.type, more, part.type)] if more else []
            log.add(key, part.type, [], found)

    together(check, largest.values(), asking.at_once)


def _missed(asking: Asking, part: Part, came: int) -> int:
    """By how many the EHR counts more than came, and than come now: others may be new."""
    told = _told(asking, part) or 0
    if told <= came:
        return 0
    return max(0, told - sum(each.number for each in _searched(asking, part)))


def _told(asking: Asking, part: Part) -> int | None:
    """How many matches the EHR counts, of its patients one by one where it does not of them all;
    None when it does not say."""
    told = _counted(asking, part, part.ids)
    if told is not None or len(part.ids) < 2:
        return told
    total = 0
    for id in part.ids:
        one = _counted(asking, part, (id,))
        if one is None:
            return None
        total += one
    return total


def _counted(asking: Asking, part: Part, ids: tuple[str, ...]) -> int | None:
    query = Query(part.type, tuple(_parameters(asking, part, ids)))
    return count(asking.endpoint, query, asking.profile.search.manner)


def _add_included(asking: Asking, matches: Matches, log: PullLog) -> None:
    """Keep what came along and is nobody's, each once; the rest is searched for itself."""
    for (kind, id), line in matches.included.items():
        key = f"{kind}/{id}"
        if kind in asking.plan.types & SHARED and key not in log.done:
            log.add(key, kind, [line], [])


def _asked(asking: Asking, part: Part, ids: tuple[str, ...]) -> Matches:
    query = Query(part.type, tuple(_parameters(asking, part, ids)))
    matches = search(asking.endpoint, query, asking.profile.search.manner)
    if part.type == "Patient" and ids:  # a server that ignores `_id` sends everybody
        matches.found = {key: line for key, line in matches.found.items() if key[1] in ids}
        matches.versions = [each for each in matches.versions if each[0][1] in ids]
    return matches


def _parameters(asking: Asking, part: Part, ids: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    sound = asking.profile.search
    if ids:
        yield patient_parameter(part.type), ",".join(ids)
    yield from parse_qsl(part.slice)
    extent = asking.extent
    if extent.since is not None and sound.last_updated and part.type != "Patient":
        yield "_lastUpdated", f"ge{extent.since}"
    if extent.dated is not None and part.type in sound.dates:
        yield sound.dates[part.type], f"ge{extent.dated}"
    if sound.include:
        yield from includes(part.type, asking.plan.types)
    elements = elements_to_send(asking.plan, part.type) if sound.elements else None
    if elements is not None:
        yield "_elements", ",".join(sorted(elements))
    yield "_count", str(sound.page_size)


def patient_parameter(type_name: str) -> str:
    """The search parameter for whose a record is."""
    if type_name == "Patient":
        return "_id"
    return "subject" if type_name in BY_SUBJECT else "patient"


def _faults(part: Part, matches: Matches) -> Iterator[Finding]:
    name = part.type
    if matches.refused:
        yield Finding(Fault.TYPE_REFUSED, name, 1, name)
    if matches.mismatch:
        yield Finding(Fault.COUNT_MISMATCH, name, matches.mismatch, name)
    if matches.circles:
        yield Finding(Fault.ENDLESS, name, 1, name)
    if matches.cut:
        yield Finding(Fault.CUT_OFF, name, 1, name)
    if matches.issues:
        yield Finding(Fault.OUTCOME_AMONG_RECORDS, name, len(matches.issues), name)
    if part.slice:
        yield Finding(Fault.SLICED, name, 1, name)
