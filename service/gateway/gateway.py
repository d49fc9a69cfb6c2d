"""The gateway: takes releases from the spool, and is the only one that hands them to the network.

It has no key of the EHR and no patient data; what it knows of a release are its bytes. Everything
it does stands in the ledger, and where each release stands is told from the ledger alone.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from service.errors import ConfigError, StoreError
from service.gateway.admission import Gate
from service.gateway.archive import Archive
from service.gateway.catalogue import read_catalogue
from service.gateway.config import GatewayConfig, enough_persons, public_keys
from service.gateway.consignment import Consignment, Consignments
from service.gateway.destination import Parcel
from service.gateway.keys import adopt, ledger_key, next_ledger_key, public_x
from service.gateway.ledger import NAME, Ledger, handovers, read_lines, signing_key
from service.gateway.row import (
    Answered,
    DryRun,
    Event,
    Expired,
    Mode,
    Outcome,
    Reason,
    Sending,
    Taken,
    Void,
)
from service.gateway.software import digest
from service.gateway.spool import Answer, Fate, GatewayState, Letter, Spool, read
from service.measure import head
from service.measure.head import Head, Statement
from service.measure.summary import sha256

MODES = (Mode.AUTOMATIC, Mode.HOLD, Mode.TWO_PERSONS)


@dataclass(frozen=True)
class Standing:
    """Where one release stands, for people and for the engine."""

    consignment: Consignment
    fate: Fate
    days_left: int | None  # until the proposal expires, of one that is held
    reminds: bool


class Gateway:
    """One site's gateway, opened by `open_gateway` and by nothing else at the same time."""

    def __init__(self, config: GatewayConfig) -> None:
        self.config = config
        self.archive = Archive(config.data_dir)
        self.ledger = _open_ledger(config)
        self.consignments = Consignments(self.ledger.rows)
        self.spool = Spool(config.spool)
        self._gate = _gate(config)
        self._void: dict[str, Reason] = {}
        self._touched: set[str] = set()  # releases of which the engine is to be told

    @property
    def was_behind(self) -> bool:
        """Whether the network knew of more, when it was asked last."""
        state = self.spool.state()
        return state is not None and state.behind

    def note(self, what: Event) -> None:
        """Write a row, and know it."""
        self.consignments.note(self.ledger.append(what))
        self._touched.add(getattr(what, "report", ""))

    def take_in(self) -> None:
        """Take every letter of the spool: judge it, keep its bytes, write it down; then let go."""
        for path in self.spool.letters():
            self._take(path)

    def expire(self, now: datetime | None = None) -> None:
        """End the proposals that nobody approved in time."""
        now = now or datetime.now(UTC)
        approval = self.config.approval
        for each in self.consignments.open():
            held = each.fate(approval) is Fate.HELD
            if held and each.attempts == 0 and each.expires(approval) <= now:
                self.note(Expired(report=each.taken.report))

    def ready(self) -> list[Consignment]:
        """What may be sent now, in order, one of each measure and period."""
        approval = self.config.approval
        turns = self.consignments.first_of_each()
        return [each for each in turns if each.fate(approval) is Fate.WAITING]

    def announce(self, consignment: Consignment) -> Parcel:
        """Write that it is being sent, and give what is to be sent.

        Raises StoreError when the bytes are no longer those that were taken and approved.
        """
        taken = consignment.taken
        body, signature = self.archive.find(taken.report)
        self._still_passes(taken, body, signature)
        self.note(
            Sending(
                report=taken.report,
                release=taken.release,
                bytes=len(body),
                channel=self.config.network.kind,
                to=self.recipient,
                mode=MODES[self.config.approval.persons],
                approvers=tuple(consignment.approvers[:2]),
                policy=taken.policy,
                package=taken.package,
                software=digest(),
                attempt=consignment.attempts + 1,
            )
        )
        statement = self.statement(taken.report)
        return Parcel(body, taken.report, taken.release, signature, statement)

    def conclude(self, consignment: Consignment, answered: Answered) -> None:
        """Write what came of an attempt."""
        self.note(answered)

    def pretend(self) -> list[Consignment]:
        """Do everything for what may be sent now but open the socket."""
        ready = self.ready()
        for each in ready:
            body, signature = self.archive.find(each.taken.report)
            self._still_passes(each.taken, body, signature)
            self.note(DryRun(report=each.taken.report, to=self.recipient, software=digest()))
        return ready

    def standings(self, now: datetime | None = None) -> list[Standing]:
        """Where every release stands, the oldest first."""
        now = now or datetime.now(UTC)
        return [self._standing(each, now) for each in self.consignments.by_report.values()]

    def tell_engine(self, *, behind: bool = False) -> None:
        """Leave in the spool where releases stand, and how much the gateway knows of.

        Told of are those that are still open, and those that something happened to.
        """
        for each in self.standings():
            if not each.fate.final or each.consignment.taken.report in self._touched:
                self.spool.answer(_answer(each))
        for report, reason in self._void.items():
            self.spool.answer(Answer(report=report, fate=Fate.VOID, reason=reason))
        taken = len(self.consignments.by_report)
        self.spool.tell_state(GatewayState(taken=taken, head=self.ledger.head, behind=behind))

    def statement(self, report: str | None = None) -> str:
        """The signed head of the ledger as it travels."""
        changes = handovers(self.ledger.rows)
        return head.sign(
            Statement(
                site=self.config.site,
                head=self.ledger.head,
                x=public_x(self.ledger.key),
                since=self._acknowledged(),
                report=report,
                handover=changes[-1].handover if changes else None,
            ),
            self.ledger.key,
        )

    @property
    def recipient(self) -> str:
        """Scheme, host and port of the network, or "file"."""
        scheme, _, rest = self.config.network.url.partition("://")
        return f"{scheme}://{rest.partition('/')[0]}" if rest else "file"

    def _take(self, path: Path) -> None:
        opened = _opened(path)
        reason = self._keep(*opened) if opened else Reason.NOT_A_LETTER
        if reason is not None:
            self.note(Void(file=sha256(path.read_bytes()), reason=reason))
            if opened:
                self._void[sha256(opened[0])] = reason
        path.unlink(missing_ok=True)

    def _keep(self, body: bytes, signature: str) -> Reason | None:
        """Keep and write down what passes and is new; why it is void otherwise."""
        taken = self._gate.judge(body, signature)
        if isinstance(taken, Reason):
            return taken
        self._touched.add(taken.report)
        known = self.consignments.by_release.get(taken.release)
        if known is not None and known.taken.report != taken.report:
            return Reason.KEY_USED
        if known is None or (known.taken != taken and known.ended in (None, Fate.REFUSED)):
            self.archive.keep(body, signature)  # new, or signed anew with another key
            self.note(taken)
        elif known.ended is Fate.REFUSED:
            known.ended = None  # the engine offers it again
        return None

    def _still_passes(self, taken: Taken, body: bytes, signature: str) -> None:
        if self._gate.judge(body, signature) != taken:
            raise StoreError(
                "a release that was taken no longer passes",
                where=taken.report,
                todo="Compare the catalogue and the engine's key with those of the day it was "
                "taken; `weir gateway decline` lets it go",
            )

    def _standing(self, each: Consignment, now: datetime) -> Standing:
        fate = each.fate(self.config.approval)
        if fate is not Fate.HELD:
            return Standing(each, fate, None, False)
        left = max(0, (each.expires(self.config.approval) - now).days)
        return Standing(each, fate, left, left <= self.config.approval.remind_days)

    def _acknowledged(self) -> Head | None:
        """The last head for which there is the network's receipt: that of the row before it."""
        rows, known = self.ledger.rows, None
        for before, row in zip(rows, rows[1:], strict=False):
            if isinstance(row.what, Answered) and row.what.outcome is Outcome.RECEIPT and row.prev:
                known = Head(seq=before.seq, hash=row.prev)
        return known


