"""Who is measured: the members of a FHIR Group or List, the patients that a search finds, or those
that a file names.

A file has one patient a line: the id at the EHR, or an identifier as ``system|value``, which the
EHR is asked for. What follows a # is a remark.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote

import msgspec

from service.errors import (
    AuthorizationError,
    ConfigError,
    EhrError,
    NarrowedError,
    StoppedError,
    UnavailableError,
)
from service.fhir.compartment import patient_link
from service.fhir.endpoint import Endpoint
from service.fhir.owner import head_of, references_of
from service.fhir.paging import Manner, Query
from service.fhir.reference import parse_reference
from service.fhir.searching import Matches, missed, search
from service.fhir.status import status_text
from service.progress import notice
from service.site.ehr_config import FhirConfig

MOST_GROUPS = 1_000  # that one group may be made of
PAGE = 200  # patients, or records of theirs, on a page of a search


@dataclass(frozen=True)
class Cohort:
    """``ids`` of patients at the EHR, all when None; ``optional`` are those that it names as no
    longer belonging; ``missing`` counts those that could not be made out."""

    ids: frozenset[str] | None
    optional: frozenset[str] = frozenset()
    missing: int = 0


def cohort_types(fhir: FhirConfig) -> frozenset[str]:
    """The resource types that have to be read to know who is measured."""
    if fhir.group is not None:
        return frozenset({"Group"})
    if fhir.list is not None:
        return frozenset({"List"})
    if fhir.patient_search is not None:
        return frozenset({fhir.patient_search.partition("?")[0]})
    return frozenset()


def read_cohort(endpoint: Endpoint, fhir: FhirConfig, manner: Manner) -> Cohort:
    """Ask the EHR who is meant.

    Raises EhrError when it does not tell, ConfigError when the file cannot be used.
    """
    if fhir.group is not None:
        return _members(endpoint, fhir.group)
    if fhir.list is not None:
        return _listed(endpoint, fhir.list)
    if fhir.patient_search is not None:
        return _found(endpoint, fhir.patient_search, manner)
    if fhir.patients is not None:
        return _named(endpoint, fhir.patients, manner)
    return Cohort(None)


@dataclass
class _Members:
    """Who is, or was, in Groups: patients, and Groups that are not followed yet."""

    ids: set[str] = field(default_factory=set)
    former: set[str] = field(default_factory=set)
    former_groups: set[str] = field(default_factory=set)
    missing: int = 0


def _members(endpoint: Endpoint, group: str) -> Cohort:
    """The members of a Group, and of Groups that are members of it."""
    seen: set[str] = set()
    members = _followed(endpoint, [group], seen)
    ids = frozenset(members.ids)
    return Cohort(ids, frozenset(_former(endpoint, members, seen) - ids), members.missing)


def _former(endpoint: Endpoint, members: _Members, seen: set[str]) -> set[str]:
    """The patients who have left, alone or with a Group. Nobody waits for them, so what a Group
    that has left does not tell is of no account."""
    former = set(members.former)
    for group in members.former_groups - seen:
        try:
            left = _followed(endpoint, [group], seen)
        except (UnavailableError, StoppedError, NarrowedError):
            raise
        except EhrError:
            continue
        former |= left.ids | left.former
    return former


def _followed(endpoint: Endpoint, waiting: list[str], seen: set[str]) -> _Members:
    """The members of Groups, and of Groups that are members of these; ``seen`` are those that were
    read already."""
    found = _Members()
    today = datetime.now(UTC).date().isoformat()
    while waiting:
        group = waiting.pop()
        if group in seen:
            continue
        seen.add(group)
        resource = _read(endpoint, "Group", group, "fhir.group")
        if resource.get("active") is False:
            notice("A Group of patients is not active: perhaps nobody keeps it up")
        members = _objects(resource.get("member"))
        found.missing += _unlisted(endpoint, resource, members)
        for member in members:
            kind, id = _target(endpoint, member.get("entity"))
            has_left = member.get("inactive") is True or _ended(member, today)
            if kind == "Patient":
                (found.former if has_left else found.ids).add(id)
            elif kind == "Group" and has_left:
                found.former_groups.add(id)
            elif kind == "Group" and len(seen) + len(waiting) < MOST_GROUPS:
                waiting += [id] if id not in seen else []
            else:
                found.missing += not has_left
    return found


def _objects(given: Any) -> list[dict[str, Any]]:
    """An array of objects; in the place of what is none stands an empty one."""
    listed = given if isinstance(given, list) else [] if given is None else [given]
    return [one if isinstance(one, dict) else {} for one in listed]


def _unlisted(endpoint: Endpoint, group: dict[str, Any], members: list[dict[str, Any]]) -> int:
    """How many members a Group counts and does not list.

    Raises EhrError when it lists none and there are, or are to be found by what they have in
    common.
    """
    quantity = group.get("quantity")
    counted = quantity if isinstance(quantity, int) else 0
    if not members and (counted or group.get("actual") is False):
        raise EhrError(
            "The Group does not list its members",
            where=f"Group at {endpoint.base_url}",
            todo="Ask the EHR's administrator for a Group that does",
        )
    return max(0, counted - len(members))


def _ended(member: dict[str, Any], today: str) -> bool:
    """Whether a membership's period is over."""
    period = member.get("period")
    end = period.get("end") if isinstance(period, dict) else None
    return isinstance(end, str) and end[:10] < today[: len(end)]


def _listed(endpoint: Endpoint, id: str) -> Cohort:
    """The patients of a List; entries that were removed from it do not count."""
    resource = _read(endpoint, "List", id, "fhir.list")
    _check_status(endpoint, resource)
    entries = _objects(resource.get("entry"))
    targets = [
        _target(endpoint, entry.get("item"))
        for entry in entries
        if entry.get("deleted") is not True
    ]
    ids = frozenset(id for kind, id in targets if kind == "Patient")
    return Cohort(ids, missing=sum(kind != "Patient" for kind, _ in targets))


