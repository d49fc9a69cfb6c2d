"""Charts of rare events: how many cases (g), or how long (t), from one event to the next.

Single events never leave a site: these charts run on its own data, or on a table.
"""

import math
from collections.abc import Iterable, Sequence
from datetime import date
from itertools import groupby
from statistics import fmean, median

from service.spc.bounds import Bounds
from service.spc.limits import SIGMAS, Method
from service.spc.lines import NO_BOUNDS, Lines, bare
from service.spc.moving_range import D2, mean_range
from service.spc.span import Span

NELSON = 3.6  # y ^ (1 / 3.6) makes exponential times nearly normal


def g(span: Span, method: Method) -> Lines:
    """Cases between events: limits mean + 3 sqrt(mean (mean + 1)) and 0, drawn at the median.

    Benneyan JC. Number-between g-type statistical quality control charts. Health Care Manag Sci
    2001;4:305-18. Half of all geometric gaps are shorter than the median, not than the mean: only
    around the median do runs mean anything.
    """
    gaps = span.of_baseline(span.values)
    if not gaps:
        return bare(span.values)
    mean = fmean(gaps)
    bounds = Bounds(0.0, mean + SIGMAS * math.sqrt(mean * (mean + 1)))
    return Lines(median(gaps), tuple(span.values), (bounds,) * len(span.subgroups), {"mean": mean})


def t(span: Span, method: Method) -> Lines:
    """Time between events: an I chart of y ^ (1 / 3.6), drawn back in the unit of time.

    Nelson LS. A control chart for parts-per-million nonconforming items. J Qual Technol
    1994;26:239-40.
    """
    roots = [None if value is None else value ** (1 / NELSON) for value in span.values]
    known = span.of_baseline(roots)
    if not known:
        return bare(span.values)
    center, mean = fmean(known), mean_range(span, span.ranges(roots), method)
    bounds = NO_BOUNDS
    if mean is not None:
        reach = SIGMAS * mean / D2
        bounds = Bounds(max(0.0, center - reach) ** NELSON, (center + reach) ** NELSON)
    return Lines(center**NELSON, tuple(span.values), (bounds,) * len(span.subgroups))


def cases_between(outcomes: Iterable[bool]) -> tuple[list[int], int]:
    """Cases without an event between one event and the next, and those since the last event.

    ``outcomes`` are the cases in order, True for an event. What lies before the first event is
    no gap between two and is left out.
    """
    lengths = [(event, len(list(cases))) for event, cases in groupby(outcomes)]
    gaps: list[int] = []
    free = 0
    begun = False
    for event, length in lengths:
        if not event:
            free = length
            continue
        gaps += [free] * begun + [0] * (length - 1)
        begun, free = True, 0
    return gaps, free


def days_between(events: Sequence[date]) -> list[int]:
    """Days from each event to the next; 0 for two on one day, which a t chart cannot draw."""
    ordered = sorted(events)
    return [(after - before).days for before, after in zip(ordered, ordered[1:], strict=False)]
