"""Checks of what the EHR lets us have: token, scopes, types, and the records of a few patients."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from typing import Any
from urllib.parse import parse_qsl, quote

import msgspec

from service.cql.model import json_names
from service.errors import (
    AuthorizationError,
    EhrError,
    StoppedError,
    UnavailableError,
    WeirError,
)
from service.fhir.capability import Capability
from service.fhir.compartment import SHARED, resource_types
from service.fhir.endpoint import Endpoint
from service.fhir.model import qualified, r4
from service.fhir.paging import Query
from service.fhir.reading import read_resource
from service.fhir.reference import parse_reference
from service.fhir.scopes import refused_types, scope_type
from service.fhir.searching import first_page
from service.fhir.status import status_text
from service.site.checkup import Check, bad, good, look
from service.site.cohort import cohort_types, read_cohort
from service.site.config import SiteConfig
from service.site.ehr_config import FhirConfig
from service.site.needs import Needs
from service.site.plan import ALL_ELEMENTS
from service.site.searching import patient_parameter
from service.site.vendor import VendorProfile

PATIENTS = 3  # that are looked at
RECORDS = 50  # of each type
REFERRED = 5  # of each type that is nobody's own
KNOWN = {"hapi": "hapi", "epic": "epic", "cerner": "oracle-health", "millennium": "oracle-health"}

Json = dict[str, Any]


@dataclass(frozen=True)
class Seen:
    """What a few patients' records show. ``keys``: by type the JSON properties of each record;
    ``silent``: the types of which the EHR tells nothing."""

    keys: Mapping[str, Sequence[frozenset[str]]]
    silent: frozenset[str] = frozenset()


def check_token(endpoint: Endpoint) -> Check:
    """Whether the EHR gives a token for our key."""
    try:
        endpoint.service.token()
    except WeirError as error:
        return bad("Token", error.what, error.todo or "")
    return good("Token", "the EHR takes this site's key")


def check_scopes(endpoint: Endpoint, config: SiteConfig, types: frozenset[str]) -> Check:
    """What was granted of what was asked for, and what was granted beyond."""
    granted = endpoint.service.granted()
    refused = refused_types(types, granted)
    if refused:
        named = ", ".join(sorted(refused))
        scopes = " ".join(
            s for s in endpoint.service.asked if s.split("/")[-1].split(".")[0] in refused
        )
        return bad("Scopes", f"not granted: {named}", ask=f"for the scopes {scopes}")
    cohort = refused_types(cohort_types(config.fhir), granted)
    if cohort:
        named = ", ".join(sorted(cohort))
        # An EHR may export a Group that nobody may read; without others nobody knows who is meant.
        state = look if config.fhir.group is not None else bad
        return state("Scopes", f"{named} cannot be read", ask=f"for the scope to read {named}")
    writing = [scope for scope in granted.split() if _writes(scope)]
    if writing:
        # What is no scope that we know is counted, and not repeated.
        known = sorted(scope for scope in writing if scope_type(scope) in {"*", *resource_types()})
        others = len(writing) - len(known)
        told = [*known, *([f"{others} other scopes"] if others else [])]
        what = f"more is granted than reading: {' '.join(told)}"
        return look("Scopes", what, ask="to grant this client no more than reading")
    return good("Scopes", f"{len(types)} types may be read")


def _writes(scope: str) -> bool:
    permission = scope.rpartition(".")[2].partition("?")[0]
    return permission in ("write", "*") or (
        permission != "read" and bool(set(permission) & {*"cud"})
    )


def check_metadata(
    capability: Capability, profile: VendorProfile, vendor: str, types: frozenset[str]
) -> Iterator[Check]:
    """What the server says it is and has."""
    name = capability.software or "a server without a name"
    what = f"{name}, FHIR {capability.fhir_version}"
    absent = sorted(types - capability.types)
    if absent:
        yield bad(
            "Metadata", f"{what}; without {', '.join(absent)}", ask=f"for {', '.join(absent)}"
        )
    else:
        yield good("Metadata", f"{what}; has all {len(types)} types")
    fits = next((to for part, to in KNOWN.items() if part in name.lower()), None)
    if fits is not None and fits != vendor:
        yield look("Vendor", f"this looks like {fits}", f'Set fhir.vendor = "{fits}"')
    else:
        yield good("Vendor", f"the profile for {profile.title}")
    yield _check_export(capability, profile)


def _check_export(capability: Capability, profile: VendorProfile) -> Check:
    """What can be told of the export without starting one."""
    if profile.way == "search":
        return good("Export", "not used: the profile says to search")
    if capability.exports and profile.fall_back:
        return good("Export", "listed, and not tried; it is searched where that is refused")
    if capability.exports:
        what = "listed, and not tried: if it is refused, a run fails (fall_back = false)"
        return look("Export", what, ask="whether this client may export")
    what = "the server does not list $export"
    if profile.fall_back:
        todo = "It is searched where it does not export"
        return look("Export", what, todo, ask="for bulk export")
    todo = "Set fall_back = true in the vendor profile, or ask for bulk export"
    return bad("Export", what, todo, ask="for bulk export")


def look_at_patients(
    endpoint: Endpoint, config: SiteConfig, profile: VendorProfile, types: frozenset[str]
) -> tuple[Check, Seen | None]:
    """A small search: a few patients and some of their records; None without a patient."""
    try:
        if absent := _without_cohort(endpoint, config.fhir):
            return absent, None
        ids = _some_patients(endpoint, config, profile)
        if not ids:
            return bad("Search", "not one patient is found", "Check who is meant in [fhir]"), None
        found = {name: _records(endpoint, profile, name, ids) for name in sorted(types - SHARED)}
        owned = [record for of in found.values() for record in of or ()]
        referred = read_referred(endpoint, types & SHARED, owned)
    except WeirError as error:
        return bad("Search", error.what, error.todo or "", _what_is_asked(error, config.fhir)), None
    told = {name: of for name, of in (found | referred).items() if of is not None}
    keys = {name: [frozenset(record) for record in of] for name, of in told.items()}
    seen = Seen(keys, frozenset((found | referred).keys() - keys.keys()))
    what = f"{len(owned)} records of {len(ids)} patients"
    if seen.silent - SHARED:
        named = ", ".join(sorted(seen.silent - SHARED))
        return look("Search", f"{what}; no answer for {named}", ask=_to_search(named)), seen
    return good("Search", what), seen


def _without_cohort(endpoint: Endpoint, fhir: FhirConfig) -> Check | None:
    """The check where no Group or List has the id that is configured."""
    for type_name, id in (("Group", fhir.group), ("List", fhir.list)):
        if id is None:
            continue
        with suppress(AuthorizationError):  # which tells nothing of whether it is there
            response = endpoint.get(f"{type_name}/{quote(id, safe='')}")
            if response.status_code in (404, 410):
                key = f"fhir.{type_name.lower()}"
                what = f"no {type_name} is found under the id in {key} ({status_text(response)})"
                ask = f"for the id of the {type_name} of the patients who are measured"
                return bad("Search", what, f"Check {key}", ask)
    return None


def _what_is_asked(error: WeirError, fhir: FhirConfig) -> str:
    """What the EHR's side could do about a search that failed; empty where that is not known."""
    named = ", ".join(cohort_types(fhir) or {"Patient"})
    if isinstance(error, AuthorizationError):
        return f"to let this client read {named}"
    is_listed = fhir.group is not None or fhir.list is not None
    is_passing = isinstance(error, StoppedError | UnavailableError)
    if is_listed or is_passing or not isinstance(error, EhrError):
        return ""
    return f"to let this client search {named}"