def _check_status(endpoint: Endpoint, listed: dict[str, Any]) -> None:
    """Raise EhrError for a List that never meant what it says; say so of one kept up no more."""
    status = listed.get("status")
    if status == "entered-in-error":
        raise EhrError(
            "The List was entered in error",
            where=f"List at {endpoint.base_url}",
            todo="Ask the EHR's administrator for the List that is meant, and name it in fhir.list",
        )
    if status == "retired":
        notice("The List of patients is retired: nobody keeps it up, and who came since is missing")


def _read(endpoint: Endpoint, type_name: str, id: str, key: str) -> dict[str, Any]:
    todo = f"Check {key}, and ask the EHR's administrator whether this client may read it"
    where = f"{type_name} at {endpoint.base_url}"
    try:
        response = endpoint.get(f"{type_name}/{quote(id, safe='')}")
    except AuthorizationError as error:
        raise AuthorizationError(
            f"The patients' {type_name} cannot be read", where=where, todo=todo
        ) from error
    told = f"The patients' {type_name} cannot be read ({status_text(response)})"
    try:
        resource = msgspec.json.decode(response.content, type=dict[str, Any])
    except (ValueError, RecursionError):
        raise EhrError(told, where=where, todo=todo) from None
    if response.status_code != 200 or resource.get("resourceType") != type_name:
        raise EhrError(told, where=where, todo=todo)
    return resource


def _target(endpoint: Endpoint, reference: Any) -> tuple[str, str]:
    text = reference.get("reference") if isinstance(reference, dict) else None
    found = parse_reference(text, endpoint.base_url) if isinstance(text, str) else None
    return found or ("", "")


def _found(endpoint: Endpoint, text: str, manner: Manner) -> Cohort:
    """The patients that a search finds, or whose records it finds."""
    type_name, _, parameters = text.partition("?")
    asked = parse_qsl(parameters)
    if "_count" not in dict(asked):
        asked.append(("_count", str(PAGE)))  # else nobody can tell whether a page is full
    query = Query(type_name, tuple(asked), strict=True)
    matches = search(endpoint, query, manner)
    if matches.refused:
        raise EhrError(
            f"The EHR does not answer the search for patients ({matches.refused})",
            where=type_name,
            todo="Check fhir.patient_search",
        )
    meant = [
        {id} if kind == "Patient" else _owners(endpoint, kind, line)
        for (kind, id), line in matches.found.items()
    ]
    doubts = _doubts(matches) + missed(endpoint, query, manner, matches.number)
    return Cohort(frozenset().union(*meant), missing=meant.count(set()) + doubts)


def _doubts(matches: Matches) -> int:
    """What of a search nobody can tell whom it means, or whether it is all."""
    told = len(matches.issues) + len(matches.nameless)
    return told + matches.mismatch + matches.circles + matches.cut


def _owners(endpoint: Endpoint, kind: str, line: bytes) -> set[str]:
    """The patients whose record it is; none when that cannot be told."""
    if patient_link(kind) is None:
        return set()
    try:
        head = msgspec.json.decode(line, type=head_of(kind))
        targets = [parse_reference(one, endpoint.base_url) for one in references_of(head, kind)]
    except (ValueError, RecursionError):
        return set()
    return {found[1] for found in targets if found is not None and found[0] == "Patient"}


def _named(endpoint: Endpoint, path: Path, manner: Manner) -> Cohort:
    """The patients of a file; identifiers are asked for, by POST."""
    ids: set[str] = set()
    missing = 0
    for line in _lines(path):
        if "|" not in line:
            ids.add(line)
            continue
        found, doubts = _identified(endpoint, line, manner)
        ids.update(found)
        missing += doubts or not found
    return Cohort(frozenset(ids), missing=missing)


def _lines(path: Path) -> Iterable[str]:
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            "The file of patients cannot be read", where=str(path), todo="Check fhir.patients"
        ) from error
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    found = list(dict.fromkeys(line for line in lines if line))
    for line in found:
        if any(sign.isspace() or sign in "/?&," for sign in line.partition("|")[2] or line):
            raise ConfigError(
                "A line of the file of patients is neither an id nor system|value",
                where=str(path),
                todo="Give one patient a line",
            )
    return found


def _identified(endpoint: Endpoint, identifier: str, manner: Manner) -> tuple[set[str], int]:
    """The patients who have an identifier, and how many doubts there are that these are all."""
    # Identifiers are people's numbers: in an address they would stand in every log on the way.
    query = Query("Patient", (("identifier", identifier),))
    matches = search(endpoint, query, replace(manner, method="post"))
    if matches.refused:
        raise EhrError(
            f"The EHR does not answer a search by POST for identifiers ({matches.refused})",
            where=f"Patient/_search at {endpoint.base_url}",
            todo="Give the EHR's own ids in the file of patients",
        )
    # A server that does not know the parameter sends everybody.
    found = {
        id
        for (kind, id), line in matches.found.items()
        if kind == "Patient" and _has(line, identifier)
    }
    return found, _doubts(matches)


class _Identified(msgspec.Struct):
    identifier: list[dict[str, Any]] = []


def _has(line: bytes, identifier: str) -> bool:
    """Whether a Patient has an identifier, given as system|value."""
    system, _, value = identifier.partition("|")
    try:
        listed = msgspec.json.decode(line, type=_Identified).identifier
    except (ValueError, RecursionError):
        return False
    return any(
        str(one.get("value")).casefold() == value.casefold() and (one.get("system") or "") == system
        for one in listed
    )
