"""Whose a record is: the patient at the end of the path that FHIR's compartment names."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Raw

from service.fhir.compartment import SHARED, resource_types
from service.fhir.reference import parse_reference
from service.site.row import Unasked, Unusable
from service.site.verdict import Fault

REMEMBERED = 2**16  # references to patients


class Owners:
    """Finds patients for one EHR.

    ``aliases`` are patients whom another one replaces (Patient.link) and has the records of.
    ``known`` are the patients of references that are as they are kept: neighbours have the same.
    """

    def __init__(self, base_url: str, aliases: Mapping[str, str]) -> None:
        self._base_url = base_url
        self._aliases = aliases
        self.known: dict[str, str] = {}

    def itself(self, id: str) -> str:
        """A patient is their own, unless another one stands for them: raises Unusable then."""
        if id in self._aliases:
            raise Unusable(Unasked.UNASKED)
        return id

    def at(self, record: Any, link: tuple[str, ...]) -> str | None:
        """The id of the patient at the end of a path; None if the record is nobody's.

        Raises Unusable, as `found` does.
        """
        followed = list(_follow(getattr(record, link[0]), link[1:])) if link else []
        if not followed and record.resourceType in SHARED:
            return None
        return self._patient(followed)

    def is_one(self, record: Any, link: tuple[str, ...]) -> bool:
        """Whether there are not several, as of an Appointment for two: one of them has it."""
        followed = _follow(getattr(record, link[0]), link[1:]) if link else ()
        parsed = {parse_reference(text, self._base_url) for text in followed}
        named = (found[1] for found in parsed if found and found[0] == "Patient")
        return len({self._aliases.get(id, id) for id in named}) < 2

    def found(self, reference: str) -> str:
        """The id of the patient whom a reference means. Raises Unusable when it means none."""
        if len(self.known) >= REMEMBERED:
            self.known.clear()
        owner = self._patient([reference])
        if reference == f"Patient/{owner}":
            self.known[reference] = owner
        return owner

    def _patient(self, references: list[str]) -> str:
        """The first patient among references."""
        parsed = [parse_reference(text, self._base_url) for text in references]
        for target in parsed:
            if target is not None and target[0] == "Patient":
                return self._aliases.get(target[1], target[1])
        stranger = not parsed or any(t is None or t[0] not in resource_types() for t in parsed)
        raise Unusable(Fault.UNKNOWN_PATIENT if stranger else Unasked.UNASKED)


def _follow(value: Any, path: tuple[str, ...]) -> Iterator[str]:
    """The references at the end of a path, through lists."""
    if isinstance(value, Raw):
        value = msgspec.json.decode(value) if bytes(value) else None
    if isinstance(value, list):
        for item in value:
            yield from _follow(item, path)
    elif isinstance(value, dict) and path:
        yield from _follow(value.get(path[0]), path[1:])
    elif isinstance(value, dict):
        yield str(value.get("reference", ""))
