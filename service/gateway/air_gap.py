"""Where no line leads to the network: pack what may go into a file, and take the receipts back."""

from collections.abc import Mapping
from pathlib import Path

from joserfc.jwk import OKPKey

from service.errors import ConfigError, RefusedError, StoreError
from service.gateway.config import public_keys
from service.gateway.consignment import Consignment
from service.gateway.gateway import Gateway
from service.gateway.receipt import content, read_receipt
from service.gateway.row import Answered, Outcome
from service.gateway.spool import Fate, write_whole
from service.measure import parcel
from service.measure.parcel import CarriedReport, Parcel, Reply


def pack(gateway: Gateway, to: Path) -> int:
    """Write what may go into a new file; how many reports. The ledger has them before the file.

    Raises ConfigError when the file is there already, nothing may go, or the network's keys are not
    known here, by which the parcel names it.
    """
    to_network = tuple(sorted(each.thumbprint() for each in _network_keys(gateway).values()))
    ready = _in_order(gateway)
    if to.exists() or not ready:
        problem = "there is a file already" if ready else "nothing is ready to be sent"
        raise ConfigError(problem, where=str(to), todo="See `weir gateway proposals`")
    reports = tuple(_carried(gateway, each) for each in ready)
    statement = gateway.statement(parcel.digest(to_network, reports))
    packed = Parcel(to=to_network, statement=statement, reports=reports)
    try:
        write_whole(to, packed.model_dump_json().encode())
    except OSError as error:
        raise StoreError("the parcel cannot be written", where=str(to)) from error
    gateway.tell_engine()
    return len(reports)


def unpack_replies(gateway: Gateway, source: Path) -> int:
    """Write down what the network says to what was carried there; how many receipts are new.

    Raises ConfigError when the network's keys are not known here, RefusedError for a receipt that
    is not by them or of a report that never left.
    """
    keys = _network_keys(gateway)
    try:
        replies = parcel.read_replies(source.read_bytes()).replies
    except OSError as error:
        raise ConfigError("the file cannot be read", where=str(source)) from error
    answered = [_answered(gateway, each, keys) for each in replies]
    for each in answered:
        if each is not None:
            gateway.note(each)
    gateway.tell_engine()
    return sum(each is not None and each.outcome is Outcome.RECEIPT for each in answered)


def _network_keys(gateway: Gateway) -> dict[str, OKPKey]:
    path = gateway.config.network.receipt_keys
    keys = public_keys(path) if path else {}
    if not keys:
        todo = "Name the network's /.well-known/jwks.json as network.receipt_keys"
        raise ConfigError("the network's keys are not known here", where="network", todo=todo)
    return keys


def _in_order(gateway: Gateway) -> list[Consignment]:
    """All that may go: after one of the same measure and period that may not, nothing does."""
    stopped: set[tuple[str, str]] = set()
    ready = []
    for each in gateway.consignments.open():
        if each.fate(gateway.config.approval) is not Fate.WAITING:
            stopped.add(each.subject)
        elif each.subject not in stopped:
            ready.append(each)
    return ready


def _carried(gateway: Gateway, consignment: Consignment) -> CarriedReport:
    told = gateway.announce(consignment)
    return parcel.carried(told.body, told.release, told.signature)


def _answered(gateway: Gateway, reply: Reply, keys: Mapping[str, OKPKey]) -> Answered | None:
    """The ledger's entry for a reply; None for what is known already."""
    known = gateway.consignments.by_report.get(reply.report)
    if known is None or known.attempts == 0:
        raise RefusedError("a receipt is of a report that never left", where=reply.report)
    if known.ended is Fate.SENT:
        return None
    if reply.signed is None:
        return Answered(
            report=reply.report, outcome=Outcome.REFUSED, status=reply.status, issue=reply.issue
        )
    told = content(reply.signed, keys) or {}
    receipt = str(told.get("receipt"))
    signed, checked = read_receipt(reply.signed, receipt, reply.report, keys)
    if not checked:
        raise RefusedError("a receipt is not signed by the network", where=reply.report)
    return Answered(
        report=reply.report,
        outcome=Outcome.RECEIPT,
        status=reply.status,
        receipt=receipt,
        signed=signed,
        checked=True,
    )
