"""One run of the gateway: take in what lies in the spool, deliver what may go, tell the engine."""

from dataclasses import dataclass

from service.events import log
from service.fhir.patience import Patience
from service.gateway.config import GatewayConfig, public_keys
from service.gateway.destination import Destination, WeirNetwork
from service.gateway.fhir_server import FhirServer, sign_in_at
from service.gateway.gateway import Gateway, Standing, open_gateway
from service.gateway.row import Greeted
from service.gateway.sending import LedgerBehindError, deliver_all, greet
from service.gateway.spool import Fate
from service.gateway.way_out import WayOut, open_way_out

# A person may wait for a run: try for about two minutes. What is left is the next run's.
BRIEFLY = Patience(attempts=6, first=2.0, longest=60.0)


@dataclass(frozen=True)
class Delivered:
    """What a run of the gateway came to: where every release stands now, the oldest first."""

    sent: int  # in this run
    standings: tuple[Standing, ...]

    def of(self, fate: Fate) -> list[Standing]:
        """The releases that stand there."""
        return [each for each in self.standings if each.fate is fate]


def deliver(
    config: GatewayConfig, patience: Patience = BRIEFLY, *, dry_run: bool = False
) -> Delivered:
    """Run the gateway once.

    With ``dry_run`` everything is done and written down but opening the socket. Raises WeirError
    when nothing can be sent; what was taken from the spool is kept.
    """
    with open_gateway(config) as gateway:
        gateway.take_in()
        gateway.expire()
        before = _sent(gateway)
        try:
            if dry_run:
                gateway.pretend()
            elif config.network.kind != "file":
                _send(gateway, patience)
        except LedgerBehindError:
            gateway.tell_engine(behind=True)
            raise
        gateway.tell_engine()
        return _ended(gateway, _sent(gateway) - before)


def _send(gateway: Gateway, patience: Patience) -> None:
    if not gateway.ready() and not gateway.was_behind:
        return
    way = open_way_out(gateway.config.network)
    with way.client:
        destination = _destination(gateway.config, way)
        if isinstance(destination, WeirNetwork):
            gateway.note(Greeted(to=gateway.recipient))
            greet(destination, gateway.statement())
        deliver_all(gateway, destination, patience)


def _destination(config: GatewayConfig, way: WayOut) -> Destination:
    if config.network.kind == "fhir":
        return FhirServer(way, sign_in_at(config.network, way.client))
    keys = config.network.receipt_keys
    return WeirNetwork(way, public_keys(keys) if keys else None)


def _sent(gateway: Gateway) -> int:
    return sum(each.ended is Fate.SENT for each in gateway.consignments.by_report.values())


def _ended(gateway: Gateway, sent: int) -> Delivered:
    done = Delivered(sent, tuple(gateway.standings()))
    fates = {fate: len(done.of(fate)) for fate in (Fate.WAITING, Fate.HELD, Fate.REFUSED)}
    log("gateway-ended", sent=sent, **fates)
    soon = sum(each.reminds for each in done.standings)
    if soon:
        log("proposal-expires-soon", proposals=soon)
    return done
