"""Stratifiers: what parts a group's populations into strata."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from service.errors import MeasureError
from service.measure.population import coded, criteria


@dataclass(frozen=True, slots=True)
class Component:
    """One dimension of a stratifier: the value of the definition ``expression``."""

    code: Mapping[str, Any] | None
    expression: str
    is_test: bool = False  # a Boolean or a list: it tells who is in and who is not


@dataclass(frozen=True, slots=True)
class Stratifier:
    """A stratifier of one criteria or of several components, whose values are combined."""

    id: str
    components: tuple[Component, ...]
    single: bool  # by criteria, not by component
    applies_to: frozenset[str] = frozenset()  # population codes; none named means all

    @classmethod
    def read(cls, json: Mapping[str, Any], number: int, where: str) -> Stratifier:
        """From ``Measure.group.stratifier``. Raises MeasureError."""
        name = json.get("id") or f"stratifier-{number}"
        where = f"{where}, stratifier {name}"
        if json.get("criteria"):
            component = Component(json.get("code"), criteria(json["criteria"], where))
            return cls(name, (component,), True, frozenset(_applies_to(json)))
        components = tuple(
            Component(part.get("code"), criteria(part.get("criteria"), where))
            for part in json.get("component") or ()
        )
        if not components:
            raise MeasureError("A stratifier without criteria and without components", where=where)
        return cls(name, components, False, frozenset(_applies_to(json)))

    def tells(self, code: str) -> bool:
        """Whether the stratifier parts the populations of that code."""
        return not self.applies_to or code in self.applies_to

    @property
    def is_test(self) -> bool:
        """Whether the strata are true and false."""
        return self.single and self.components[0].is_test

    @property
    def code(self) -> Mapping[str, Any] | None:
        return self.components[0].code if self.single else None


def _applies_to(json: Mapping[str, Any]) -> Iterator[str]:
    for entry in json.get("extension") or ():
        code = coded(entry.get("valueCodeableConcept"))
        if code and str(entry.get("url")).endswith("-appliesTo"):
            yield code
