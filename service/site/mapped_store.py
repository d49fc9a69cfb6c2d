"""The local store as measures see it: local codes mapped, and what is in it surveyed."""

from collections.abc import Collection, Iterator, Sequence

from service.cql.record import PatientRecord
from service.errors import StoreError
from service.site.mapping import CodeMapping
from service.site.needs import Needs
from service.site.plan import merge
from service.site.store import Store
from service.site.survey import Survey


class MappedStore:
    """A store read through a mapping, for some measures; ``survey`` is of those who were read.

    Raises StoreError when the store was built without something that a measure needs: it would not
    find it, and count as if it were not there.
    """

    def __init__(self, store: Store, mapping: CodeMapping, needs: Sequence[Needs]) -> None:
        if not store.covers(merge(one.plan for one in needs)):
            raise StoreError(
                "The store was built before this measure was configured, without all it needs",
                where=str(store.path),
                todo="Run `weir site run` to build it anew",
            )
        self._store = store
        self._mapping = mapping
        self.survey = Survey(mapping, needs)

    def patients(self) -> Iterator[PatientRecord]:
        """Every patient in order of id, one at a time."""
        return map(self._read, self._store.patients())

    def some(self, ids: Collection[str]) -> Iterator[PatientRecord]:
        """Some of the patients in order of id, as they are stored; they are not surveyed."""
        return self._store.some(ids)

    def fingerprints(self) -> list[tuple[str, int]]:
        """Every patient in order of id, with what changes when their records do."""
        return self._store.fingerprints()

    def mapped(self, record: PatientRecord) -> PatientRecord:
        """A stored record as measures see it."""
        return self._mapping.apply(record)

    def patient(self, id: str) -> PatientRecord | None:
        """One patient; None if the store has no such patient."""
        found = self._store.patient(id)
        return self._read(found) if found else None

    def _read(self, record: PatientRecord) -> PatientRecord:
        self.survey.add(self.survey.of(record))
        return self._mapping.apply(record)
