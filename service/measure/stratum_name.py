"""The name of a stratum: what a report tells of it stands under this name, as under a group's.

``readmission/sex/female`` is the stratum "female" that the stratifier "sex" makes of the group
"readmission". No group's id and no value has a slash in it, so that a name is read in one way only.
"""

from __future__ import annotations

from typing import NamedTuple


class StratumName(NamedTuple):
    """``value`` is as the measure's logic gives it; empty for all whom no told one counts."""

    group: str
    stratifier: str
    value: str

    def __str__(self) -> str:
        return "/".join(self)


def stratum_name(name: str) -> StratumName | None:
    """The parts of a stratum's name; None for the name of a group."""
    parts = name.split("/", 2)
    return StratumName(*parts) if len(parts) == 3 else None
