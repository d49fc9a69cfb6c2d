"""A small hospital in a real FHIR server, for any test that needs an EHR.

Start with the fixture `ehr`: a session's `sekmet-fhir`, loaded with `RESOURCES`, behind a proxy
that can be told to misbehave. Tests change nothing in it. Names, birth dates and ids of the
patients are canaries: `assert_no_canary` finds them where they must not be.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from service.demo.ehr import EhrClient, free_port, run_ehr
from service.demo.load import administrator, load
from service.fhir.http import open_client
from service.fhir.keys import SigningKey, read_signing_key
from service.fhir.patience import Patience
from service.measure.completeness import Reason, Verdict
from service.site.config import FhirConfig, NetworkConfig, SiteConfig
from service.site.plan import AcquisitionPlan
from service.site.store import Store
from service.site.vendor import PROFILES
from tests.faults.proxy import FaultProxy, run_proxy

QUICK = Patience(attempts=3, first=0.05, longest=0.2, export=300)
GROUP = "cohort"
CANARIES = ("Quetzalcoatlus", "1957-03-29", "pat-zyzzyva", "note-syzygy")
ADMINISTRATOR = administrator("a secret of the hospital's own")
LOCAL = "urn:hospital:codes"
PATIENTS = tuple(f"pat-zyzzyva-{n}" for n in range(1, 5))

PLAN = AcquisitionPlan(
    elements={
        "Patient": frozenset({"birthDate"}),
        "Encounter": frozenset({"class", "type", "period", "location", "hospitalization"}),
        "Observation": frozenset({"code", "value", "effective", "encounter"}),
        "MedicationRequest": frozenset({"medication", "authoredOn"}),
        "Medication": frozenset({"code"}),
        "Location": frozenset({"type", "partOf"}),
    },
)


def _coded(code: str, system: str = LOCAL) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


def _of(type_name: str, id: str, patient: str, **elements: Any) -> dict[str, Any]:
    subject = {"reference": f"Patient/{patient}", "display": "Quetzalcoatlus"}
    return {"resourceType": type_name, "id": id, "subject": subject, **elements}


def _patient(id: str) -> list[dict[str, Any]]:
    stay = f"stay-{id[-1]}"
    period = {"start": "2026-01-05T08:00:00Z", "end": "2026-01-09T11:30:00Z"}
    return [
        {
            "resourceType": "Patient",
            "id": id,
            "name": [{"family": "Quetzalcoatlus"}],
            "birthDate": "1957-03-29",
            "identifier": [{"system": "urn:hospital:mrn", "value": f"mrn-{id[-1]}"}],
        },
        _of(
            "Encounter",
            stay,
            id,
            status="finished",
            period=period,
            type=[_coded("elective")],
            location=[{"location": {"reference": "Location/bed-7"}}],
            **{"class": {"system": LOCAL, "code": "IMP"}},
        ),
        _of(
            "Observation",
            f"mobilised-{id[-1]}",
            id,
            status="final",
            code=_coded("MOB"),
            encounter={"reference": f"Encounter/{stay}"},
            effectiveDateTime="2026-01-06T10:00:00Z",
            note=[{"text": "note-syzygy"}],
        ),
        _of(
            "Observation",
            f"pain-{id[-1]}",
            id,
            status="final",
            code=_coded("72514-3", "http://loinc.org"),
            encounter={"reference": f"Encounter/{stay}"},
            effectiveDateTime="2026-01-06T12:00:00Z",
            valueQuantity={"value": 2.50, "unit": "1"},
        ),
        _of(
            "MedicationRequest",
            f"order-{id[-1]}",
            id,
            status="active",
            intent="order",
            medicationReference={"reference": "Medication/paracetamol"},
        ),
    ]


WARD = [
    {"resourceType": "Location", "id": "bed-7", "partOf": {"reference": "Location/ward"}},
    {"resourceType": "Location", "id": "ward", "name": "Surgical ward", "type": [_coded("SURG")]},
    {"resourceType": "Medication", "id": "paracetamol", "code": _coded("N02BE01", "http://atc")},
]
COHORT = {
    "resourceType": "Group",
    "id": GROUP,
    "type": "person",
    "actual": True,
    "member": [{"entity": {"reference": f"Patient/{id}"}} for id in PATIENTS],
}
WARDS = {  # a group that has the cohort as a member, itself, and a patient who left
    "resourceType": "Group",
    "id": "wards",
    "type": "person",
    "actual": True,
    "member": [
        {"entity": {"reference": f"Group/{GROUP}"}},
        {"entity": {"reference": "Group/wards"}},
        {"entity": {"reference": "Patient/pat-zyzzyva-9"}, "inactive": True},
    ],
}
CENSUS = {
    "resourceType": "List",
    "id": "census",
    "status": "current",
    "mode": "working",
    "entry": [
        {"item": {"reference": f"Patient/{PATIENTS[0]}"}},
        {"item": {"reference": f"Patient/{PATIENTS[1]}"}},
        {"item": {"reference": f"Patient/{PATIENTS[2]}"}, "deleted": True},
    ],
}
STRANGERS = _patient("pat-zyzzyva-9")  # in the hospital, not in the group
RESOURCES = [
    *WARD,
    *(r for id in PATIENTS for r in _patient(id)),
    *STRANGERS,
    COHORT,
    WARDS,
    CENSUS,
]


@dataclass(frozen=True)
class SmallEhr:
    """The running hospital. ``keys``: key files by name (``ec``, ``rsa``, and ``stranger``, which
    the EHR does not know)."""

    base_url: str
    proxy: FaultProxy
    keys: dict[str, Path]

    def config(self, data_dir: Path, client_id: str = "weir", key: str = "ec") -> SiteConfig:
        """A site's configuration for this EHR; policy and measures are not there."""
        return site_config(self.base_url, self.keys[key], data_dir, client_id)


