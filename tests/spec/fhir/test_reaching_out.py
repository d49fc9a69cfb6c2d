"""A hospital's network: TLS of its own authority, client certificates, a proxy, other hosts."""

import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from service.errors import ConfigError, EhrError, UnavailableError
from service.fhir.exchange import send
from service.fhir.http import Identity, open_client

HOST = "ehr.hospital.example"  # which no name server knows


@dataclass(frozen=True)
class Authority:
    """A hospital's certificate authority, and certificates that it gave."""

    folder: Path
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    def give(self, name: str, *, server: bool = False) -> Path:
        """A PEM file with a certificate and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        usage = x509.ExtendedKeyUsageOID
        made = (
            _builder(name, self.certificate.subject, key)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .add_extension(
                x509.ExtendedKeyUsage([usage.SERVER_AUTH if server else usage.CLIENT_AUTH]),
                critical=False,
            )
            .sign(self.key, hashes.SHA256())
        )
        path = self.folder / f"{name}.pem"
        path.write_bytes(made.public_bytes(Encoding.PEM) + _pem(key))
        return path

    @property
    def ca_file(self) -> Path:
        """Its own certificate."""
        return self.folder / "ca.pem"


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])


def _builder(
    name: str, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
    )


def make_authority(folder: Path, name: str) -> Authority:
    """A new authority."""
    folder.mkdir()
    key = ec.generate_private_key(ec.SECP256R1())
    made = (
        _builder(name, _name(name), key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "ca.pem").write_bytes(made.public_bytes(Encoding.PEM))
    return Authority(folder, key, made)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The hospital's."""
    return make_authority(tmp_path_factory.mktemp("tls") / "hospital", "Hospital CA")


class _Hospital(BaseHTTPRequestHandler):
    """Says who the client is, by its certificate."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        peer = self.connection.getpeercert()  # type: ignore[attr-defined]
        name = dict(part[0] for part in peer["subject"])["commonName"].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(name)))
        self.end_headers()
        self.wfile.write(name)

    def log_message(self, format: str, *args: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    """Takes TLS connections with client certificates only; says nothing of those that fail."""

    daemon_threads = True
    context: ssl.SSLContext

    def finish_request(self, request: object, client_address: object) -> None:
        assert isinstance(request, socket.socket)
        request.settimeout(60)
        try:
            with self.context.wrap_socket(request, server_side=True) as secured:
                super().finish_request(secured, client_address)  # type: ignore[arg-type]
        except OSError:
            pass


@pytest.fixture(scope="module")
def hospital(authority: Authority) -> Iterator[int]:
    """The port of a server that is called `HOST` and wants client certificates."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.give(HOST, server=True))
    context.load_verify_locations(authority.ca_file)
    context.verify_mode = ssl.CERT_REQUIRED
    server = _Server(("127.0.0.1", 0), _Hospital)
    server.context = context
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


class _Proxy(BaseHTTPRequestHandler):
    """A forward proxy that knows where `HOST` is."""

    asked: list[str] = []

    def do_CONNECT(self) -> None:
        self.asked.append(self.path)
        host, _, port = self.path.partition(":")
        if host != HOST:
            self.send_error(403)
            return
        with socket.create_connection(("127.0.0.1", int(port))) as there:
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=_pass, args=(there, self.connection), daemon=True)
            back.start()
            _pass(self.connection, there)
            back.join(10)

    def log_message(self, format: str, *args: object) -> None:
        pass


def _pass(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What the hospital's forward proxy was asked for; the environment names it."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Proxy)
    server.daemon_threads = True
    _Proxy.asked = []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    yield _Proxy.asked
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_hospitals_way_out_proxy_authority_and_client_certificate(
    authority: Authority, hospital: int, proxy: list[str]
) -> None:
    identity = Identity(authority.give("weir"))
    with open_client(authority.ca_file, identity=identity, hosts={HOST}) as client:
        response = send(client, client.build_request("GET", f"https://{HOST}:{hospital}/metadata"))
    assert response.text == "weir"
    assert proxy == [f"{HOST}:{hospital}"]


def test_without_a_client_certificate_there_is_no_way_in(
    authority: Authority, hospital: int, proxy: list[str]
) -> None:
    with open_client(authority.ca_file) as client, pytest.raises(UnavailableError):
        send(client, client.build_request("GET", f"https://{HOST}:{hospital}/"))


def test_a_certificate_of_another_authority_is_of_no_use(
    authority: Authority, hospital: int, proxy: list[str], tmp_path: Path
) -> None:
    stranger = make_authority(tmp_path / "other", "Another CA")
    with (
        open_client(authority.ca_file, identity=Identity(stranger.give("weir"))) as client,
        pytest.raises(UnavailableError),
    ):
        send(client, client.build_request("GET", f"https://{HOST}:{hospital}/"))
    with (
        open_client(stranger.ca_file, identity=Identity(authority.give("weir"))) as client,
        pytest.raises(EhrError, match="not trusted"),
    ):
        send(client, client.build_request("GET", f"https://{HOST}:{hospital}/"))


def test_a_certificate_of_another_host_is_refused(
    authority: Authority, hospital: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server is who it says, and not whom we asked for."""
    identity = Identity(authority.give("weir"))
    with (
        open_client(authority.ca_file, identity=identity) as client,
        pytest.raises(EhrError, match="not trusted"),
    ):
        send(client, client.build_request("GET", f"https://127.0.0.1:{hospital}/"))


def test_only_hosts_that_are_named_are_spoken_to(proxy: list[str]) -> None:
    with open_client(hosts={HOST.upper()}) as client:
        for address in ("https://files.example/a", "https://ehr.hospital.example.evil/a"):
            with pytest.raises(ConfigError, match=r"fhir\.hosts") as error:
                send(client, client.build_request("GET", f"{address}?patient=pat-zyzzyva-1"))
            assert "zyzzyva" not in str(error.value)
    assert proxy == []


def test_a_certificate_that_cannot_be_used_is_said(authority: Authority, tmp_path: Path) -> None:
    locked = tmp_path / "locked.pem"
    key = ec.generate_private_key(ec.SECP256R1())
    locked.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    )
    mine, other = authority.give("one"), authority.give("two")
    for identity in (
        Identity(tmp_path / "nowhere.pem"),
        Identity(authority.ca_file),
        Identity(mine, other),
        Identity(mine, locked),
    ):
        with pytest.raises(ConfigError, match=r"fhir\.client_certificate"):
            open_client(identity=identity)
