"""Sticky rounding: a count's rounded value is a function of whom it counts, and of nothing else.

Whoever asks again, under another label or in another run, sees the same value for the same set of
patients, so nothing is learned by averaging. Keyed rounding goes up or down by a secret of the
site: without it the choice between the two multiples around a count cannot be foreseen, and over
secrets it is unbiased. Rounding to the nearest multiple is what some public bodies prescribe.
"""

import hmac
import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

from service.disclosure.table import Mark, Member

WORD = 2**64
Method = Literal["keyed", "nearest"]


@dataclass(frozen=True)
class Reading:
    """How a reader must take the numbers of a release: what each of them may stand for."""

    threshold: int
    base: int
    method: Method = "keyed"

    def interval(self, shown: int) -> tuple[int, float]:
        """The least and the greatest count that is shown as this number."""
        if shown == 0:
            return 0, 0
        keyed = self.method == "keyed"
        below = self.base - 1 if keyed else self.base // 2
        above = self.base - 1 if keyed else (self.base - 1) // 2  # halves go up
        least = math.ceil(self.threshold / self.base) * self.base
        low = self.threshold if shown == least else shown - below
        return max(self.threshold, low), shown + above


@dataclass(frozen=True)
class Marker:
    """Gives patients and units the numbers by which the site remembers them."""

    key: bytes

    def marks(self, members: Iterable[Member]) -> frozenset[Mark]:
        """The marks of a set of members."""
        return frozenset(self.mark(member) for member in members)

    def mark(self, member: Member) -> Mark:
        """A member's own two 64-bit numbers, which tell nobody without the key who it is."""
        # The length keeps ("ab", "c") and ("a", "bc") apart.
        patient = _word(self.key, f"pt|{member.patient}")
        unit = _word(self.key, f"rk|{len(member.patient)}|{member.patient}|{member.unit}")
        return Mark(patient, unit)


def rounded(marks: Collection[Mark], reading: Reading, key: bytes) -> int:
    """The value shown for a set of marked members.

    Keyed, with n members, b the base and r = n mod b: n - r + b with probability r/b, else n - r.
    Nearest: the multiple of b nearest to n, halves up. At least the first multiple of b that is
    not below the threshold; 0 for no members.
    """
    count, base = len(marks), reading.base
    if not count:
        return 0
    rest = count % base
    nearest = reading.method == "nearest"
    up = 2 * rest >= base if nearest else _draw(marks, key) * base < rest * WORD
    value = count - rest + (base if up else 0)
    return max(value, math.ceil(reading.threshold / base) * base)


def _draw(marks: Collection[Mark], key: bytes) -> int:
    """A number below 2^64 that depends on the set and on nothing else, order included."""
    return _word(key, f"ck|{sum(mark.unit for mark in marks) % WORD}|{len(marks)}")


def _word(key: bytes, text: str) -> int:
    return int.from_bytes(hmac.digest(key, text.encode(), "sha256")[:8], "big")
