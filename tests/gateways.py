"""A gateway for tests: the engine's side of it, with real keys and real releases."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from joserfc.jwk import OKPKey

from service.fhir.patience import Patience
from service.gateway.config import ApprovalConfig, Approver, GatewayConfig, NetworkConfig
from service.gateway.delivery import Delivered, deliver
from service.gateway.keys import make_approver, public_jwk
from service.gateway.ledger import NAME, read_lines
from service.gateway.row import Event
from service.gateway.spool import Answer, Spool
from service.gateway.verification import Evidence, Verified, verify
from service.site.keys import SiteKeys, site_keys
from tests.releases import release

ONCE = Patience(attempts=1)
PASSWORD = b"correct horse"
GATEWAY_TOML = """
site = "north"
data_dir = "gateway"
spool = "spool"
reports_key = "reports.jwk.json"
catalogue = "catalogue.json"
[network]
url = "{url}"
"""


@dataclass
class Engine:
    """What the engine has, and the gateway's configuration beside it."""

    folder: Path
    url: str
    approval: ApprovalConfig = ApprovalConfig()
    approver: tuple[Approver, ...] = ()
    catalogue: Path | None = None
    receipt_keys: Path | None = None
    tls: Mapping[str, Path] = field(default_factory=dict)  # of the gateway's [network]
    left: int = 0
    keys: SiteKeys = field(init=False)

    def __post_init__(self) -> None:
        self.keys = site_keys(self.folder / "engine")
        (self.folder / "reports.jwk.json").write_bytes(self.keys.public_json)

    @property
    def config(self) -> GatewayConfig:
        line = {"url": self.url} if self.url else {"kind": "file"}
        return GatewayConfig(
            site="north",
            data_dir=self.folder / "gateway",
            spool=self.folder / "spool",
            reports_key=self.folder / "reports.jwk.json",
            catalogue=self.catalogue,
            network=NetworkConfig.model_validate(
                {**line, **self.tls, "receipt_keys": self.receipt_keys}
            ),
            approval=self.approval,
            approver=self.approver,
        )

    @property
    def spool(self) -> Spool:
        return Spool(self.folder / "spool")

    def leave(self, *bodies: bytes) -> None:
        """Leave reports in the spool, signed; made-up ones of the readmission measure if none."""
        for body in bodies or (release().body,):
            self.left += 1
            self.spool.put(self.left, body, self.keys.sign(body))

    def deliver(self, *, dry_run: bool = False) -> Delivered:
        return deliver(self.config, ONCE, dry_run=dry_run)

    def answers(self) -> list[Answer]:
        return [answer for _, answer in self.spool.answers()]

    @property
    def ledger(self) -> Path:
        return self.folder / "gateway" / NAME

    def rows(self) -> list[Event]:
        return [line.row.what for line in read_lines(self.ledger)]

    def events(self) -> list[str]:
        return [row.event for row in self.rows()]

    def verify(self, **evidence: object) -> Verified:
        return verify(self.ledger, Evidence(archive=self.folder / "gateway", **evidence))  # type: ignore[arg-type]


def approver(folder: Path, name: str) -> tuple[Approver, OKPKey]:
    """A person with a key: how the configuration names them, and the private key."""
    key = make_approver(folder / f"{name}.pem", PASSWORD)
    public = folder / f"{name}.jwk.json"
    public.write_text(json.dumps(public_jwk(key)))
    return Approver(name=name, key_file=public), key
