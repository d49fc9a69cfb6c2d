"""Charts of single measurements: the run chart's median, I, MR and I'."""

import math
from statistics import fmean, median

from service.spc.bounds import Bounds
from service.spc.limits import Method
from service.spc.lines import NO_BOUNDS, Lines, around, bare
from service.spc.moving_range import D2, D4, mean_range
from service.spc.span import Span, size

MEAN_RANGE = "mean_moving_range"


def run(span: Span, method: Method) -> Lines:
    """Any values around their median, without limits (Perla, BMJ Qual Saf 2011;20:46)."""
    known = span.of_baseline(span.values)
    if not known:
        return bare(span.values)
    bounds = (NO_BOUNDS,) * len(span.subgroups)
    return Lines(median(known), tuple(span.values), bounds)


def i(span: Span, method: Method) -> Lines:
    """Individuals, also XmR: the mean, sigma = mean moving range / 1.128 (Montgomery 6.4)."""
    known = span.of_baseline(span.values)
    if not known:
        return bare(span.values)
    mean = mean_range(span, span.ranges(span.values), method)
    sigma = None if mean is None else mean / D2
    bounds = around(fmean(known), [sigma] * len(span.subgroups), None, None)
    figures = {} if mean is None else {MEAN_RANGE: mean}
    return Lines(fmean(known), tuple(span.values), bounds, figures)


def mr(span: Span, method: Method) -> Lines:
    """Moving ranges: their mean, and 3.267 times it above (Montgomery 6.4)."""
    ranges = span.ranges(span.values)
    mean = mean_range(span, ranges, method)
    if mean is None:
        return bare(ranges)
    return Lines(mean, tuple(ranges), (Bounds(0.0, D4 * mean),) * len(ranges))


def i_prime(span: Span, method: Method) -> Lines:
    """Individuals with denominators: the pooled ratio, sigma = mean s / sqrt(n).

    s = sqrt(pi / 2) |y - y before| / sqrt(1 / n + 1 / n before). Taylor WA. Normalized Individuals
    (IN) Control Chart, 2018, variation.com/normalized-individuals-control-chart.
    """
    center = span.pooled()
    if center is None:
        return bare(span.values)
    mean = mean_range(span, _normalized_ranges(span), method)
    sigmas = [
        mean / math.sqrt(s.denominator) if mean is not None and s.denominator else None
        for s in span.subgroups
    ]
    figures = {} if mean is None else {"mean_sigma": mean}
    bounds = around(center, sigmas, None, None)
    return Lines(center, tuple(span.values), bounds, figures)


def _normalized_ranges(span: Span) -> list[float | None]:
    """Each moving range by what the sizes of its two subgroups let expect."""
    sizes = [size(subgroup) for subgroup in span.subgroups]
    return [
        math.sqrt(math.pi / 2) * distance / math.sqrt(1 / own + 1 / sizes[before])
        if distance is not None and before is not None
        else None
        for distance, before, own in zip(span.ranges(span.values), span.before, sizes, strict=True)
    ]