def _to_search(named: str) -> str:
    return f"to let this client search {named} by patient"


def _some_patients(endpoint: Endpoint, config: SiteConfig, profile: VendorProfile) -> list[str]:
    cohort = read_cohort(endpoint, config.fhir, profile.search.manner)
    if cohort.ids is not None:
        return sorted(cohort.ids)[:PATIENTS]
    query = Query("Patient", (("_count", str(PATIENTS)),))
    page = first_page(endpoint, query, profile.search.manner)
    if page.refused:
        raise EhrError(f"the search for patients is not answered ({page.refused})")
    return sorted(id for _, id in page.found)[:PATIENTS]


def _records(
    endpoint: Endpoint, profile: VendorProfile, type_name: str, ids: list[str]
) -> list[Json] | None:
    """Some records; None when they cannot be searched."""
    found: list[Json] = []
    for id, slice in product(ids, profile.search.slices.get(type_name, ("",))):
        whose = (patient_parameter(type_name), id)
        query = Query(type_name, (whose, *parse_qsl(slice), ("_count", str(RECORDS))))
        page = first_page(endpoint, query, profile.search.manner)
        if page.refused:
            return None
        found += map(msgspec.json.decode, page.found.values())
    return found


def read_referred(
    endpoint: Endpoint, types: frozenset[str], records: Sequence[Json]
) -> dict[str, list[Json] | None]:
    """Some of what records refer to, or contain, of types that are nobody's own.

    A type that nothing refers to is not there; None when nothing of it can be read.
    """
    found: dict[str, list[Json]] = {}
    asked: dict[str, set[str]] = {name: set() for name in types}
    waiting = list(records)
    while waiting:
        record = waiting.pop()
        for inner in _contained(record):
            if inner.get("resourceType") in types:
                found.setdefault(inner["resourceType"], []).append(inner)
        for name, id in _targets(endpoint, record):
            if name in types and id not in asked[name] and len(asked[name]) < REFERRED:
                asked[name].add(id)
                read = _read(endpoint, name, id)
                found.setdefault(name, []).extend(read)
                waiting += read  # which may refer to more
    return {name: found[name] or None for name in types if name in found}


