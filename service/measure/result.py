"""What a measure says of one patient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from service.measure.stratum import Stratum

UnitIds = tuple[str, ...]
Strata = tuple[Stratum, ...]  # one value for each component of the stratifier


@dataclass(frozen=True, slots=True)
class GroupResult:
    """One patient in one group.

    ``populations``  population code -> ids of the units that belong (a ratio's two initial
                     populations are one here)
    ``by_id``        the same by population id, as reports have it
    ``observations`` id of a measure observation -> its values, nulls left out
    ``strata``       stratifier id -> stratum -> ids of the units in it by population id
    """

    populations: Mapping[str, UnitIds]
    by_id: Mapping[str, UnitIds]
    observations: Mapping[str, tuple[Decimal, ...]]
    strata: Mapping[str, Mapping[Strata, Mapping[str, UnitIds]]]


@dataclass(frozen=True, slots=True)
class PatientResult:
    """One patient: results by group id and, when asked for, what they rest on.

    ``evaluated`` are the references ("Encounter/1") of the resources that the logic retrieved;
    ``supplemental`` are the values of the Measure's supplemental data elements by id.
    """

    patient: str
    groups: Mapping[str, GroupResult]
    evaluated: tuple[str, ...] = ()
    supplemental: Mapping[str, Any] = field(default_factory=dict)
