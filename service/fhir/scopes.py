"""SMART scopes of a backend service: the least that a plan needs, and what was granted of it.

Version 1 writes ``system/Patient.read``, version 2 ``system/Patient.rs``
(http://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html).
"""

import re
from collections.abc import Iterable

READ_AND_SEARCH = frozenset("rs")
_VERSION_1 = {"read": "rs", "write": "cud", "*": "cruds"}
_SCOPE = re.compile(r"system/([A-Za-z]+|\*)\.(read|write|\*|c?r?u?d?s?)$")


def scopes_for(types: Iterable[str], *, version_2: bool, creates: bool = False) -> tuple[str, ...]:
    """The scopes to read each resource type, and no more; in alphabetical order.

    With ``creates``, to create resources of it too, which is all that a report asks for.
    """
    reading, creating = (("rs",), ("crs",)) if version_2 else (("read",), ("read", "write"))
    permissions = creating if creates else reading
    return tuple(f"system/{name}.{each}" for name in sorted(types) for each in permissions)


def refused_types(types: Iterable[str], granted: str) -> frozenset[str]:
    """The types that the granted scopes do not allow to read in full.

    A scope narrowed by a query (``system/Observation.rs?category=...``) allows only a part, so it
    does not count.
    """
    readable = {m[1] for scope in granted.split() if (m := _SCOPE.match(scope)) and _reads(m[2])}
    return frozenset() if "*" in readable else frozenset(types) - readable


def scope_type(text: str) -> str | None:
    """The resource type, or *, that a scope is for; None when it is no scope, or says more."""
    found = _SCOPE.fullmatch(text)
    return found[1] if found else None


def _reads(permission: str) -> bool:
    return set(_VERSION_1.get(permission, permission)) >= READ_AND_SEARCH
