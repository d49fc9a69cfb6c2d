"""The mean moving range, and what it says of the scatter.

1.128 and 3.267 are d2 and D4 of ranges of two (Montgomery, appendix VI).
"""

from collections.abc import Sequence
from statistics import fmean

from service.spc.limits import Method
from service.spc.span import Span

D2, D4 = 1.128, 3.267


def mean_range(span: Span, ranges: Sequence[float | None], method: Method) -> float | None:
    """The mean of the baseline's ``ranges``, screened if so wanted; None without any."""
    known = span.of_baseline(ranges)
    if not known:
        return None
    mean = fmean(known)
    if method.screen:
        kept = [own for own in known if own < D4 * mean]
        return fmean(kept) if kept else mean
    return mean
