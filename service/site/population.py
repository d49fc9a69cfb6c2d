"""Who is in a pull, before its records are read: how to divide them, and who replaces whom."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import Raw

from service.fhir.reference import parse_reference
from service.fhir.surrogates import without_halves
from service.site.acquisition import AcquiredFile
from service.site.staging import blocks, ranges
from service.site.turnover import mark

MOST_DIVISIONS = 256
MOST_IDS = 2**20  # ids that are looked at to divide


Replacement = tuple[str, str, str]  # the patient who says so, who is replaced, and by whom
MERGES = ("replaced-by", "replaces")
LINK_TYPES = frozenset({*MERGES, "refer", "seealso"})


@dataclass(frozen=True)
class Population:
    """``bounds`` are the ids at which a new division of the patients begins, in order; ``aliases``
    the ids of patients that another one has replaced, with the other's; ``links`` what the patients
    say of that. ``lost`` counts those who are there and were replaced, nobody knows by whom, or who
    replace nobody knows whom. ``marks`` stand for all who are there, or were replaced (see
    `turnover`)."""

    bounds: tuple[str, ...]
    aliases: Mapping[str, str]
    links: tuple[Replacement, ...] = ()
    lost: int = 0
    marks: Set[int] = frozenset()

    @property
    def divisions(self) -> int:
        return len(self.bounds) + 1


class _Patient(msgspec.Struct):
    resourceType: str = ""
    id: str = ""
    link: Raw = Raw()


def read_population(files: Sequence[AcquiredFile], base_url: str, divisions: int) -> Population:
    """Read the pull's Patients, to divide them into as many parts at most.

    Lines that are no Patient are passed over: they are found out when records are read.
    """
    ids: list[str] = []
    links: list[Replacement] = []
    marks: set[int] = set()
    for patient in _all(files):
        marks.add(mark(patient.id))
        if len(ids) < MOST_IDS:
            ids.append(patient.id)
        if len(patient.link):
            links += _replacements(patient, base_url)
    wanted = {id for _, old, new in links for id in (old, new) if id}
    there = {patient.id for patient in _all(files) if patient.id in wanted} if wanted else set()
    known = aliases(links, there)
    lost = {old for _, old, _ in links if old in there and old not in known}
    lost |= {says for says, old, _ in links if not old}
    marks.update(map(mark, known))
    links = sorted(set(links))
    return Population(_bounds(ids, divisions), known, tuple(links), len(lost), marks)


def patient_ids(files: Iterable[AcquiredFile]) -> set[str]:
    """The ids of the pull's Patients."""
    return {patient.id for patient in _all(files)}


def linked(files: Iterable[AcquiredFile], base_url: str) -> Iterator[tuple[str, list[Replacement]]]:
    """The pull's Patients, each with what it says of who replaces whom."""
    for patient in _all(files):
        yield patient.id, [link for link in _replacements(patient, base_url) if all(link)]


def put_together(ids: Iterable[str], links: Collection[Replacement]) -> set[str]:
    """Patients with all who were put together with them."""
    found, new = set[str](), set(ids)
    while new:
        found |= new
        pairs = ({old, other} for _, old, other in links)
        new = set().union(*(pair for pair in pairs if pair & found)) - found
    return found


def named_beside(files: Sequence[AcquiredFile], base_url: str) -> set[str]:
    """The pull's Patients who name another one of it and are somebody else, or may be."""
    there = patient_ids(files)
    return {
        patient.id
        for patient in _all(files)
        for link in _links(patient)
        if link.get("type") not in MERGES
        and (other := _other(link, base_url)) in there
        and other != patient.id
    }


def _replacements(patient: _Patient, base_url: str) -> Iterator[Replacement]:
    """Who replaces whom (http://hl7.org/fhir/R4/valueset-link-type.html); "" where that cannot be
    told, as where a link is of no known type. Who is replaced on another server is none of ours."""
    for link in _links(patient):
        text = _reference(link)
        id = _other(link, base_url)
        kind = str(link.get("type"))
        if kind == "replaced-by":
            yield patient.id, patient.id, id
        elif kind == "replaces" and (id or not text):
            yield patient.id, id, patient.id
        elif kind not in LINK_TYPES:
            yield patient.id, "", patient.id


def _other(link: Mapping[str, Any], base_url: str) -> str:
    """The id of the patient whom a link names here on this server; "" when it names none."""
    text = _reference(link)
    other = parse_reference(text, base_url) if isinstance(text, str) else None
    return other[1] if other is not None and other[0] == "Patient" else ""


def _reference(link: Mapping[str, Any]) -> Any:
    held = link.get("other")
    return held.get("reference") if isinstance(held, dict) else None


def _links(patient: _Patient) -> list[dict[str, Any]]:
    """What stands in Patient.link, as far as it is what it should be."""
    try:
        given = msgspec.json.decode(patient.link) if bytes(patient.link) else None
    except (ValueError, RecursionError):
        given = None  # the record is found out when it is read
    return [link for link in given if isinstance(link, dict)] if isinstance(given, list) else []


def aliases(links: Iterable[Replacement], there: Set[str]) -> dict[str, str]:
    """Who stands for whom in the end, of those ``there``; what one says of oneself comes first."""
    replaced: dict[str, str] = {}
    for says, old, new in sorted(links, key=lambda link: (link[0] != link[1], link)):
        if not old:
            continue
        if says == old:
            replaced[old] = new
        else:
            replaced.setdefault(old, new)
    ends = ((old, _last(old, replaced)) for old in replaced)
    return {old: last for old, last in ends if last is not None and last in there}


def _last(id: str, replaced: Mapping[str, str]) -> str | None:
    """Who stands for a patient in the end; None when they replace each other in a circle."""
    seen = {id}
    while id in replaced:
        id = replaced[id]
        if id in seen:
            return None
        seen.add(id)
    return id


def _all(files: Iterable[AcquiredFile]) -> Iterator[_Patient]:
    for part in ranges(file for file in files if file.type == "Patient"):
        for block in blocks(part):
            yield from (patient for patient in _patients(block) if patient.id)


def _patients(block: bytes) -> list[_Patient]:
    try:
        return _decoder.decode_lines(block)
    except (ValueError, RecursionError):
        return [patient for line in block.split(b"\n") if (patient := _patient(line))]


def _patient(line: bytes) -> _Patient | None:
    try:
        return _decoder.decode(without_halves(line))
    except (ValueError, RecursionError):
        return None


_decoder = msgspec.json.Decoder(_Patient)


def _bounds(ids: list[str], divisions: int) -> tuple[str, ...]:
    """The ids at which a division begins."""
    divisions = max(1, min(MOST_DIVISIONS, divisions, len(ids)))
    ordered = sorted(ids)
    bounds = (ordered[len(ordered) * n // divisions] for n in range(1, divisions))
    return tuple(dict.fromkeys(bounds))
