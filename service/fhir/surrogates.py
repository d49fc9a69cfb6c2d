"""Halves of characters: what is left in JSON where a text was cut in the middle of a pair.

A character beyond the first 65,536 is escaped as two surrogates (RFC 8259 section 7). Programs that
count in UTF-16 cut texts between them, and no decoder that is strict takes what remains.
"""

import re

_ESCAPES = re.compile(
    rb"\\(?:\\|(?P<pair>u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2}))"
)
UNKNOWN = rb"\ufffd"  # the character that stands for what could not be read


def without_halves(json: bytes) -> bytes:
    """The same JSON with a replacement character for each half of one."""
    return _ESCAPES.sub(lambda found: UNKNOWN if found["half"] else found[0], json)
