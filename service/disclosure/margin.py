"""How far a release is from telling too much."""

from collections.abc import Sequence

from service.disclosure.audit import Audit
from service.disclosure.policy import Policy
from service.disclosure.published import Published, together
from service.disclosure.system import TooMany, sum_of, system_of

ENOUGH = 20  # possible values; what has more is not told apart


def margins(
    releases: Sequence[Published], history: Sequence[Published], policy: Policy
) -> list[int | None]:
    """For each release the number of values that its narrowest small quantity may have.

    At most ``ENOUGH``, and fewer where the audit's steps are spent before more are found, or there
    are too many quantities to look for any; None where a release counts no small set of patients.
    """
    known = [each for each in history if policy.weighs(each.network)]
    everything = [*releases, *known]
    found: list[int | None] = [None] * len(releases)
    for part in together(list(releases), known):
        system = system_of([everything[i] for i in part])
        try:
            audit = Audit(system, ENOUGH, policy.threshold)
        except TooMany:
            found = [0 if i in part else each for i, each in enumerate(found)]
            continue
        values = [(audit.values(number), mask) for number, mask in enumerate(audit.quantities)]
        for position, i in enumerate(part):
            if i < len(releases):
                mine = sum_of(told.mask for told in system.statements if told.release == position)
                found[i] = min((many for many, mask in values if mask & mine), default=None)
    return found
