"""What to ask the EHR for, and what of it to keep: no more than the measures need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

ALL_ELEMENTS = "*"


@dataclass(frozen=True)
class AcquisitionPlan:
    """The measures' data requirements as one.

    ``elements``: for each resource type to acquire, Patient always, its top elements that are
    kept (choices by their bare name: ``value``); "*" stands for all but the narrative.
    """

    elements: Mapping[str, frozenset[str]]

    def __post_init__(self) -> None:
        object.__setattr__(self, "elements", {"Patient": frozenset(), **self.elements})

    @property
    def types(self) -> frozenset[str]:
        """The resource types to acquire."""
        return frozenset(self.elements)

    def without(self, types: Iterable[str]) -> AcquisitionPlan:
        """The same plan for fewer types."""
        left_out = frozenset(types)
        kept = {name: of for name, of in self.elements.items() if name not in left_out}
        return AcquisitionPlan(kept)


def merge(plans: Iterable[AcquisitionPlan]) -> AcquisitionPlan:
    """One plan that serves all of them."""
    elements: dict[str, frozenset[str]] = {}
    for plan in plans:
        for name, of in plan.elements.items():
            elements[name] = elements.get(name, frozenset()) | of
    return AcquisitionPlan(elements)
