"""The demo's folder: what each center and the network would have on their own disks.

demo-data/
  north/site.toml ehr-key.pem               what a center configures
  north/policy.toml .sig policy.jwk.json    what may leave it, signed
  north/ehr/                                its EHR: settings, database, log
  north/data/                               all that the site program writes
  south/...
  network/network.toml north.jwk.json ...   the coordinating center's
"""

import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc.jwk import OKPKey

from service.demo.centers import Center
from service.demo.records import GROUP
from service.errors import ConfigError
from service.fhir import signature
from service.fhir.keys import SigningKey, read_signing_key

ROOT = Path(__file__).parents[2]  # of the clone: measures/ and mappings/ are there
MARK = ".weir-demo"  # says that a folder is the demo's own, and may be replaced
DREAMING = "urn:weir:measure:dreaming"
READMISSION = "urn:weir:measure:readmission"
CLIENT = "weir"
KID = "weir-demo"
NETWORK_TOML = f"""\
title = "Recovery Network"
access = "open"  # nobody signs in to a demo: it is served on 127.0.0.1 only

[[measure]]
url = "{DREAMING}"
title = "Drinking, eating and mobilising within 24 hours of surgery"
window = "month"
target = 0.6
direction = "increase"
headline = "composite"
groups = [
  {{ id = "composite", title = "All three" }},
  {{ id = "drinking", title = "Drinking" }},
  {{ id = "eating", title = "Eating" }},
  {{ id = "mobilising", title = "Mobilising" }},
  {{ id = "composite/sex/female", title = "Women" }},
  {{ id = "composite/sex/male", title = "Men" }},
]

[[measure]]
url = "{READMISSION}"
title = "Unplanned readmission within 30 days"
description = "Only readmissions to the same center are seen."
window = "quarter"
target = 0.12
direction = "decrease"
groups = [{{ id = "readmission", title = "Readmitted" }}]
"""


@dataclass(frozen=True)
class SiteFolder:
    """One center's part of the folder, and where its EHR will answer."""

    path: Path
    center: Center
    ehr_port: int

    @property
    def config(self) -> Path:
        return self.path / "site.toml"

    @property
    def log(self) -> Path:
        return self.path / "run.log"

    @property
    def ehr(self) -> Path:
        return self.path / "ehr"

    @property
    def ehr_url(self) -> str:
        return f"http://127.0.0.1:{self.ehr_port}/fhir"

    def key(self) -> SigningKey:
        """The key by which the site proves to the EHR who it is."""
        return read_signing_key(self.path / "ehr-key.pem", KID)


def fresh_folder(path: Path) -> Path:
    """An empty folder of that path; an earlier demo's is replaced, and nobody else's.

    Raises ConfigError when something else is there.
    """
    if path.exists() and not _is_ours(path):
        todo = "Give another folder with --folder"
        raise ConfigError("Something else than a demo is here", where=str(path), todo=todo)
    if path.exists():
        shutil.rmtree(path)
    path.mkdir(parents=True)
    (path / MARK).touch()
    return path.absolute()


def _is_ours(path: Path) -> bool:
    return path.is_dir() and ((path / MARK).is_file() or not any(path.iterdir()))


def make_site(
    folder: Path, center: Center, months: tuple[date, date], port: int, network_url: str
) -> SiteFolder:
    """Configure a center that releases the measures of some months, the first to the last."""
    site = SiteFolder(folder / center.id, center, port)
    site.path.mkdir()
    _make_key(site.path / "ehr-key.pem", center)
    _sign_policy(site.path, _policy(*months))
    site.config.write_text(_site_toml(site, network_url))
    return site


def make_network(folder: Path, keys: Mapping[Center, str]) -> Path:
    """Configure the network for the centers, each with its public key (a JWK as JSON).

    Gives the path of network.toml.
    """
    path = folder / "network"
    path.mkdir()
    for center, jwk in keys.items():
        (path / f"{center.id}.jwk.json").write_text(jwk)
    (path / "network.toml").write_text(_network_toml(keys))
    return path / "network.toml"


def _make_key(path: Path, center: Center) -> None:
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
    if center.algorithm == "ES384":
        key = ec.generate_private_key(ec.SECP384R1())
    else:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.touch(mode=0o600)
    path.write_bytes(pem)


def _sign_policy(path: Path, policy: str) -> None:
    """Write a policy, its signature, and the public half of a policy key that is then thrown away.

    In earnest a person at the network keeps that key offline and signs with `weir policy sign`.
    """
    key = OKPKey.generate_key("Ed25519")
    (path / "policy.toml").write_text(policy)
    (path / "policy.toml.sig").write_text(signature.sign(policy.encode(), key, key.thumbprint()))
    (path / "policy.jwk.json").write_text(json.dumps(key.as_dict(private=False)))


def _site_toml(site: SiteFolder, network_url: str) -> str:
    measures = [str(ROOT / "measures" / name) for name in ("dreaming", "readmission")]
    return f"""\
site = "{site.center.id}"
measures = {json.dumps(measures)}
mapping = {json.dumps(str(ROOT / "mappings" / site.center.id))}
policy_file = "policy.toml"
policy_key = "policy.jwk.json"
data_dir = "data"
timezone = "{site.center.zone.key}"

[fhir]
base_url = "{site.ehr_url}"
client_id = "{CLIENT}"
key_file = "ehr-key.pem"
kid = "{KID}"
group = "{GROUP}"

[network]
url = "{network_url}"
"""


def _policy(first: date, last: date) -> str:
    return f"""\
network = "The demo's network"
version = "1"
profile = "default"
legal_basis = "None: the patients are made up"

[[release]]
measure = "{DREAMING}"
window = "month"
from = "{first:%Y-%m}"
to = "{last:%Y-%m}"

[[strata]]
measure = "{DREAMING}"
stratifier = "sex"
values = ["female", "male"]

[[release]]
measure = "{READMISSION}"
window = "quarter"
from = "{first:%Y-%m}"
to = "{last:%Y-%m}"
"""


def _network_toml(centers: Iterable[Center]) -> str:
    return NETWORK_TOML + "".join(_site_table(center) for center in centers)


def _site_table(center: Center) -> str:
    table = f"""
[[site]]
id = "{center.id}"
name = "{center.title}"
key_file = "{center.id}.jwk.json"
measures = ["{DREAMING}", "{READMISSION}"]
"""
    if center.change is None:
        return table
    return f"""{table}
[[annotation]]
site = "{center.id}"
measure = "{DREAMING}"
month = "{center.change:%Y-%m}"
text = "Drinks trolley, early meals and a chair beside every bed"
baseline = true
"""
