"""What a person who approves sees: every count of a report, and of the one that it replaces."""

from service.gateway.consignment import Consignment
from service.gateway.gateway import Gateway
from service.gateway.spool import Fate
from service.measure.summary import Absent, Count, SummaryGroup, parse

WORDS = {Absent.SUPPRESSED: "suppressed", Absent.NOT_COMPUTABLE: "not computable"}
Place = tuple[str, str]  # group, population


def counts(body: bytes) -> dict[Place, str]:
    """Everything that a report's bytes say in numbers, in words that a person reads."""
    return {
        (group.id, name): WORDS[count] if isinstance(count, Absent) else str(count)
        for group in parse(body).summary.groups
        for name, count in _all_of(group).items()
    }


def replaced(gateway: Gateway, consignment: Consignment) -> bytes | None:
    """The bytes of the last report of the same measure and period that the network has."""
    earlier = [
        each
        for each in gateway.consignments.by_report.values()
        if each.subject == consignment.subject and each.ended is Fate.SENT
    ]
    return gateway.archive.find(earlier[-1].taken.report)[0] if earlier else None


def _all_of(group: SummaryGroup) -> dict[str, Count]:
    sides = {"eligible": group.eligible, "met": group.met}
    told = {name: count for name, count in sides.items() if count is not None}
    return {**group.populations, **told}
