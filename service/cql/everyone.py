"""All patients' records together, as logic in the Unfiltered context sees them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from service.cql.record import PatientRecord
from service.errors import EvaluationError

Json = Mapping[str, Any]
# Every patient there is; called once for each pass that the logic needs.
Patients = Callable[[], Iterable[PatientRecord]]


def nobody() -> Iterable[PatientRecord]:
    """Raises EvaluationError: here one patient's record is all that there is."""
    raise EvaluationError(
        "The logic asks for the records of all patients, and they are not at hand here",
        todo="Evaluate it with `weir evaluate` on a folder of all patients",
    )


class Everyone(Mapping[str, Sequence[Json]]):
    """The records of some `types` of every patient, by type.

    They are read in one pass when the first is asked for, and stay in memory. A record that is in
    several patients' records, as a Location is, is one: it has the same id and the same content.
    """

    def __init__(self, types: Collection[str], patients: Patients) -> None:
        self._types = frozenset(types)
        self._patients = patients

    @cached_property
    def _found(self) -> Mapping[str, Sequence[Json]]:
        found: dict[str, list[Json]] = {}
        known: dict[tuple[str, str], list[Json]] = {}
        for record in self._patients():
            for type_ in self._types & record.resources.keys():
                new = [one for one in record.resources[type_] if not _is_known(one, type_, known)]
                for one in new:
                    known.setdefault((type_, str(one.get("id"))), []).append(one)
                found.setdefault(type_, []).extend(new)
        return found

    def __getitem__(self, type_: str) -> Sequence[Json]:
        return self._found[type_]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)


def _is_known(one: Json, type_: str, known: Mapping[tuple[str, str], list[Json]]) -> bool:
    return "id" in one and one in known.get((type_, str(one["id"])), ())
