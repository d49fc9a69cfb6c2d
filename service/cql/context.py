"""The context that generated functions are given: one patient's record, or none.

Each program makes its own subclass, in which every definition, retrieve and hoisted part is a lazy
attribute: computed at its first use, then kept for the patient.
"""

from __future__ import annotations

from service.cql.elements import Element, ElementClasses
from service.cql.record import PatientRecord
from service.cql.retrieval import CodeIndex, Key, Retrieval


class Context:
    """One evaluation's view of a record."""

    def __init__(self, record: PatientRecord, classes: ElementClasses) -> None:
        self.record = record
        self.there = record.resources
        self.classes = classes
        self.given: list[list[Element]] = []  # what retrieves gave
        self._resources: dict[str, list[Element]] = {}
        self._slots: dict[CodeIndex, dict[int, list[Element]]] = {}
        self._conforming: dict[Retrieval, list[Element]] = {}

    def resources(self, type_: str) -> list[Element]:
        """All resources of a type, in the record's order; each is made once."""
        found = self._resources.get(type_)
        if found is None:
            made = self.classes.named(type_)
            found = [made(json) for json in self.record.resources.get(type_, ())]
            for element in found:
                element.owner = self
            self._resources[type_] = found
        return found

    def coded(self, index: CodeIndex, slot: int) -> list[Element]:
        """The resources that the retrieve of `slot` gives."""
        slots = self._slots.get(index)
        if slots is None:
            slots = self._slots[index] = self._sort_by_code(index)
        found = slots.get(slot)
        if found is None:
            return []
        self.given.append(found)
        return found

    def _sort_by_code(self, index: CodeIndex) -> dict[int, list[Element]]:
        slots: dict[int, list[Element]] = {}
        for type_ in index.types:
            for element in self.resources(type_):
                for slot in index.matching(element.json):
                    slots.setdefault(slot, []).append(element)
        return slots

    def retrieve(self, retrieval: Retrieval, keys: frozenset[Key] | None) -> list[Element]:
        """The resources that conform; of those with a code filter, the ones with one of `keys`."""
        found = self._conforming.get(retrieval)
        if found is None:
            found = [one for type_ in retrieval.types for one in self.resources(type_)]
            if retrieval.conforms is not None:
                found = [one for one in found if retrieval.conforms(one.json)]
            self._conforming[retrieval] = found
        if retrieval.read is not None:
            wanted = keys or frozenset()
            found = [one for one in found if not wanted.isdisjoint(retrieval.read(one.json))]
        self.given.append(found)
        return found

    def resolve(self, reference: str | None) -> Element | None:
        """The resource of the record that a literal reference means, by type and id."""
        if reference is None:
            return None
        type_, _, id_ = reference.partition("/_history/")[0].rpartition("/")
        type_ = type_.rpartition("/")[2]
        id_ = id_.partition("|")[0]
        for element in self.resources(type_) if type_ in self.record.resources else ():
            if element.json.get("id") == id_:
                return element
        return None

    def retrieved(self) -> list[Element]:
        """The resources that retrieves have given so far, each once, in the record's order."""
        given = {id(element) for found in self.given for element in found}
        return [
            element
            for type_ in self.record.resources
            if type_ in self._resources
            for element in self._resources[type_]
            if id(element) in given
        ]
