"""What an audit found, in terms that another implementation can check."""

from dataclasses import dataclass

from service.disclosure.table import Mark


@dataclass(frozen=True)
class Proof:
    """``tables`` are whole numbers for all atoms, each atom named by one of its members.

    ``known`` are the quantities, as such members, of which earlier releases told too much already:
    nothing that is released or withheld now changes that.
    """

    tables: tuple[dict[Mark, int], ...]
    known: frozenset[frozenset[Mark]]
