"""The real program over a real store, and a token to ask it with."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from fastapi import FastAPI
from fastapi.testclient import TestClient

from service.site.app import create_app
from service.site.config import SiteConfig, load_config
from service.site.tokens import make_token
from tests.spec.site_api.hospital import fill_store

MEASURES = Path(__file__).parents[3] / "measures"
SITE = """
site = "north"
measures = ["{measures}/dreaming", "{measures}/readmission"]
policy_file = "policy.toml"
data_dir = "data"

[fhir]
base_url = "https://ehr.example/fhir"
client_id = "weir"
key_file = "ehr.pem"
kid = "north-1"

[network]
url = "https://network.example"
"""


def write_site(folder: Path, mapping: str = "") -> SiteConfig:
    """A site's configuration, its key for the EHR and its table of codes; nothing is pulled yet."""
    key = ec.generate_private_key(ec.SECP384R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "ehr.pem").write_bytes(pem)
    told = SITE.format(measures=MEASURES)
    if mapping:
        (folder / "mapping").mkdir()
        (folder / "mapping" / "local.csv").write_text(mapping)
        told = f'mapping = "mapping"\n{told}'
    (folder / "site.toml").write_text(told)
    return load_config(folder / "site.toml")


def signed_in(program: FastAPI) -> dict[str, str]:
    """The header of someone with a good token."""
    engine = program.state.site.engine
    token = make_token(engine, "QI team", timedelta(days=1), datetime.now(UTC))
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("site")


@pytest.fixture(scope="module")
def program(folder: Path) -> FastAPI:
    """The site's program after a pull; shared by the tests of a file, which add to it only."""
    config = write_site(folder)
    fill_store(config)
    return create_app(config)


@pytest.fixture(scope="module")
def stranger(program: FastAPI) -> Iterator[TestClient]:
    """A client without a token."""
    with TestClient(program) as client:
        yield client


@pytest.fixture(scope="module")
def client(program: FastAPI) -> Iterator[TestClient]:
    """A client who is signed in."""
    with TestClient(program, headers=signed_in(program)) as client:
        yield client
