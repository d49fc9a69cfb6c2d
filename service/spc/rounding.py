"""What disclosure rounding adds to the scatter of a count.

A count that is rounded at random, without bias, to a multiple of b has the variance r (b - r) for
its remainder r; over remainders that are all as likely that is (b^2 - 1) / 6. Limits without it
would be too narrow. Charts whose limits come from the points' own scatter (I, MR, I', run) have
it in them already.
"""

from service.errors import ChartError


def variance(multiple: int, counts: int = 1) -> float:
    """The variance of a sum of ``counts`` counts, each rounded to a ``multiple`` (1: exact)."""
    if multiple < 1 or counts < 1:
        raise ChartError("Rounding is to a multiple of at least 1, of at least one count")
    return counts * (multiple**2 - 1) / 6
