"""Records that were set aside, or kept with a doubt: listed one by one, for the site's people.

The list can hold patient data. It stays in the site's folder, readable by its owner only.
"""

import msgspec

from service.site.verdict import Fault

FILE = "quarantine.ndjson"
QUOTED = 2**16  # characters of a record that are repeated


class Entry(msgspec.Struct, omit_defaults=True):
    """Where a record stood, what is wrong with it and, if it is not kept, what it was."""

    file: str
    line: int
    fault: Fault
    record: str | None = None


def quoted(record: bytes) -> str:
    """A record as the list repeats it."""
    return record[: QUOTED * 4].decode(errors="backslashreplace").rstrip()[:QUOTED]
