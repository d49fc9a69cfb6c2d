"""What is hidden of a table at once, each number by itself."""

from collections import Counter
from collections.abc import Mapping
from fractions import Fraction

from service.disclosure.policy import Policy
from service.disclosure.published import Name
from service.disclosure.table import ELIGIBLE, MET, Mark


def hidden_at_once(
    members: Mapping[Name, frozenset[Mark]], policy: Policy, measure: str
) -> set[Name]:
    """The cells that count 1 to k-1 patients, those in which one patient outweighs the others and,
    where the policy says so, zeros and the numerators of 0 % and 100 %."""
    hidden = {name for name, marks in members.items() if _tells_of_few(marks, policy)}
    if policy.protects_full(measure):
        hidden |= {name for name in members if _is_all_or_none(name, members)}
    return hidden


def _tells_of_few(marks: frozenset[Mark], policy: Policy) -> bool:
    if not marks:
        return policy.zeros == "hide"
    units = Counter(mark.patient for mark in marks)
    few = min(len(units), len(marks)) < policy.threshold
    return few or Fraction(max(units.values()), len(marks)) > policy.max_share


def _is_all_or_none(name: Name, members: Mapping[Name, frozenset[Mark]]) -> bool:
    """Whether a cell is the numerator of 0 % or 100 %."""
    group, code = name
    if code not in ("numerator", MET) or not members.get((group, ELIGIBLE)):
        return False
    return not members[name] or members[group, ELIGIBLE] <= members[name]
