"""One patient's resources, as the engine reads them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class PatientRecord:
    """Decoded FHIR JSON of one patient by resource type, in the order it was read.

    Whatever stands here is the patient's: no reference is followed to decide, and resources that
    share an id are all kept. `id` names the patient in results.
    """

    id: str
    resources: Mapping[str, Sequence[Mapping[str, Any]]]
