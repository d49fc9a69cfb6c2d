"""How a resource of one type is read: the elements that are kept, and what else must be known.

Only the elements that the plan names are decoded at all; they are kept as the EHR wrote them, byte
for byte, so a decimal keeps its digits.
"""

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec
from msgspec import Raw

from service.cql.model import json_names
from service.errors import ConfigError
from service.fhir.compartment import SHARED, is_single, patient_link
from service.fhir.demands import demands_of
from service.fhir.model import qualified, r4
from service.site.meta import Meta
from service.site.plan import ALL_ELEMENTS
from service.site.pointers import pointers_of

# Kept whether a measure reads them or not: without them a resource can mean its opposite. Most are
# R4's modifier elements (http://hl7.org/fhir/R4/conformance-rules.html#isModifier).
ALWAYS = frozenset(
    {
        "active",
        "clinicalStatus",
        "deceased",
        "doNotPerform",
        "implicitRules",
        "intent",
        "lifecycleStatus",
        "link",
        "modifierExtension",
        "status",
        "verificationStatus",
    }
)
# Who does not know what they say must not go on (http://hl7.org/fhir/R4/extensibility.html).
MODIFIERS = frozenset({"implicitRules", "modifierExtension"})
# What earlier versions of FHIR say it with that something was not done: a server that calls itself
# R4 may send them still (http://hl7.org/fhir/STU3/procedure.html, http://hl7.org/fhir/DSTU2/); and
# what they say, as JSON, where it was done.
_NOT = frozenset({b"", b"null", b"false"})
_TAKEN = frozenset({b"", b"null", b'"y"'})
EARLIER: Mapping[str, Mapping[str, frozenset[bytes]]] = {
    "Communication": {"notDone": _NOT},
    "Immunization": {"notGiven": _NOT, "wasNotGiven": _NOT},
    "MedicationAdministration": {"notGiven": _NOT, "wasNotGiven": _NOT},
    "MedicationStatement": {"taken": _TAKEN, "wasNotTaken": _NOT},
    "Procedure": {"notDone": _NOT, "notPerformed": _NOT},
}
NEVER = frozenset({"text", "id", "meta", "contained"})  # narrative; the others are kept apart
# When something was, by the first of these that a resource has: what was done before what was
# written down about it.
DATES = (
    "period",
    "effective",
    "performed",
    "occurrence",
    "occurred",
    "onset",
    "start",
    "servicedPeriod",
    "serviced",
    "billablePeriod",
    "whenHandedOver",
    "whenPrepared",
    "collection",
    "authoredOn",
    "recordedDate",
    "recorded",
    "issued",
    "sent",
    "received",
    "created",
    "date",
)


class Link(msgspec.Struct, gc=False):
    """A Reference to the patient; what stands beside it, as a name, is not kept."""

    # Like all that is read of a record it is part of no cycle, and nothing the collector need see.

    reference: str = ""


@dataclass(frozen=True)
class Shape:
    """How resources of a type are decoded.

    ``link``: the path to the patient; ``plain``: it is one single Reference. ``dates``: the JSON
    properties that say when, the most telling first. ``born``: a birth date is needed. ``codes``:
    of which property only some codes can be understood. ``demanded``: the properties of which a
    resource must have one, for each element that it must have. ``modifiers``: the properties that
    change what the resource means, and that nobody here knows how. ``earlier``: properties of
    earlier versions of FHIR, with what they may say. ``planned``: its status tells whether it is a
    plan. ``pointers``: the properties with references that measures may follow (see `pointers`).
    """

    type: str
    decoder: msgspec.json.Decoder[Any]
    link: tuple[str, ...]
    plain: bool
    dates: tuple[str, ...]
    born: bool
    codes: tuple[tuple[str, frozenset[str]], ...]
    demanded: tuple[tuple[str, ...], ...]
    modifiers: tuple[str, ...]
    earlier: tuple[tuple[str, frozenset[bytes]], ...]
    planned: bool
    pointers: tuple[tuple[str, msgspec.json.Decoder[Any]], ...]


def shape_of(type_name: str, elements: frozenset[str], types: Set[str] = frozenset()) -> Shape:
    """The shape of a type of which these top elements are kept, beside records of ``types``.

    Raises ConfigError for a type that is no patient's and that none refers to.
    """
    link = patient_link(type_name)
    if link is None and type_name not in SHARED and type_name != "Patient":
        raise ConfigError(
            "The measures need a resource type that cannot be told to be of a patient",
            where=type_name,
            todo="Leave out the measure that reads it",
        )
    path = tuple(link.split(".")) if link else ()
    kept = elements | ALWAYS | set(path[:1])
    earlier = EARLIER.get(type_name, {})
    # In FHIR's order, in which most EHRs write them: so they are found at once.
    names = dict.fromkeys([*_json_names(type_name, kept), *sorted(earlier)])
    plain = len(path) == 1 and is_single(type_name, path[0])
    demands = demands_of(type_name)
    codes = tuple(
        (name, of if name in demands.elements else of | {""}) for name, of in demands.codes.items()
    )
    properties = (tuple(_json_names(type_name, {element})) for element in sorted(demands.elements))
    elsewhere = {*path[:1], *demands.codes}  # looked at apart
    demanded = tuple(
        of for of in properties if names.keys() >= set(of) and elsewhere.isdisjoint(of)
    )
    return Shape(
        type_name,
        _decoder(type_name, names, path[0] if plain else None, demands.codes),
        link=path,
        plain=plain,
        dates=tuple(name for name in date_names(type_name) if name in names),
        born="birthDate" in names,
        codes=codes,
        demanded=demanded,
        modifiers=tuple(sorted(names.keys() & MODIFIERS)),
        earlier=tuple(sorted(earlier.items())),
        planned="status" in demands.codes,
        pointers=tuple(pointers_of(type_name, names.keys() - set(path[:1]), types - {"Patient"})),
    )


def _decoder(
    type_name: str, names: Iterable[str], owner: str | None, codes: Iterable[str]
) -> msgspec.json.Decoder[Any]:
    """Reads what is kept as it is written, but for the Reference to its owner and some codes."""
    fields: dict[str, tuple[Any, Any]] = {
        "resourceType": (str, ""),
        "id": (str, ""),
        "meta": (Meta | None, None),
        "contained": (list[Raw] | None, None),
        **dict.fromkeys(names, (Raw, Raw())),
    }
    if owner is not None:
        fields[owner] = (Link | None, None)
    fields |= dict.fromkeys(codes, (str | None, ""))
    listed = [(name, *field) for name, field in fields.items()]
    return msgspec.json.Decoder(msgspec.defstruct(type_name, listed, omit_defaults=True, gc=False))


def _json_names(type_name: str, elements: Set[str]) -> Iterator[str]:
    """The JSON properties of the elements, with the companions that hold primitives' extensions."""
    for element, of in r4().elements(qualified(type_name)).items():
        if element in NEVER or not (element in elements or ALL_ELEMENTS in elements):
            continue
        for name, kind in json_names(element, of).items():
            yield name
            if r4().primitive(kind.name):
                yield f"_{name}"


@cache
def date_names(type_name: str) -> tuple[str, ...]:
    """The JSON properties that say when a resource of a type was, in the order of `DATES`."""
    elements = r4().elements(qualified(type_name))
    return tuple(
        name
        for element in DATES
        if element in elements
        for name, kind in json_names(element, elements[element]).items()
        if kind.local in ("dateTime", "Period", "instant", "date")
    )
