"""The gateway and a network that asks for certificates, over real TLS."""

import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.faults.receiver import Receiver, run_receiver
from tests.faults.test_push import network_config
from tests.gateways import Engine
from tests.spec.fhir.test_reaching_out import Authority, make_authority


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return make_authority(tmp_path / "authority", "Network CA")


@pytest.fixture
def network(engine: Engine, authority: Authority) -> Iterator[Receiver]:
    """The network, which lets only those in who show a certificate of its own authority."""
    tls = {
        "ssl_certfile": authority.give("localhost", server=True),
        "ssl_ca_certs": authority.ca_file,
        "ssl_cert_reqs": ssl.CERT_REQUIRED,
    }
    with run_receiver(network_config(engine.folder, north=engine.keys), **tls) as receiver:
        engine.url = receiver.url
        yield receiver


def certificate(of: Authority) -> Mapping[str, Path]:
    path = of.give("north")
    return {"client_certificate": path, "client_key": path}


def test_with_the_networks_authority_and_a_certificate_of_its_own_it_delivers(
    engine: Engine, network: Receiver, authority: Authority
) -> None:
    engine.tls = {"ca_file": authority.ca_file, **certificate(authority)}
    engine.leave()
    assert engine.deliver().sent == 1
    assert len(network.submissions()) == 1


@pytest.mark.parametrize("lacking", ["authority", "certificate", "the right certificate"])
def test_without_either_nothing_is_delivered(
    lacking: str, engine: Engine, network: Receiver, authority: Authority, tmp_path: Path
) -> None:
    theirs = {"ca_file": authority.ca_file}
    engine.tls = {
        "authority": certificate(authority),
        "certificate": theirs,
        "the right certificate": theirs
        | dict(certificate(make_authority(tmp_path / "stranger", "Another CA"))),
    }[lacking]
    engine.leave()
    assert engine.deliver().sent == 0
    assert network.submissions() == []
