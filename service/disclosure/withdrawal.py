"""Which cells to take back until every small quantity could be something else."""

from collections.abc import Collection, Sequence

from service.disclosure.audit import Audit
from service.errors import DisclosureError


def withdraw(audit: Audit, cells: Sequence[int]) -> set[int] | None:
    """The statements to take back, of ``cells``, which come in order of importance.

    For each quantity that is too narrow the least important statement goes that is enough; where no
    single one is, the least important one goes first. What went in vain is then said again, the
    most important first. Where the audit's steps are spent, more goes than is needed. None when
    history says too much already: no withdrawal would help.
    """
    gone: set[int] = set()
    for quantity in range(len(audit.quantities)):
        while not audit.safe(quantity):
            left = [each for each in cells if each not in gone]
            taken = _take_back(audit, quantity, left)
            if not taken and not audit.safe(quantity):
                return None
            gone |= taken
    for each in cells:
        if each in gone and _said_again(audit, each):
            gone.discard(each)
    return gone


def told_before(audit: Audit, cells: Collection[int]) -> set[int]:
    """The quantities, by number, that are too narrow even without any of these statements.

    Raises DisclosureError where that is not certain.
    """
    audit.gave_up, audit.thorough = False, True
    for each in cells:
        audit.hide(each)
    known = set(audit.narrow())
    audit.thorough = False
    if audit.gave_up or audit.spent:
        raise DisclosureError(
            "it could not be proven what earlier releases tell already: nothing is released",
            todo="Release fewer measures, groups or strata in the policy, then run again",
        )
    for each in cells:
        audit.show(each)
    return known


def _take_back(audit: Audit, quantity: int, left: Sequence[int]) -> set[int]:
    """Hide what is needed, or a first piece of it; nothing when it would not help."""
    if not audit.spent:
        helpful = [each for each in reversed(left) if audit.blamed(each)]
        for each in helpful:
            audit.hide(each)
            if audit.safe(quantity):
                return {each}
            audit.show(each)
        if not audit.spent:
            for each in helpful[:1]:
                audit.hide(each)
            return set(helpful[:1])
    return audit.free(quantity, left)


def _said_again(audit: Audit, statement: int) -> bool:
    """Say a statement again if nothing becomes too narrow by it."""
    known = audit.witnesses
    if audit.spent:
        return False
    audit.show(statement)
    if audit.narrow_again():
        audit.hide(statement)
        audit.witnesses = known
        return False
    return True
