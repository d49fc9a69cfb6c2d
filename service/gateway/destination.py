"""Where releases go: a Weir network, or a plain FHIR server. How each takes one, and thanks for it.

Only a receipt makes a release delivered. A Weir network's holds the hash of the body and a FHIR
server's is the report's address there, so that no captive portal or gateway can pass for either.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import httpx
from joserfc.jwk import OKPKey

from service.fhir import signature
from service.gateway.receipt import read_receipt
from service.gateway.way_out import WayOut
from service.measure import head

_RECEIPT = re.compile(r"[A-Za-z0-9-]{1,64}")


@dataclass(frozen=True)
class Parcel:
    """What is handed over: exact bytes, their hash, release key, and the two signatures."""

    body: bytes
    report: str  # sha256:<hex>
    release: str
    signature: str
    statement: str  # of the ledger's head


@dataclass(frozen=True)
class Delivery:
    """The answer to one attempt, and the receipt in it, if it is one.

    ``signed`` is the network's signature over the receipt, ``checked`` whether it holds.
    """

    answer: httpx.Response
    receipt: str | None
    signed: str | None = None
    checked: bool = False


class Destination(Protocol):
    """What takes releases. Taking one that it has already is no harm: the receipt is the same."""

    def deliver(self, parcel: Parcel) -> Delivery:
        """Hand over a release's exact bytes; raises httpx.RequestError when nobody answers."""

    def greet(self, statement: str) -> httpx.Response | None:
        """Show the ledger's head before anything else; None where nobody asks for it."""


@dataclass(frozen=True)
class WeirNetwork:
    """A Weir network: answered with a signed receipt (docs/wire-format.md).

    ``keys`` are those that its receipts are checked with; without them no receipt is `checked`.
    """

    way: WayOut
    keys: Mapping[str, OKPKey] | None = None

    def greet(self, statement: str) -> httpx.Response | None:
        """Post the head; a network that does not know of ledgers answers 404, which is no harm."""
        return self.way.send(head.PATH, b"", {head.HEADER: statement})

    def deliver(self, parcel: Parcel) -> Delivery:
        """Post it under its key."""
        own = {
            "Idempotency-Key": parcel.release,
            signature.HEADER: parcel.signature,
            head.HEADER: parcel.statement,
        }
        answer = self.way.send("/fhir/MeasureReport", parcel.body, own)
        told = decoded(answer)
        receipt = str(told.get("receipt"))
        known = f"sha256:{told.get('sha256')}" == parcel.report and _RECEIPT.fullmatch(receipt)
        if not (answer.is_success and known):
            return Delivery(answer, None)
        signed, checked = read_receipt(told.get("signed"), receipt, parcel.report, self.keys)
        if self.keys and not checked:
            return Delivery(answer, None)
        return Delivery(answer, receipt, signed, checked)


def decoded(answer: httpx.Response) -> dict[str, Any]:
    """An answer's JSON object; empty when it is none."""
    try:
        told = answer.json()
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
