"""Step 6: hand what was protected to the gateway, and write down what became of it.

The engine reaches no network: it leaves releases in the spool, and counts them as published from
then on. Where `site.toml` has a `[network]`, for a trial, the gateway runs in this program too.
"""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from service.errors import StoreError
from service.fhir.patience import Patience
from service.gateway.config import GatewayConfig, NetworkConfig
from service.gateway.delivery import BRIEFLY
from service.gateway.delivery import deliver as run_gateway
from service.gateway.row import Outcome
from service.gateway.spool import Answer, Fate, Spool, write_whole
from service.site.config import SiteConfig
from service.site.keys import SiteKeys
from service.site.outbox import Dispatch, Outbox, Status

STATUS = {
    Fate.WAITING: Status.QUEUED,
    Fate.HELD: Status.QUEUED,
    Fate.SENT: Status.SENT,
    Fate.REFUSED: Status.REFUSED,
    Fate.VOID: Status.REFUSED,
    Fate.DECLINED: Status.WITHHELD,
    Fate.EXPIRED: Status.WITHHELD,
}
HELD = "waits for approval"
NO_RECEIPT = "the answer is not a receipt: something else than the network may have answered"


@dataclass(frozen=True)
class PushSummary:
    """What came of a push: how many were sent, and what the network does not have, with why.

    ``held`` waits for a person's approval, ``handed`` for the gateway, which is another program.
    """

    sent: int
    waiting: tuple[Dispatch, ...]
    refused: tuple[Dispatch, ...]
    held: tuple[Dispatch, ...] = ()
    handed: int = 0

    @property
    def complete(self) -> bool:
        """Whether nothing went wrong: nothing is left to send but what others decide about."""
        return not self.waiting and not self.refused


def push(
    config: SiteConfig, outbox: Outbox, keys: SiteKeys, patience: Patience = BRIEFLY
) -> PushSummary:
    """Hand over all that is queued; deliver it too, where this program is also the gateway.

    Raises StoreError when what is queued is not what was protected, or the gateway knows of more
    releases than the outbox; nothing is handed over then.
    """
    before = len(outbox.sent())
    hand_over(config, outbox, keys)
    if config.network is not None:
        run_gateway(gateway_of(config, config.network, keys), patience)
        collect(outbox, Spool(spool_of(config)))
    return _summary(outbox, before, alone=config.network is None)


def hand_over(config: SiteConfig, outbox: Outbox, keys: SiteKeys) -> None:
    """Leave all that is queued in the spool, signed; raises StoreError as `push` does."""
    spool = Spool(spool_of(config))
    if config.network is None:
        collect(outbox, spool)  # else the gateway looks first whether its ledger is whole again
    for dispatch in outbox.queued():
        spool.put(_order(dispatch), dispatch.body, keys.sign(_intact(dispatch)))


def collect(outbox: Outbox, spool: Spool) -> None:
    """Write down what the gateway told.

    Raises StoreError when the gateway, or the network, knows of more than the outbox does: its
    history is not whole, and what it would release next could tell too much.
    """
    for path, answer in spool.answers():
        dispatch = outbox.find_body(answer.report.removeprefix("sha256:"))
        if dispatch is None:
            raise _history_behind()
        outbox.record(dispatch, STATUS[answer.fate], _note(answer))
        path.unlink(missing_ok=True)
    state = spool.state()
    if state and (state.taken > outbox.count() or state.behind):
        raise _history_behind()


def spool_of(config: SiteConfig) -> Path:
    """Where the gateway takes releases from."""
    return config.spool or config.data_dir / "spool"


def gateway_of(config: SiteConfig, network: NetworkConfig, keys: SiteKeys) -> GatewayConfig:
    """The gateway that this program is as well, in a trial; its folder is beside the engine's."""
    folder = config.data_dir / "gateway"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    reports_key = folder / "reports.jwk.json"
    write_whole(reports_key, keys.public_json)
    return GatewayConfig(
        site=config.site,
        data_dir=folder,
        spool=spool_of(config),
        reports_key=reports_key,
        network=network,
        approval=config.approval,
        approver=config.approver,
    )


def _summary(outbox: Outbox, before: int, *, alone: bool) -> PushSummary:
    queued = outbox.queued()
    held = tuple(each for each in queued if each.note == HELD)
    others = tuple(each for each in queued if each.note != HELD)
    return PushSummary(
        sent=len(outbox.sent()) - before,
        waiting=() if alone else others,
        refused=tuple(outbox.refused()),
        held=held,
        handed=len(others) if alone else 0,
    )


def _order(dispatch: Dispatch) -> int:
    assert dispatch.id is not None  # it comes from the database
    return dispatch.id


def _intact(dispatch: Dispatch) -> bytes:
    """The bytes, if they are still those that were protected."""
    if sha256(dispatch.body).hexdigest() != dispatch.sha256:
        raise StoreError(
            "a queued release is not what was protected",
            where=f"outbox, {dispatch.key}",
            todo="Restore site.db from the backup",
        )
    return dispatch.body


def _note(answer: Answer) -> str:
    """What an answer says, in words of this program."""
    match answer.fate:
        case Fate.SENT:
            return answer.receipt or ""
        case Fate.HELD:
            return HELD
        case Fate.VOID:
            return f"the gateway does not let it pass: {answer.reason}"
        case Fate.DECLINED:
            return "a person decided against it"
        case Fate.EXPIRED:
            return "nobody approved it in time"
    match answer.outcome:
        case None:
            return ""
        case Outcome.NO_ANSWER:
            return "no answer"
        case Outcome.NO_RECEIPT:
            return NO_RECEIPT
    return ", ".join(filter(None, [f"HTTP {answer.status}", answer.issue]))


def _history_behind() -> StoreError:
    return StoreError(
        "the outbox knows of less than was released, so nothing more is",
        where="site.db",
        todo="Restore the newest backup (`weir site restore`)",
    )
