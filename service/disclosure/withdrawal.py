"""Which cells to take back until every small quantity could be something else."""

from collections.abc import Collection, Sequence

from service.disclosure.audit import Audit
from service.errors import DisclosureError


def withdraw(audit: Audit, cells: Sequence[int]) -> set[int] | None:
    """The statements to take back, of ``cells``, which come in order of importance.

    For each quantity that is too narrow the least important statement goes that is enough; where no
    single one is, the least important one goes first. What went in vain is then said again, the
    most important first. None when history says too much already: no withdrawal would help.
    """
    gone: set[int] = set()
    for quantity in range(len(audit.quantities)):
        while not audit.safe(quantity):
            left = [each for each in cells if each not in gone]
            if not left:
                return None
            gone.add(_take_back_one(audit, quantity, left))
    for each in cells:
        if each in gone and _said_again(audit, each):
            gone.discard(each)
    return gone


def told_before(audit: Audit, cells: Collection[int]) -> set[int]:
    """The quantities, by number, that are too narrow even without any of these statements.

    Raises DisclosureError where that is not certain.
    """
    audit.gave_up = False
    for each in cells:
        audit.hide(each)
    known = set(audit.narrow())
    if audit.gave_up:
        raise DisclosureError("what earlier releases told cannot be weighed: nothing is released")
    for each in cells:
        audit.show(each)
    return known


def _take_back_one(audit: Audit, quantity: int, left: Sequence[int]) -> int:
    for each in reversed(left):
        audit.hide(each)
        if audit.safe(quantity):
            return each
        audit.show(each)
    audit.hide(left[-1])
    return left[-1]


def _said_again(audit: Audit, statement: int) -> bool:
    """Say a statement again if nothing becomes too narrow by it."""
    audit.show(statement)
    if any(True for _ in audit.narrow()):
        audit.hide(statement)
        return False
    return True
