"""How large a subgroup must be before its point means something.

Hart MK, Hart RF. Statistical Process Control for Health Care, 2002; ASTM MNL 7. For events of
which a rate per case is expected.
"""

import math

MOST_ZEROS = 0.25  # of all points; with more of them draw a g or t chart


def usable_size(rate: float) -> float:
    """The fewest cases that a subgroup needs: one expected event. ``rate`` is above 0."""
    return 1 / rate


def believable_size(rate: float) -> float:
    """The fewest cases for which a point outside the limits is to be believed: four events."""
    return 4 / rate


def free_cases(rate: float) -> int:
    """How many cases in a row without an event are unusual at a ``rate`` above 0, at about 5 %.

    The rule of three, read backwards (Hanley JA, Lippman-Hand A. JAMA 1983;249:1743-5).
    """
    return math.ceil(3 / rate)
