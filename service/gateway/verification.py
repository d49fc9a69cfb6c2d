"""Is a ledger what its gateway wrote? Checked from files alone, without network or private key.

What is found: a row that was changed, moved, added or taken out; a beginning or an end that is
missing, with the heads that the network knows or the receipts' own; a report that was sent without
the approvals that its mode wants; bytes in the archive that are not those that were sent.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from joserfc.jwk import OKPKey

from service.errors import RefusedError, StoreError
from service.fhir import signature
from service.gateway.approval import decision, verifies
from service.gateway.archive import Archive
from service.gateway.ledger import canonical, line_bytes, read_lines
from service.gateway.receipt import content
from service.gateway.row import (
    Answered,
    Approved,
    Declined,
    Line,
    Mode,
    NewKey,
    Opened,
    Outcome,
    Sending,
    Taken,
)
from service.measure.head import Head
from service.measure.summary import sha256

NEEDED = {Mode.AUTOMATIC: 0, Mode.HOLD: 1, Mode.TWO_PERSONS: 2}


@dataclass(frozen=True)
class Evidence:
    """What a ledger is held against; the more of it, the more is found.

    ``x`` is the public key that the site named as its ledger's first; ``heads`` are those that the
    network knows; ``receipts`` the network's keys; ``approvers`` the approvers' keys; by key id.
    """

    x: str | None = None
    heads: Sequence[Head] = ()
    receipts: Mapping[str, OKPKey] = field(default_factory=dict)
    approvers: Mapping[str, OKPKey] = field(default_factory=dict)
    archive: Path | None = None  # the gateway's data_dir


@dataclass(frozen=True)
class Verified:
    """What was checked, and everything that is wrong."""

    rows: int
    head: Head | None
    sent: int
    receipts: int  # whose signature holds
    problems: tuple[str, ...]


def verify(path: Path, evidence: Evidence) -> Verified:
    """Check a ledger's file. Problems name rows by their numbers."""
    try:
        lines = read_lines(path)
    except StoreError as error:
        return Verified(0, None, 0, 0, (str(error),))
    if not lines:
        return Verified(0, None, 0, 0, ("there is no ledger",))
    problems = [
        *_torn(path),
        *_signatures(lines, evidence.x),
        *_story(lines),
        *_approvals(lines, evidence.approvers),
        *_heads(lines, evidence.heads),
        *_archive(lines, evidence.archive),
        *_receipts(lines, evidence.receipts),
    ]
    answered = [line.row.what for line in lines if isinstance(line.row.what, Answered)]
    receipts = [each for each in answered if each.outcome is Outcome.RECEIPT]
    good = [each for each in receipts if each.signed and content(each.signed, evidence.receipts)]
    last = Head(seq=len(lines), hash=sha256(line_bytes(lines[-1])))
    return Verified(len(lines), last, len(receipts), len(good), tuple(problems))


def _torn(path: Path) -> Iterator[str]:
    if not path.read_bytes().endswith(b"\n"):
        yield "the last line is not whole: a crash, which the gateway mends, or someone's hand"


def _signatures(lines: Sequence[Line], x: str | None) -> Iterator[str]:
    first = lines[0].row.what
    assert isinstance(first, Opened)  # read_lines
    if x is not None and first.x != x:
        yield "row 1 names another key than the site's"
    now = first.x
    for line in lines:
        if not _signed(canonical(line.row), line.signed, now):
            yield f"row {line.row.seq} is not signed with the ledger's key"
        if isinstance(line.row.what, NewKey):
            if not _signed(line.row.what.x.encode(), line.row.what.handover, now):
                yield f"row {line.row.seq} hands over to a key without the former one's word"
            now = line.row.what.x


def _signed(data: bytes, signed: str, x: str) -> bool:
    key = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": x})
    try:
        signature.verify(data, signed, {key.thumbprint(): key}.get)
    except RefusedError:
        return False
    return True


def _story(lines: Sequence[Line]) -> Iterator[str]:
    """Nothing is sent that was not taken, nothing answered that was not sent, no receipt twice."""
    taken: set[str] = set()
    sent: set[str] = set()
    done: set[str] = set()
    for line in lines:
        what, seq = line.row.what, line.row.seq
        if isinstance(what, Taken):
            taken.add(what.report)
        elif isinstance(what, Sending):
            if what.report not in taken:
                yield f"row {seq} sends what was never taken"
            sent.add(what.report)
        elif isinstance(what, Answered):
            if what.report not in sent:
                yield f"row {seq} answers what was never sent"
            if what.outcome is Outcome.RECEIPT:
                if what.report in done:
                    yield f"row {seq} is a second receipt for one report"
                done.add(what.report)


def _approvals(lines: Sequence[Line], approvers: Mapping[str, OKPKey]) -> Iterator[str]:
    approved: dict[str, set[str]] = {}
    for line in lines:
        what, seq = line.row.what, line.row.seq
        if isinstance(what, Approved | Declined):
            known = approvers.get(what.approver)
            if approvers and (known is None or not verifies(what, known)):
                yield f"row {seq}: {decision(what)} is not signed by an approver"
        if isinstance(what, Approved):
            approved.setdefault(what.report, set()).add(what.approver)
        if isinstance(what, Sending):
            by = approved.get(what.report, set())
            if len(by) < NEEDED[what.mode] or not set(what.approvers) <= by:
                yield f"row {seq} sends without the approvals that its mode wants"


def _heads(lines: Sequence[Line], heads: Sequence[Head]) -> Iterator[str]:
    for head in heads:
        if head.seq > len(lines):
            yield f"the network knows row {head.seq}, and the ledger ends before it"
        elif sha256(line_bytes(lines[head.seq - 1])) != head.hash:
            yield f"row {head.seq} is not the one that the network knows"


def _archive(lines: Sequence[Line], data_dir: Path | None) -> Iterator[str]:
    if data_dir is None:
        return
    archive = Archive(data_dir)
    for line in lines:
        what = line.row.what
        if not isinstance(what, Sending):
            continue
        try:
            body, _ = archive.find(what.report)
        except StoreError:
            yield f"row {line.row.seq}: the bytes that were sent are not in the archive"
            continue
        if len(body) != what.bytes:
            yield f"row {line.row.seq}: the length is not that of the bytes"


def _receipts(lines: Sequence[Line], keys: Mapping[str, OKPKey]) -> Iterator[str]:
    """With the network's keys: every receipt is of the report that it is kept for."""
    for line in lines:
        what = line.row.what
        if not keys or not isinstance(what, Answered) or what.outcome is not Outcome.RECEIPT:
            continue
        told = content(what.signed, keys) if what.signed else None
        if told is None or f"sha256:{told.get('sha256')}" != what.report:
            yield f"row {line.row.seq}: the receipt is not the network's for this report"
