"""The one way out: certificates are always checked, and nothing is followed elsewhere."""

import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from service.errors import ConfigError, EhrError, UnavailableError
from service.fhir.exchange import send
from service.fhir.http import USER_AGENT, open_client, trust


class _Hospital(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(302 if self.path == "/moved" else 200)
        self.send_header("Location", "https://elsewhere.example/")
        self.send_header("Seen-Agent", self.headers["User-Agent"])
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A hospital's own certificate for 127.0.0.1, which no public authority knows; and its key."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Hospital CA")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    (folder / "ca.pem").write_bytes(made.public_bytes(Encoding.PEM))
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "key.pem").write_bytes(pem)
    return folder / "ca.pem", folder / "key.pem"


@pytest.fixture(scope="module")
def hospital(certificate: tuple[Path, Path]) -> Iterator[str]:
    """The address of an HTTPS server with that certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    server = HTTPServer(("127.0.0.1", 0), _Hospital)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_certificate_of_nobody_we_trust_is_refused(hospital: str) -> None:
    with open_client() as client, pytest.raises(EhrError, match="fhir.ca_file") as error:
        send(client, client.build_request("GET", hospital))
    assert not isinstance(error.value, UnavailableError)  # another try would not help


def test_the_hospitals_own_authority_is_trusted_when_it_is_given(
    hospital: str, certificate: tuple[Path, Path]
) -> None:
    with open_client(certificate[0]) as client:
        response = send(client, client.build_request("GET", hospital))
    assert (response.status_code, response.headers["Seen-Agent"]) == (200, USER_AGENT)


def hashed(folder: Path, certificate: Path) -> Path:
    """A folder of trusted certificates as OpenSSL has them: each is called after its subject, in
    small letters, and its digest."""
    folder.mkdir()
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hospital ca")])
    digest = sha1(subject.public_bytes()[2:]).digest()[:4]
    (folder / f"{int.from_bytes(digest, 'little'):08x}.0").write_bytes(certificate.read_bytes())
    return folder


def test_whom_the_host_trusts_by_a_file_is_trusted_and_nobody_else(
    hospital: str, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    with open_client() as client:
        assert send(client, client.build_request("GET", hospital)).status_code == 200
    assert [each["serialNumber"] for each in trust().get_ca_certs()] == ["01"]


def test_whom_the_host_trusts_by_a_folder_is_trusted_and_nobody_else(
    hospital: str,
    certificate: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As a host does that has no file of all of them."""
    monkeypatch.setenv("SSL_CERT_FILE", "")
    monkeypatch.setenv("SSL_CERT_DIR", str(hashed(tmp_path / "certs", certificate[0])))
    with open_client() as client:
        assert send(client, client.build_request("GET", hospital)).status_code == 200
    assert trust().get_ca_certs() == []  # they are looked for when they are needed


def test_a_folder_where_openssl_looks_by_itself_is_enough(
    tmp_path: Path, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = hashed(tmp_path / "certs", certificate[0])
    paths = ssl.get_default_verify_paths()._replace(capath=str(folder))
    monkeypatch.setenv("SSL_CERT_FILE", "")
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: paths)
    assert trust().get_ca_certs() == []


def test_a_host_that_trusts_nobody_has_the_usual_authorities(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A slim image has no trust store."""
    monkeypatch.setenv("SSL_CERT_FILE", "")
    monkeypatch.setenv("SSL_CERT_DIR", "")
    assert len(trust().get_ca_certs()) > 50


@pytest.mark.parametrize("content", [None, "no certificate at all"])
def test_a_trust_store_that_is_named_and_not_there_is_said(
    tmp_path: Path, content: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "gone.pem"
    if content:
        path.write_text(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    with pytest.raises(ConfigError, match=r"gone\.pem.*SSL_CERT_FILE"):
        open_client()


def test_a_redirect_is_told_not_followed(hospital: str, certificate: tuple[Path, Path]) -> None:
    with open_client(certificate[0]) as client, pytest.raises(EhrError, match="redirects"):
        send(client, client.build_request("GET", f"{hospital}/moved"))


@pytest.mark.parametrize("content", [None, "no certificate at all"])
def test_a_bundle_that_is_none_is_a_configuration_error(
    tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "ca.pem"
    if content:
        path.write_text(content)
    with pytest.raises(ConfigError, match="ca_file"):
        open_client(path)


def test_this_machine_is_never_reached_through_a_proxy(
    hospital: str, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")  # nobody listens there
    with open_client(certificate[0]) as client:
        assert send(client, client.build_request("GET", hospital)).status_code == 200
        with pytest.raises(UnavailableError, match="HTTPS_PROXY"):
            send(client, client.build_request("GET", "https://ehr.example"))


def test_nothing_is_sent_in_the_clear_but_to_this_machine() -> None:
    with open_client() as client:
        with pytest.raises(ConfigError, match="https"):
            send(client, client.build_request("GET", "http://ehr.example/fhir"))
        with pytest.raises(UnavailableError):  # it was tried
            send(client, client.build_request("GET", "http://127.0.0.1:9/"))
