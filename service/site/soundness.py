"""Whether a record can be understood, as far as it tells by itself.

What cannot would count for nothing, or for its opposite, and nobody would see it.
"""

import re
from datetime import date
from typing import Any

import msgspec
from msgspec import Raw

from service.site.pointers import all_point
from service.site.shape import Shape

OLDEST = 1880  # no patient of today was born before
REDACTED = (b'"REDACTED"', b'"MASKED"')  # http://hl7.org/fhir/R4/security-labels.html
EMPTY = len(b"null")  # bytes: no shorter value than that, {}, [] or "" holds anything
_BIRTH_DATE = re.compile(rb'"(\d{4})(-\d\d(-\d\d)?)?"')
_NAMED = re.compile(rb'"reference"\s*:\s*"[^"]')
# None of the forms of http://hl7.org/fhir/R4/references.html#literal.
_ODD = re.compile(
    rb'"reference"\s*+:\s*+(?!null|\{|"(?:urn:|#|(?:https?://[^"\\\s]*/)?[A-Z][A-Za-z]+/'
    rb'[^/?#"\\\s\x00-\x20]{1,256}"))'
)


def is_whole(record: Any, shape: Shape) -> bool:
    """Whether it has what FHIR demands, as far as that is kept: else no measure may understand it,
    and it would count for nothing. So it would with a medication that has a name or a number in
    place of a reference; and what modifies it in a way that nobody here knows must not be left out
    of account."""
    for name in shape.modifiers:
        value = getattr(record, name)
        if len(value) >= EMPTY and bytes(value) != b"null":
            return False
    for name, harmless in shape.earlier:
        if bytes(getattr(record, name)) not in harmless:
            return False
    for name, codes in shape.codes:
        if getattr(record, name) not in codes:
            return False
    return has_what_is_demanded(record, shape)


def says_what_it_refers_to(record: Any, shape: Shape) -> bool:
    """Whether what a measure may follow leads to a resource (see `pointers`)."""
    try:
        for name, decoder in shape.pointers:
            value = getattr(record, name)
            if len(value) > EMPTY and not all_point(decoder.decode(value)):
                return False
    except msgspec.ValidationError:
        return False
    return True


def has_what_is_demanded(record: Any, shape: Shape) -> bool:
    """Whether of each element that FHIR demands something is there, in one of its forms."""
    for names in shape.demanded:
        for name in names:
            value = getattr(record, name)
            if len(value) > EMPTY and (name[-9:] != "Reference" or _NAMED.search(value)):
                break
        else:
            return False
    return True


def is_redacted(security: Raw) -> bool:
    """Whether the labels say that something was taken out of a record."""
    text = bytes(security)
    return any(label in text for label in REDACTED)


def is_birth_date(told: Raw) -> bool:
    """Whether somebody who lives today can have been born then."""
    found = _BIRTH_DATE.fullmatch(told)
    return found is not None and OLDEST <= int(found[1]) <= date.today().year


def refers_oddly(json: bytes) -> bool:
    """Whether it refers to something in a form that nobody could follow."""
    return _ODD.search(json) is not None
