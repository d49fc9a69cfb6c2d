"""Reports that were carried here in a file: received like those that come over the line."""

from sqlalchemy import Engine
from sqlmodel import Session

from service.errors import RefusedError, RequestError
from service.measure.parcel import CarriedReport, Replies, Reply, read_parcel
from service.measure.summary import sha256
from service.network import heads, receiving, roster
from service.network.config import NetworkConfig
from service.network.keyring import Keyring


def receive_parcel(engine: Engine, config: NetworkConfig, keyring: Keyring, data: bytes) -> Replies:
    """Keep a parcel's reports, each for itself, and say to each what the line would have said.

    Safe to repeat. Raises RefusedError when it is no parcel or another network's, RequestError
    (412) when its ledger does not go on from what is known.
    """
    parcel = read_parcel(data)
    if keyring.kid not in parcel.to:
        todo = f"Carry it there. Where it was meant for this one, whose key is {keyring.kid}, the "
        todo += "site's `receipt_keys` are another's: put /.well-known/jwks.json there, pack anew"
        where = f"to {', '.join(parcel.to)}"
        raise RefusedError("this parcel is for another network", where=where, todo=todo)
    with Session(engine) as session:
        roster.seed(session, config)  # the server may not have run since network.toml was written
        shown = heads.checked(session, parcel.statement)
    replies = tuple(_reply(engine, config, keyring, each) for each in parcel.reports)
    if any(each.signed for each in replies):
        with Session(engine) as session:
            heads.keep(session, shown, parcel.statement, shown.site)
    return Replies(replies=replies)


def _reply(
    engine: Engine, config: NetworkConfig, keyring: Keyring, carried: CarriedReport
) -> Reply:
    letter = receiving.Letter(carried.body, carried.signature, carried.release)
    report = sha256(carried.body)
    try:
        (receipt,) = receiving.receive(engine, config, letter)
    except RequestError as error:
        return Reply(report=report, status=error.status, issue=error.code)
    status = 201 if receipt.new else 200
    return Reply(report=report, status=status, signed=keyring.sign(receipt.content))
