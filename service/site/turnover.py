"""Telling a group of other patients, which is as large as it was: its number was given to another.

A sample of who was there is kept, as hashes of ids: those with the smallest are the same sample
whoever else is there. It stays as it is while a pull brings too few or others, so that one broken
pull does not let the next bring anybody.
"""

from collections.abc import Sequence, Set
from hashlib import blake2b
from heapq import nsmallest
from math import sqrt

SAMPLE = 200  # patients
TOLERATED = 0.5  # share of them who may have left from one pull of everything to the next
BYTES = 7  # of a hash


def mark(id: str) -> int:
    """What stands for a patient in a sample."""
    return int.from_bytes(blake2b(id.encode(), digest_size=BYTES).digest())


def sample_of(there: Set[int]) -> list[int]:
    """The sample of a group, in order; given the marks of those who are there."""
    return nsmallest(SAMPLE, there)


def replaced(sample: Sequence[int], there: Set[int], loss: float) -> int:
    """How many of 100 patients of a sample have others in their place; 0 if that is tolerated.

    ``there`` are the marks of those who are there; ``loss`` is the share by which the group is
    smaller than it should be: nobody took their place.
    """
    gone = sum(one not in there for one in sample)
    others = gone - max(0, loss) * len(sample)
    enough = others > TOLERATED * len(sample) and others > sqrt(len(sample))
    return round(100 * others / len(sample)) if enough else 0