@contextmanager
def open_gateway(config: GatewayConfig) -> Iterator[Gateway]:
    """The gateway, alone with its folder.

    Raises StoreError when another is at work, or the ledger is not as it was written, and
    ConfigError when keys or catalogue cannot be used, or do not allow this network.
    """
    with alone_at(config.data_dir):
        yield Gateway(config)


@contextmanager
def alone_at(data_dir: Path) -> Iterator[None]:
    """One gateway at a time works on a folder. Raises StoreError while another does."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = data_dir / "gateway.lock"
    with open(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            todo = "Wait until it has ended"
            where = str(data_dir)
            raise StoreError("another gateway is at work", where=where, todo=todo) from None
        yield


def _gate(config: GatewayConfig) -> Gate:
    keys = public_keys(config.reports_key)
    if config.catalogue is None:
        return Gate(config.site, keys, None)
    catalogue, url = read_catalogue(config.catalogue), config.network.url
    if url and catalogue.recipients and url not in catalogue.recipients:
        todo = f"It may be sent to {', '.join(catalogue.recipients)}"
        raise ConfigError("the policy is not for this network", where=url, todo=todo)
    enough_persons(catalogue.approvals, config.approval)
    return Gate(config.site, keys, catalogue)


def _open_ledger(config: GatewayConfig) -> Ledger:
    """The ledger with its key; a rotation that a crash cut short is ended first."""
    key, following = ledger_key(config.data_dir), next_ledger_key(config.data_dir)
    if following and public_x(following) == signing_key(read_lines(config.data_dir / NAME)):
        adopt(config.data_dir)
        key = following
    return Ledger(config.data_dir, config.site, key)


def _answer(standing: Standing) -> Answer:
    each, last = standing.consignment, standing.consignment.last
    return Answer(
        report=each.taken.report,
        fate=standing.fate,
        outcome=last.outcome if last else None,
        status=last.status if last else 0,
        issue=last.issue if last else "",
        receipt=last.receipt if last else None,
        days_left=standing.days_left,
    )


def _opened(path: Path) -> tuple[bytes, str] | None:
    """The bytes and the signature in a letter; None for what is none."""
    try:
        letter = read(path, Letter)
        return letter.body, letter.signature
    except (StoreError, ValueError):
        return None
