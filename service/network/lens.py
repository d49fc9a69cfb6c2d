"""The charts that a line can be seen through: which chart, judged by which rules."""

from dataclasses import dataclass
from typing import Literal, get_args

from service.spc import kind
from service.spc.kind import Kind
from service.spc.limits import Limits, Method
from service.spc.rules import ANHOEJ, MAKING_DATA_COUNT, PERLA, RuleSet

LensName = Literal["run", "run-perla", "xmr", "p", "p-prime"]


@dataclass(frozen=True)
class Lens:
    """A chart and its rules; ``center`` is what its middle line is called."""

    name: LensName
    title: str
    center: str
    kind: Kind
    rules: RuleSet
    method: Method = Method()

    @property
    def needs_counts(self) -> bool:
        """Whether its limits tell how large each count was."""
        return self.kind.counts


_EXACT = Method(Limits.AUTO)
RUN_CHART = Lens("run", "Run chart (Anhøj)", "Median", kind.RUN, ANHOEJ)
_LENSES = (
    RUN_CHART,
    Lens("run-perla", "Run chart (Perla)", "Median", kind.RUN, PERLA),
    Lens("xmr", "XmR chart (Making Data Count)", "Mean", kind.I, MAKING_DATA_COUNT),
    Lens("p", "p chart", "Mean", kind.P, ANHOEJ, _EXACT),
    Lens("p-prime", "p′ chart (Laney)", "Mean", kind.P_PRIME, ANHOEJ),
)
LENSES: dict[LensName, Lens] = {lens.name: lens for lens in _LENSES}
assert set(LENSES) == set(get_args(LensName))
