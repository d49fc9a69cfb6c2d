"""Rule sets by name, each with the version of the text that it follows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from service.errors import ChartError
from service.spc import anhoej, making_data_count, perla
from service.spc.bounds import Bounds
from service.spc.runs import RunAnalysis

# Judges the values of a phase, in order, against its center line and each value's limits.
Judge = Callable[[Sequence[float], float, Sequence[Bounds]], RunAnalysis]


@dataclass(frozen=True)
class RuleSet:
    """What tells signal from noise; needs ``minimum_useful`` points off the center line."""

    name: str
    version: str
    judge: Judge
    minimum_useful: int


MINIMUM_USEFUL = 10  # below this neither runs nor crossings can tell signal from noise

ANHOEJ = RuleSet(anhoej.NAME, "2015", anhoej.analyse, MINIMUM_USEFUL)
PERLA = RuleSet(perla.NAME, "2011", perla.analyse, MINIMUM_USEFUL)
# Judged from the first point on, with trial limits, as its users do.
MAKING_DATA_COUNT = RuleSet(making_data_count.NAME, "2019", making_data_count.analyse, 1)

ALIASES = {
    "ihi": perla.NAME,
    "making-data-count": making_data_count.NAME,
    "nhs": making_data_count.NAME,
}
RULE_SETS = {rules.name: rules for rules in (ANHOEJ, PERLA, MAKING_DATA_COUNT)}


def rule_set(name: str, *, shift: int | None = None, trend: int | None = None) -> RuleSet:
    """The rule set of a name, with other lengths than its own where given (at least 2 points).

    Raises ChartError for an unknown name, and for lengths that the rule set does not have.
    """
    wanted = name.strip().lower()
    rules = RULE_SETS.get(ALIASES.get(wanted, wanted))
    if rules is None:
        known = ", ".join(RULE_SETS)
        raise ChartError(f"There is no rule set {name!r}", todo=f"Choose one of {known}")
    lengths = {"shift": shift, "trend": trend}
    given = {key: length for key, length in lengths.items() if length is not None}
    if not given:
        return rules
    if rules is ANHOEJ:
        raise ChartError(
            "Anhøj's rules have no lengths to choose: they follow from the number of points"
        )
    if min(given.values()) < 2:
        raise ChartError("A shift or a trend has at least 2 points")
    version = ", ".join([rules.version, *(f"{key} {length}" for key, length in given.items())])
    return RuleSet(rules.name, version, partial(rules.judge, **given), rules.minimum_useful)
