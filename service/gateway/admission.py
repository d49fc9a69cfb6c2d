"""What the gateway lets pass, judged from the bytes alone and not on the engine's word."""

from dataclasses import dataclass

from joserfc.jwk import OKPKey

from service.errors import RefusedError
from service.fhir import signature
from service.gateway.catalogue import Catalogue
from service.gateway.row import Reason, Taken
from service.measure.summary import parse, sha256
from service.measure.wire import Name


@dataclass(frozen=True)
class Gate:
    """Whose reports pass: signed by one of the engine's ``keys``, of ``site``, in the catalogue.

    Without a catalogue, as when engine and gateway run as one program for a trial, names are held
    to the wire format's patterns only.
    """

    site: Name
    keys: dict[str, OKPKey]
    catalogue: Catalogue | None

    def judge(self, body: bytes, signed: str) -> Taken | Reason:
        """The ledger's entry for these bytes with this signature, or why they do not pass."""
        try:
            report = parse(body)
        except RefusedError:
            return Reason.NOT_A_REPORT
        try:
            kid = signature.verify(body, signed, self.keys.get)
        except RefusedError:
            return Reason.NOT_SIGNED
        summary = report.summary
        if summary.site != self.site:
            return Reason.ANOTHER_SITE
        if self.catalogue is not None and not self.catalogue.lists(summary):
            return Reason.NOT_IN_CATALOGUE
        return Taken(
            report=sha256(body),
            release=report.key,
            bytes=len(body),
            measure=f"{summary.measure}|{summary.version}",
            period=str(summary.period),
            policy=summary.provenance.policy,
            package=summary.provenance.package,
            mapping=summary.provenance.mapping,
            engine=summary.provenance.engine,
            signed_by=kid,
        )
