"""Records of what is done that do not say when: a measure of a month counts them in none.

http://hl7.org/fhir/R4/event.html#patterns: what is over has happened at some time. A record of a
plan, or of something that goes on, need not have one yet; nor a Condition, whose onset may not be
known at all.
"""

import re
from collections.abc import Mapping, Set
from typing import NamedTuple

from service.site.concepts import Json
from service.site.plan import ALL_ELEMENTS
from service.site.shape import date_names

_MONTH_OR_YEAR = re.compile(r"(\d{4})(?:-(\d\d))?", re.ASCII)
DAY = len("2026-01-31")  # what is known by month or year alone is, in CQL, in no day surely


class Time(NamedTuple):
    """The element that says when, by which a record that has one of the statuses must be dated."""

    element: str
    statuses: Set[str]


REPORTED = frozenset({"final", "amended", "corrected"})
TIMES: Mapping[str, Time] = {
    "DiagnosticReport": Time("effective", REPORTED),
    "Encounter": Time("period", frozenset({"finished"})),
    "MedicationAdministration": Time("effective", frozenset({"completed"})),
    "Observation": Time("effective", REPORTED),
    "Procedure": Time("performed", frozenset({"completed"})),
}


def undated(resource: Json, type_name: str) -> str | None:
    """The months in which it may have been, of a record that is over and says no day of it, or of a
    time its beginning or its end alone: YYYY-MM/YYYY-MM, or "" when nothing is known; None of a
    record that is as it should be."""
    time = TIMES.get(type_name)
    if time is None or resource.get("status") not in time.statuses:
        return None
    names = [name for name in date_names(type_name) if name.startswith(time.element)]
    told = [value for name in names if (value := resource.get(name))]
    if resource.get(f"{time.element}Timing") or any(map(_is_day, told)):
        return None
    return next((known for value in told if (known := _known(value))), "")


def may_be_in(known: str, first: str, last: str) -> bool:
    """Whether the months in which a record may have been touch those from a first to a last."""
    earliest, _, latest = known.partition("/")
    return not known or (earliest <= last and latest >= first)


def needs_time(elements: Set[str], type_name: str) -> bool:
    """Whether a measure that reads these elements of a type reads when it was."""
    time = TIMES.get(type_name)
    return time is not None and not elements.isdisjoint({time.element, ALL_ELEMENTS})


def _known(value: object) -> str:
    """The months that a time names; of a beginning or an end alone it is a year at most."""
    start, end = (value.get("start"), value.get("end")) if isinstance(value, dict) else (value,) * 2
    earliest, latest = _month(start, "01"), _month(end, "12")
    if earliest and not latest:
        latest = f"{int(earliest[:4]) + 1:04}{earliest[4:]}"
    if latest and not earliest:
        earliest = f"{max(0, int(latest[:4]) - 1):04}{latest[4:]}"
    return f"{earliest}/{latest}" if earliest else ""


def _month(value: object, of_a_year: str) -> str:
    found = _MONTH_OR_YEAR.match(value) if isinstance(value, str) else None
    return f"{found[1]}-{found[2] or of_a_year}" if found else ""


def _is_day(value: object) -> bool:
    if isinstance(value, str):
        return len(value) >= DAY
    if isinstance(value, dict):
        return _is_day(value.get("start")) and _is_day(value.get("end"))
    return False
