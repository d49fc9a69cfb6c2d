"""Who is in a pull, before its records are read: how to divide them, and who replaces whom."""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

import msgspec

from service.fhir.reference import parse_reference
from service.site.acquisition import AcquiredFile
from service.site.staging import blocks, ranges

MOST_DIVISIONS = 256
MOST_IDS = 2**20  # ids that are looked at to divide


Replacement = tuple[str, str, str]  # the patient who says so, who is replaced, and by whom


@dataclass(frozen=True)
class Population:
    """``bounds`` are the ids at which a new division of the patients begins, in order; ``aliases``
    the ids of patients that another one has replaced, with the other's; ``links`` what the patients
    say of that."""

    bounds: tuple[str, ...]
    aliases: Mapping[str, str]
    links: tuple[Replacement, ...] = ()

    @property
    def divisions(self) -> int:
        return len(self.bounds) + 1


class _Reference(msgspec.Struct, frozen=True):
    reference: str = ""


class _Link(msgspec.Struct, frozen=True):
    other: _Reference = _Reference()
    type: str = ""


class _Patient(msgspec.Struct):
    resourceType: str = ""
    id: str = ""
    link: list[_Link] = []


def read_population(files: Sequence[AcquiredFile], base_url: str, divisions: int) -> Population:
    """Read the pull's Patients, to divide them into as many parts at most.

    Lines that are no Patient are passed over: they are found out when records are read.
    """
    ids: list[str] = []
    links: list[Replacement] = []
    for patient in _all(files):
        if len(ids) < MOST_IDS:
            ids.append(patient.id)
        links += _replacements(patient, base_url)
    wanted = {last for _, _, last in links}
    there = {patient.id for patient in _all(files) if patient.id in wanted} if wanted else set()
    return Population(_bounds(ids, divisions), aliases(links, there), tuple(sorted(set(links))))


def patient_ids(files: Iterable[AcquiredFile]) -> set[str]:
    """The ids of the pull's Patients."""
    return {patient.id for patient in _all(files)}


def _replacements(patient: _Patient, base_url: str) -> Iterator[Replacement]:
    """Who replaces whom (http://hl7.org/fhir/R4/valueset-link-type.html)."""
    for link in patient.link:
        other = parse_reference(link.other.reference, base_url)
        if other is not None and other[0] == "Patient":
            if link.type == "replaced-by":
                yield patient.id, patient.id, other[1]
            elif link.type == "replaces":
                yield patient.id, other[1], patient.id


def aliases(links: Iterable[Replacement], there: Set[str]) -> dict[str, str]:
    """Who stands for whom in the end, of those ``there``; what one says of oneself comes first."""
    replaced: dict[str, str] = {}
    for says, old, new in sorted(links, key=lambda link: (link[0] != link[1], link)):
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
            yield from _patients(block)


def _patients(block: bytes) -> list[_Patient]:
    try:
        return _decoder.decode_lines(block)
    except (ValueError, RecursionError):
        return [patient for line in block.split(b"\n") if (patient := _patient(line))]


def _patient(line: bytes) -> _Patient | None:
    try:
        return _decoder.decode(line)
    except (ValueError, RecursionError):
        return None


_decoder = msgspec.json.Decoder(_Patient)


def _bounds(ids: list[str], divisions: int) -> tuple[str, ...]:
    """The ids at which a division begins."""
    divisions = max(1, min(MOST_DIVISIONS, divisions, len(ids)))
    ordered = sorted(ids)
    bounds = (ordered[len(ordered) * n // divisions] for n in range(1, divisions))
    return tuple(dict.fromkeys(bounds))
