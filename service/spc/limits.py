"""How control limits are computed."""

from dataclasses import dataclass
from enum import StrEnum

SIGMAS = 3
# What a normal variable leaves below and above 3 standard deviations.
LOWER_TAIL, UPPER_TAIL = 0.00135, 0.99865
EXPECTED = 5  # fewer cases of either kind than this, and the normal approximation fails


class Limits(StrEnum):
    """3 standard deviations around the center; the 0.00135 and 0.99865 quantiles of the binomial
    or Poisson distribution; or those where fewer than 5 cases, or 5 of the rest, are expected.
    """

    THREE_SIGMA = "3sigma"
    EXACT = "exact"
    AUTO = "auto"


@dataclass(frozen=True)
class Method:
    """What a person may choose for a chart's limits.

    With ``screen`` the moving ranges of 3.267 or more times their mean are left out, once, before
    the limits are computed (Nelson LS. J Qual Technol 1982;14:172-3).
    """

    limits: Limits = Limits.THREE_SIGMA
    screen: bool = False
