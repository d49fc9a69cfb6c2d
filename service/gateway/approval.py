"""Proposals and approvals: a person signs the hash of exactly the bytes that will be sent.

A proposal is frozen when the gateway takes it: what the engine computes later is another release,
and waits behind it. An approval is a signature by a key that only its person has, over the bytes'
hash, the site and the decision; it is of no use for other bytes.
"""

from collections.abc import Mapping
from typing import Literal

import rfc8785
from joserfc.jwk import OKPKey

from service.errors import ConfigError, RefusedError
from service.fhir import signature
from service.gateway.config import Approver, public_keys
from service.gateway.consignment import Consignment
from service.gateway.gateway import Gateway
from service.gateway.row import Approved, Declined
from service.gateway.spool import Fate

Decision = Literal["approved", "declined"]


def approver_keys(approvers: tuple[Approver, ...]) -> dict[str, tuple[str, OKPKey]]:
    """Name and public key of each approver, by key id. Raises ConfigError."""
    return {
        kid: (each.name, key)
        for each in approvers
        for kid, key in public_keys(each.key_file).items()
    }


def decide(gateway: Gateway, consignment: Consignment, what: Decision, key: OKPKey) -> None:
    """Write a person's decision about a proposal. Raises ConfigError when it is not theirs."""
    known = approver_keys(gateway.config.approver)
    kid = key.thumbprint()
    if kid not in known:
        todo = "Its public half belongs into an [[approver]] table of the gateway's configuration"
        raise ConfigError("this key is no approver's", where=kid, todo=todo)
    if consignment.fate(gateway.config.approval) not in (Fate.HELD, Fate.EXPIRED):
        raise ConfigError("nothing is to be decided about this", where=consignment.taken.report)
    if kid in consignment.approvers and what == "approved":
        raise ConfigError("the same person approved it already", where=known[kid][0])
    gateway.archive.find(consignment.taken.report)  # the bytes are still those that were shown
    report = consignment.taken.report
    signed = signature.sign(_meant(what, report), key, kid)
    event = Approved if what == "approved" else Declined
    gateway.note(event(report=report, approver=kid, signature=signed))


def verifies(what: Approved | Declined, key: OKPKey) -> bool:
    """Whether a decision's signature is by this key and of these bytes."""
    try:
        meant = _meant(decision(what), what.report)
        signature.verify(meant, what.signature, {what.approver: key}.get)
    except RefusedError:
        return False
    return True


def decision(what: Approved | Declined) -> Decision:
    """The word of a decision."""
    return "approved" if isinstance(what, Approved) else "declined"


def _meant(what: Decision, report: str) -> bytes:
    """What is signed: no other statement of this software looks like it."""
    meant: Mapping[str, str] = {"weir": "decision", "decision": what, "report": report}
    return rfc8785.dumps(dict(meant))
