"""When a record was, as far as its type tells: a day, or a month."""

import re
from operator import attrgetter
from typing import Any

from service.site.shape import Shape

# What is dated and may never be (http://hl7.org/fhir/R4/valueset-event-status.html and others).
PLANNED = frozenset(
    {
        *("planned", "proposed", "pending", "booked", "waitlist", "scheduled", "not-started"),
        *("draft", "on-hold", "preparation", "registered"),
    }
)
_DAY = r'"(\d{4}-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12]\d|3[01]))?)'
_find = re.compile(_DAY.encode()).search
_find_in_lines = re.compile(_DAY + r"[^\n]*", re.ASCII).findall  # the first of each line


def day_of(record: Any, shape: Shape) -> str:
    """YYYY-MM-DD, or YYYY-MM where no more is told or it is only planned; "" if nothing tells."""
    for name in shape.dates:
        if found := _find(getattr(record, name)):
            day = found[1].decode()
            return day[:7] if shape.planned and record.status in PLANNED else day
    return ""


def days_of(records: list[Any], shape: Shape) -> list[str]:
    """The same of several, none of them only planned."""
    for name in shape.dates:
        told = list(map(attrgetter(name), records))
        if any(told):
            days = _find_in_lines(b"\n".join(told).decode())
            # Where one element tells it of all of them, these are their days.
            return days if len(days) == len(told) else [day_of(each, shape) for each in records]
    return [""] * len(records)