def site_config(
    base_url: str, key_file: Path, data_dir: Path, client_id: str = "weir"
) -> SiteConfig:
    """A configuration for the small hospital at this address; the key's id is its file's name."""
    return SiteConfig(
        site="north",
        measures=(Path("/nowhere"),),
        policy_file=Path("/nowhere"),
        data_dir=data_dir,
        fhir=FhirConfig(
            base_url=base_url,
            client_id=client_id,
            key_file=key_file,
            kid=key_file.stem,
            group=GROUP,
            check_patients=0,
        ),
        network=NetworkConfig(url="https://network.example"),
    )


def profiled(config: SiteConfig, **changes: str) -> SiteConfig:
    """The configuration with a vendor profile of its own: the default with other values, which are
    written as they stand in TOML."""
    lines = PROFILES.joinpath("default.toml").read_text().splitlines()
    for key, value in changes.items():
        [place] = [at for at, line in enumerate(lines) if line.partition(" = ")[0] == key]
        lines[place] = f"{key} = {value}"
    config.data_dir.mkdir(parents=True, exist_ok=True)
    path = config.data_dir.parent / f"{config.data_dir.name}-vendor.toml"
    path.write_text("\n".join(lines))
    return with_fhir(config, vendor=str(path))


def searching(config: SiteConfig, **changes: str) -> SiteConfig:
    """The same, by search, with small pages and few patients at once; by GET, so that what was
    asked can be read from addresses."""
    usual = {"way": '"search"', "method": '"get"', "page_size": "2", "patients_at_once": "3"}
    return profiled(config, **{**usual, **changes})


def with_fhir(config: SiteConfig, **changes: Any) -> SiteConfig:
    """The configuration with other values in its section [fhir]."""
    return config.model_copy(update={"fhir": config.fhir.model_copy(update=changes)})


@pytest.fixture(scope="session")
def ehr(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallEhr]:
    """The small hospital, started once for a session."""
    with run_behind_proxy(tmp_path_factory.mktemp("ehr")) as small:
        fill(small.base_url)
        yield small


@contextmanager
def run_behind_proxy(folder: Path) -> Iterator[SmallEhr]:
    """Run an empty server that has its files in a folder, and knows the keys ``ec`` and ``rsa``."""
    keys = write_keys(folder)
    known = [read_signing_key(keys[name], name) for name in ("ec", "rsa")]
    front, back = free_port(), free_port()
    base_url = f"http://127.0.0.1:{front}/fhir"
    with (
        run_proxy(front, f"http://127.0.0.1:{back}") as proxy,
        run_ehr(folder / "server", clients(*known), base_url=base_url, port=back),
    ):
        yield SmallEhr(base_url, proxy, keys)


def write_keys(folder: Path) -> dict[str, Path]:
    """Key files: ``ec`` and ``rsa`` for the EHR to know, ``stranger`` for it not to."""
    made = {
        "ec": ec.generate_private_key(ec.SECP384R1()),
        "rsa": rsa.generate_private_key(public_exponent=65537, key_size=2048),
        "stranger": ec.generate_private_key(ec.SECP384R1()),
    }
    for name, key in made.items():
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (folder / f"{name}.pem").write_bytes(pem)
    return {name: folder / f"{name}.pem" for name in made}


def clients(ec_key: SigningKey, rsa_key: SigningKey) -> list[EhrClient]:
    """How the EHR registers us: ``weir``, ``weir-rsa``, and ``narrow``, who may not read
    observations. Each has one key: the server fails on a client with keys of two kinds."""
    types = sorted(PLAN.types - {"Observation"})
    return [
        ADMINISTRATOR,
        EhrClient("weir", ec_key.jwks()),
        EhrClient("weir-rsa", rsa_key.jwks()),
        EhrClient("narrow", ec_key.jwks(), " ".join(f"system/{name}.read" for name in types)),
    ]


def fill(base_url: str) -> None:
    """Put `RESOURCES` into the server, as the hospital's administrator."""
    with open_client() as client:
        load(client, base_url, ADMINISTRATOR, RESOURCES, lambda n: None)


def assert_no_canary(*texts: str) -> None:
    """No text holds anything of a patient."""
    for text in texts:
        for canary in CANARIES:
            assert canary not in text


def assert_doubted(store: Store, reasons: set[Reason]) -> None:
    """What a pull brought is not called complete, for these reasons, and no patient is in them."""
    assert store.completeness().verdict is not Verdict.COMPLETE
    assert store.completeness().reasons == reasons
    assert_no_canary(*(str(finding) for finding in store.facts.findings))
