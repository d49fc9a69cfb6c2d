"""The heads of the sites' ledgers: kept, and each held against those before it.

A site's gateway shows the head of its ledger before and with every report. A head that goes back,
that contradicts one that is known, or that another key signs without the former key's word, is
refused with 412: then the site's ledger is not whole, and its gateway sends nothing more. Where
staff accepted a ledger's key, the first head has to be signed with it.
"""

from joserfc.jwk import OKPKey
from sqlmodel import Field, Session, col, select

from service.errors import RefusedError, RequestError
from service.fhir import signature
from service.measure import head
from service.measure.head import Statement
from service.network import audit
from service.network.table import NetworkTable, instant


class LedgerHead(NetworkTable, table=True):
    """One head as it was shown; ``statement`` is the signed original.

    ``chain`` counts from 1, one more whenever staff accepted a new beginning.
    """

    __tablename__ = "ledger_head"

    id: int | None = Field(default=None, primary_key=True)
    site: str = Field(index=True)
    chain: int
    seq: int
    hash: str
    x: str
    received: str = Field(default_factory=instant)
    statement: str


class NewChain(NetworkTable, table=True):
    """Staff accept that a site's ledger begins anew: its next head need not follow."""

    __tablename__ = "ledger_new_chain"

    id: int | None = Field(default=None, primary_key=True)
    site: str = Field(index=True)
    chain: int
    accepted: str = Field(default_factory=instant)


class LedgerKey(NetworkTable, table=True):
    """A public key that staff accepted as that of a site's ledger; the newest counts."""

    __tablename__ = "ledger_key"

    id: int | None = Field(default=None, primary_key=True)
    site: str = Field(index=True)
    x: str
    accepted: str = Field(default_factory=instant)


def enrol(session: Session, who: str, site: str, x: str) -> None:
    """Accept the key of a site's ledger; audited."""
    session.add(LedgerKey(site=site, x=x))
    audit.record(session, who, "ledger key accepted", site, x=x)


def enrolled(session: Session, site: str) -> list[LedgerKey]:
    """The accepted keys of a site's ledger, the newest first."""
    query = select(LedgerKey).where(LedgerKey.site == site).order_by(col(LedgerKey.id).desc())
    return list(session.exec(query))


def checked(session: Session, text: str) -> Statement:
    """A head that goes on from those that are known, or is the first.

    Raises RequestError: 401 for what is no head, 412 for one that does not go on.
    """
    try:
        told = head.read(text)
    except RefusedError as error:
        raise RequestError(401, "security", error.what, where=error.where) from None
    known = _latest(session, told.site, _chain(session, told.site))
    if known is None:
        _begins(session, told)
    elif not _goes_on(known, told):
        raise RequestError(
            412,
            "conflict",
            "the ledger does not go on from what the network knows of it",
            where=head.HEADER,
            todo="Restore the newest backup of the site, or ask the network's staff",
        )
    return told


def keep(session: Session, told: Statement, text: str, site: str | None = None) -> None:
    """Keep a checked head, and commit.

    ``site`` is the one that signed the report that it came with. Without a report only the ledger's
    own key speaks for it, so a site's first head is kept with a report only, and that of another
    site never.
    """
    chain = _chain(session, told.site)
    known = _latest(session, told.site, chain)
    if told.site != site and (site is not None or known is None):
        return
    if known is None or told.head.seq > known.seq:
        row = LedgerHead(site=told.site, chain=chain, statement=text, x=told.x, **dict(told.head))
        session.add(row)
        session.commit()


def heads_of(session: Session, site: str) -> list[LedgerHead]:
    """The heads of a site's present ledger, the oldest first."""
    query = select(LedgerHead).where(
        LedgerHead.site == site, LedgerHead.chain == _chain(session, site)
    )
    return list(session.exec(query.order_by(col(LedgerHead.id))))


def accept_new(session: Session, who: str, site: str) -> int:
    """Let a site's ledger begin anew; audited. Returns the number of the ledger that now begins."""
    chain = _chain(session, site) + 1
    session.add(NewChain(site=site, chain=chain))
    audit.record(session, who, "ledger begins anew", site, chain=chain)
    return chain


def _chain(session: Session, site: str) -> int:
    query = select(NewChain).where(NewChain.site == site).order_by(col(NewChain.id).desc())
    last = session.exec(query).first()
    return last.chain if last else 1


def _latest(session: Session, site: str, chain: int) -> LedgerHead | None:
    query = select(LedgerHead).where(LedgerHead.site == site, LedgerHead.chain == chain)
    return session.exec(query.order_by(col(LedgerHead.id).desc())).first()


def _begins(session: Session, told: Statement) -> None:
    """Raise RequestError unless a first head is signed with the accepted key, if there is one."""
    accepted = enrolled(session, told.site)[:1]
    if all(key.x == told.x or _handed_over(key.x, told) for key in accepted):
        return
    raise RequestError(
        412,
        "conflict",
        "the ledger is signed with another key than the one that was accepted for it",
        where=head.HEADER,
        todo="Present its key with `weir gateway enrol`, or restore the gateway's backup",
    )


def _goes_on(known: LedgerHead, told: Statement) -> bool:
    """Whether a head can come after one that is known."""
    if told.head.seq == known.seq and told.x == known.x:
        return told.head.hash == known.hash
    if told.head.seq <= known.seq:
        return False
    if told.since is not None and told.since.seq == known.seq and told.since.hash != known.hash:
        return False
    return told.x == known.x or _handed_over(known.x, told)


def _handed_over(former: str, told: Statement) -> bool:
    key = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": former})
    try:
        signature.verify(told.x.encode(), told.handover, {key.thumbprint(): key}.get)
    except RefusedError:
        return False
    return True
