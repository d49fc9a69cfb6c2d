"""Literal references between resources, in the forms that servers write them."""

import re
from functools import lru_cache

# Type/id, relative or absolute, with or without a version
# (http://hl7.org/fhir/R4/references.html#literal).
_LITERAL = re.compile(
    r"(?:(?P<base>https?://[^\s]+)/)?(?P<type>[A-Z][A-Za-z]+)/(?P<id>[^/?#\s\x00-\x1f\x7f]+)"
    r"(?:/_history/[^/?#\s]+)?"
)


@lru_cache(maxsize=2**16)  # neighbouring records refer to the same patient and encounter
def parse_reference(text: str, base_url: str) -> tuple[str, str] | None:
    """The type and id that a reference names on the server at ``base_url``.

    None for what is not there: contained resources, urn:uuid, other servers, searches.
    """
    found = _LITERAL.fullmatch(text)
    if found is None or found["base"] not in (None, base_url):
        return None
    return found["type"], found["id"]
