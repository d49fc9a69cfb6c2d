"""The charts there are, by name: what each is for, what it needs, and how its lines come about."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from service.errors import ChartError
from service.spc import attributes, between, individuals
from service.spc.limits import Method
from service.spc.lines import Lines
from service.spc.span import Span
from service.spc.subgroup import Subgroup


@dataclass(frozen=True)
class Kind:
    """A kind of chart.

    ``denominator`` is True when every subgroup needs one, False when none may have one, None when
    they may. ``exact`` charts know exact limits; ``local`` ones draw single events, which rounded
    counts cannot give; ``is_median`` says what the center line is.
    """

    name: str
    title: str
    lines: Callable[[Span, Method], Lines]
    denominator: bool | None = None
    counts: bool = False
    proportion: bool = False
    exact: bool = False
    local: bool = False
    is_median: bool = False
    family: attributes.Family | None = None


RUN = Kind("run", "run chart, any values around their median", individuals.run, is_median=True)
P = Kind(
    "p",
    "proportions",
    attributes.p,
    denominator=True,
    counts=True,
    proportion=True,
    exact=True,
    family=attributes.BINOMIAL,
)
P_PRIME = Kind(
    "p-prime",
    "proportions of many cases that scatter more than chance (Laney's p')",
    attributes.p_prime,
    denominator=True,
    counts=True,
    proportion=True,
)
U = Kind(
    "u",
    "events per opportunity",
    attributes.u,
    denominator=True,
    counts=True,
    exact=True,
    family=attributes.POISSON,
)
U_PRIME = Kind(
    "u-prime",
    "events per opportunity that scatter more than chance (Laney's u')",
    attributes.u_prime,
    denominator=True,
    counts=True,
)
C = Kind(
    "c",
    "events in equal opportunities",
    attributes.c,
    denominator=False,
    counts=True,
    exact=True,
    family=attributes.COUNTS,
)
I = Kind("i", "single measurements (XmR)", individuals.i)  # noqa: E741
MR = Kind("mr", "moving ranges of single measurements", individuals.mr)
I_PRIME = Kind(
    "i-prime",
    "means by the size of their subgroup, sums as numerators (Taylor's I')",
    individuals.i_prime,
    denominator=True,
)
G = Kind(
    "g",
    "cases between events",
    between.g,
    denominator=False,
    counts=True,
    local=True,
    is_median=True,
)
T = Kind("t", "time between events", between.t, denominator=False, counts=True, local=True)

KINDS = {kind.name: kind for kind in (RUN, P, P_PRIME, U, U_PRIME, C, I, MR, I_PRIME, G, T)}
ALIASES = {
    "pp": "p-prime",
    "p'": "p-prime",
    "up": "u-prime",
    "u'": "u-prime",
    "ip": "i-prime",
    "i'": "i-prime",
    "xmr": "i",
    "individuals": "i",
}


def kind_named(name: str) -> Kind:
    """The kind of a name or an alias, in any case. Raises ChartError for any other name."""
    wanted = name.strip().lower()
    kind = KINDS.get(ALIASES.get(wanted, wanted))
    if kind is None:
        raise ChartError(f"There is no chart {name!r}", todo=f"Choose one of {', '.join(KINDS)}")
    return kind


def check(kind: Kind, subgroups: Sequence[Subgroup]) -> None:
    """Raise ChartError at the first of ``subgroups`` that the chart cannot draw; it names the row,
    counted from 1.
    """
    for row, subgroup in enumerate(subgroups, start=1):
        fault = fault_in(kind, subgroup)
        if fault is not None:
            raise ChartError(fault, where=f"row {row}")


def fault_in(kind: Kind, subgroup: Subgroup) -> str | None:
    """Why a subgroup does not fit a chart, in words; None when it does."""
    return _fault_in_denominator(kind, subgroup) or _fault_in_numerator(kind, subgroup)


def _fault_in_denominator(kind: Kind, subgroup: Subgroup) -> str | None:
    size = subgroup.denominator
    if size is None:
        is_wanting = bool(kind.denominator) and subgroup.numerator is not None
        return f"The {kind.name} chart needs a denominator" if is_wanting else None
    if kind.denominator is False:
        return f"The {kind.name} chart takes no denominator"
    if size == 0:
        return "The denominator is zero: leave both empty where there was nothing to count"
    return "The denominator is negative" if size < 0 else None


def _fault_in_numerator(kind: Kind, subgroup: Subgroup) -> str | None:
    count, size = subgroup.numerator, subgroup.denominator
    if kind.local and subgroup.noise:
        return f"The {kind.name} chart needs exact events, and these counts are rounded"
    if count is None:
        return None
    if kind.counts and count < 0:
        return "The numerator is negative"
    if kind is T and count == 0:
        return "The t chart needs times above zero; for events on one day draw days on a g chart"
    # Rounding can put a numerator above its denominator.
    if kind.proportion and not subgroup.noise and size is not None and count > size:
        return "The numerator is larger than the denominator"
    return None
