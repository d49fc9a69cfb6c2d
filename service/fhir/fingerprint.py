"""Six words for a public key, to be read aloud: whoever accepts a key hears that it is the same.

A word names two things, `maplebridge`: the first half is one of 64 and the second too, which makes
12 bits a word and 72 in all. They are the first bits of SHA-256 over a label and the raw key, so
that to pass for a given key somebody would have to make some 2^72 others.
"""

from base64 import urlsafe_b64decode
from hashlib import sha256

LABEL = b"weir key\x00"
WORDS = 6
_FIRST = (
    "amber apple arrow aspen barley beaver birch butter candle castle cedar cherry clover copper "
    "coral crystal daisy eagle elder falcon feather forest garden ginger golden granite hazel "
    "heron honey ivory jasper juniper kettle lemon linen maple marble meadow melon mirror nutmeg "
    "olive orange otter paper pebble pigeon purple rabbit river saddle salmon silver summer tiger "
    "timber tulip velvet violet walnut willow winter wonder yellow"
)
_SECOND = (
    "bank barn bell boat bridge brook cave chair cliff cloud coat creek crown dance door drum "
    "field fish flag fork gate glass grove guard harp hill house lake lamp leaf light mill moon "
    "nest park path pond rain ridge road rock roof rope sail sand shell ship smith snow song "
    "spring star stone storm sun thorn tower tree vale wall wave wheel wing yard"
)
FIRST, SECOND = _FIRST.split(), _SECOND.split()


def fingerprint(x: str) -> str:
    """The six words of an Ed25519 public key, given as base64url (RFC 8037)."""
    raw = urlsafe_b64decode(x + "=" * (-len(x) % 4))
    bits = int.from_bytes(sha256(LABEL + raw).digest()[: WORDS * 12 // 8], "big")
    places = [bits >> 12 * at & 0xFFF for at in reversed(range(WORDS))]
    return " ".join(FIRST[place >> 6] + SECOND[place & 63] for place in places)