def _read(endpoint: Endpoint, type_name: str, id: str) -> list[Json]:
    """The resource of that id, if it can be read."""
    line = read_resource(endpoint, type_name, id)
    resource = msgspec.json.decode(line) if line is not None else None
    return [resource] if isinstance(resource, dict) else []


def _contained(record: Json) -> Iterator[Json]:
    inner = record.get("contained")
    yield from (one for one in inner if isinstance(one, dict)) if isinstance(inner, list) else ()


def _targets(endpoint: Endpoint, value: Any) -> Iterator[tuple[str, str]]:
    """Type and id of what any part of a record refers to at this EHR."""
    if isinstance(value, list):
        for item in value:
            yield from _targets(endpoint, item)
    elif isinstance(value, dict):
        text = value.get("reference")
        target = parse_reference(text, endpoint.base_url) if isinstance(text, str) else None
        yield from [target] if target else []
        for part in value.values():
            yield from _targets(endpoint, part)


def check_measure(title: str, needs: Needs, seen: Seen, *, by_search: bool) -> Iterator[Check]:
    """Whether the records that were seen have what a measure reads.

    ``by_search``: a run would search, and so not be told either what was not told here.
    """
    gaps = [*_not_told(title, needs, seen, by_search), *_not_there(title, needs, seen)]
    yield from gaps or [good(title, "the records that were seen have all elements that it reads")]


def _not_told(title: str, needs: Needs, seen: Seen, by_search: bool) -> Iterator[Check]:
    """Of which types nothing could be seen."""
    if named := ", ".join(sorted(needs.types & seen.silent - SHARED)):
        what = f"it reads {named}, of which nothing could be seen: the search is not answered"
        if by_search:
            yield bad(title, f"{what}, and a run has no other way", ask=_to_search(named))
        else:
            what += ", and whether the export has it is not known"
            yield look(title, what, ask=_to_search(named))
    if named := ", ".join(sorted(needs.types & seen.silent & SHARED)):
        what = f"the records refer to {named}, of which nothing could be read"
        yield look(title, what, ask=f"to let this client read {named}")
    if named := ", ".join(sorted(needs.types - seen.silent - seen.keys.keys())):
        yield look(title, f"{named} was not looked at: no record that was seen refers to one")


def _not_there(title: str, needs: Needs, seen: Seen) -> Iterator[Check]:
    """Which types and elements the answers lack."""
    there = sorted(needs.types & seen.keys.keys())
    if named := ", ".join(name for name in there if not seen.keys[name]):
        yield look(title, f"no {named} of the patients seen", ask=f"whether {named} is sent")
    lacking = {
        name: absent
        for name in there
        if seen.keys[name] and (absent := _absent(name, needs.elements[name], seen.keys[name]))
    }
    if lacking:
        told = "; ".join(f"{name} without {', '.join(of)}" for name, of in lacking.items())
        asked = ", ".join(f"{name}.{element}" for name, of in lacking.items() for element in of)
        yield look(title, f"in no record seen: {told}", ask=f"whether these are sent: {asked}")


def _absent(
    type_name: str, elements: frozenset[str], records: Sequence[frozenset[str]]
) -> list[str]:
    """The elements that no record has."""
    there = frozenset().union(*records)
    of = r4().elements(qualified(type_name))
    return sorted(
        name
        for name in elements - {ALL_ELEMENTS}
        if name in of and there.isdisjoint(json_names(name, of[name]))
    )
