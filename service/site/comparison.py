"""A pull held against a search: of a few of its patients all records are searched one by one.

What an export leaves out it does not tell: a filter that is applied wrongly, a file that is lost, a
type that is missing for some patients. A search of the same server takes another way through it. Of
a search for many patients at once a server may look at the first, or take them all for one.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from urllib.parse import parse_qsl

import msgspec

from service.errors import EhrError, StoppedError
from service.fhir.paging import Query
from service.fhir.searching import search
from service.fhir.together import together
from service.progress import notice
from service.site.acquisition import AcquiredFile
from service.site.asking import CLOCKS, EVERYTHING, Asking
from service.site.population import patient_ids
from service.site.referred import ids_in
from service.site.searching import patient_parameter
from service.site.verdict import Fault, Finding

# Patients of whom a type is searched in vain before it is given up: an EHR's one bad record hides
# nobody else's, and one that cannot be searched at all does not hold up the pull.
MOST_UNANSWERED = 3


class _Meta(msgspec.Struct):
    lastUpdated: str = ""


class _Versioned(msgspec.Struct):
    meta: _Meta | None = None


@dataclass(frozen=True)
class _Compared:
    """How many records of a type are not in the pull, as far as searches were answered; and whether
    all were."""

    missing: int
    answered: bool


def compare(asking: Asking, files: list[AcquiredFile], as_of: datetime) -> list[Finding]:
    """What a search finds and the pull has not, by type; says so when there is no searching.

    Of a pull of everything alone. Of a pull of changes most is rightly not there, and what a search
    finds does not tell which change brought it; whatever it left out, the result is provisional
    until the next pull of everything, which is compared.
    """
    if asking.extent != EVERYTHING:
        return []
    patients = patient_ids(files)
    sample = _sample(patients, asking.config.fhir.check_patients, as_of)
    if not sample:
        return []
    types = sorted(asking.own_types - {"Patient"})
    found = together(
        lambda name: _compared(asking, name, sample, files, as_of), types, asking.at_once
    )
    silent = [name for name, each in zip(types, found, strict=True) if not each.answered]
    if silent:
        notice(f"Not compared with a search, which the EHR does not answer: {', '.join(silent)}")
    # Of what nobody can look for something must have come.
    came = {file.type for file in files if file.lines}
    unseen = [Finding(Fault.NOTHING_CAME, name, 1, name) for name in silent if name not in came]
    return unseen + [
        Finding(Fault.LEFT_OUT, name, each.missing, name)
        for name, each in zip(types, found, strict=True)
        if each.missing
    ]


def _sample(patients: Iterable[str], size: int, as_of: datetime) -> list[str]:
    """Patients by chance, others each time."""
    salt = as_of.isoformat()
    order = sorted(patients, key=lambda id: sha256(f"{salt} {id}".encode()).digest())
    return sorted(order[:size])


def _compared(
    asking: Asking, type_name: str, sample: list[str], files: list[AcquiredFile], as_of: datetime
) -> _Compared:
    """Hold the pull against a search of a type for each of some patients.

    What one search shows to be missing is missing, whatever becomes of the others.
    """
    there: dict[str, bytes] = {}
    unanswered = 0
    for id in sample:
        found, answered = _searched(asking, type_name, id)
        there |= found
        unanswered += not answered
        if unanswered == MOST_UNANSWERED:
            break
    came = {id for file in files if file.type == type_name for id in ids_in(file)}
    missing = sum(_was_there(there[id], as_of) for id in there.keys() - came)
    return _Compared(missing, answered=not unanswered)


def _searched(asking: Asking, type_name: str, patient: str) -> tuple[dict[str, bytes], bool]:
    """A patient's records of a type, by id, and whether every search for them was answered."""
    there: dict[str, bytes] = {}
    answered = True
    sound = asking.profile.search
    for text in sound.slices.get(type_name, ("",)):
        parameters = [(patient_parameter(type_name), patient), *parse_qsl(text)]
        query = Query(type_name, (*parameters, ("_count", str(sound.page_size))))
        try:
            matches = search(asking.endpoint, query, sound.manner)
        except StoppedError:
            raise
        except EhrError:
            return there, False
        answered = answered and not matches.refused
        there |= {id: line for (kind, id), line in matches.found.items() if kind == type_name}
    return there, answered


def _was_there(line: bytes, as_of: datetime) -> bool:
    """Whether a record has not changed since the pull; it has not when it does not say, or says
    that it changed at a time that is still to come."""
    try:
        meta = msgspec.json.decode(line, type=_Versioned).meta
        if meta is None:
            return True
        changed = datetime.fromisoformat(meta.lastUpdated)
        return changed <= as_of or changed > datetime.now(UTC) + CLOCKS
    except (ValueError, TypeError):
        return True
