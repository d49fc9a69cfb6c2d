"""The one way out: every HTTP client of both programs is made here.

TLS is always verified, against the host's trust store and the site's private CA, and nothing is
sent without it but to this machine itself. Proxies come from the environment (HTTPS_PROXY,
NO_PROXY), as hospitals set them; this machine is never reached through one. Redirects are not
followed, and a client that was given the hosts it may speak to speaks to no other.
"""

import ipaddress
import logging
import os
import ssl
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import httpx

from service.errors import ConfigError

USER_AGENT = "weir/0.1"
TIMEOUT = httpx.Timeout(60.0, connect=15.0)  # seconds; of each read, not of a whole download
CA_FILE = "Give a PEM file of certificates as ca_file"
NAMED = "Name a PEM file of certificates in SSL_CERT_FILE, or take that out of the environment"
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")

# httpx writes every URL at INFO, and a URL can hold a record's id.
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)


@dataclass(frozen=True)
class Identity:
    """A client certificate (mutual TLS): PEM files of it and of its private key, which may be in
    the same file."""

    certificate: Path
    key: Path | None = None


def open_client(
    ca_file: Path | None = None,
    timeout: httpx.Timeout = TIMEOUT,
    *,
    identity: Identity | None = None,
    hosts: Collection[str] | None = None,
    connections: int | None = None,
    before: Callable[[httpx.Request], None] | None = None,
) -> httpx.Client:
    """A client for all calls to one server; close it, or use it in a ``with``.

    ``ca_file`` is a PEM bundle of the site's own authorities, trusted beside the host's. ``hosts``
    are the names of those it may speak to, all when None; ``connections`` is the most that it opens
    at once; ``before`` is called with each request and may hold or refuse it. Raises ConfigError
    when a certificate or key cannot be used.
    """
    allowed = None if hosts is None else frozenset(host.lower() for host in hosts)

    def refuse_strangers(request: httpx.Request) -> None:
        if allowed is not None and request.url.host.lower() not in allowed:
            raise _stranger(request.url.host)

    hooks = [_refuse_cleartext, refuse_strangers, *([before] if before else [])]
    return httpx.Client(
        verify=trust(ca_file, identity),
        timeout=timeout,
        limits=httpx.Limits(max_connections=connections),
        headers={"User-Agent": USER_AGENT},
        follow_redirects=False,
        mounts={f"all://{host}": None for host in LOOPBACK},
        event_hooks={"request": hooks},
    )


def _stranger(host: str) -> ConfigError:
    return ConfigError(
        "The server leads to a host that is not allowed, and nothing was sent there",
        where=host,
        todo="If the EHR's vendor confirms that it is theirs, add it to fhir.hosts",
    )


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by name or by address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _refuse_cleartext(request: httpx.Request) -> None:
    """An address can come from a server's answer: a token would be read on the way."""
    if request.url.scheme == "http" and not is_loopback(request.url.host):
        raise ConfigError(
            "Nothing is sent in the clear", where=request.url.host, todo="Use an https address"
        )


def trust(ca_file: Path | None = None, identity: Identity | None = None) -> ssl.SSLContext:
    """Certificates are required and host names checked; there is no switch to turn that off.

    The host's own trust store is used where it has one.
    """
    context = _trust_of_the_host()
    if ca_file is not None:
        _add(context, ca_file, CA_FILE)
    if identity is not None:
        _identify(context, identity)
    return context


def _trust_of_the_host() -> ssl.SSLContext:
    """What the host trusts: a file, or a folder in which OpenSSL looks for who signed what.

    A host that has removed an authority does not trust it: the usual ones are taken only where
    there is nothing at all, as in a slim image.
    """
    context = ssl.create_default_context()
    named = os.environ.get("SSL_CERT_FILE")
    if named:  # which OpenSSL passes over when it is gone
        _add(context, Path(named), NAMED)
        return context
    in_a_folder = os.environ.get("SSL_CERT_DIR") or _has_folder()
    if in_a_folder or context.cert_store_stats()["x509_ca"]:
        return context
    return httpx.create_ssl_context(trust_env=False)


def _has_folder() -> bool:
    """Whether there are certificates where OpenSSL looks for them by the hash of their subject;
    they are counted in no context before they are needed."""
    place = ssl.get_default_verify_paths().capath
    return place is not None and any(Path(place).glob("????????.[0-9]*"))


def _identify(context: ssl.SSLContext, identity: Identity) -> None:
    def no_password() -> str:
        raise ValueError  # else OpenSSL asks for one at the terminal

    try:
        context.load_cert_chain(identity.certificate, identity.key, no_password)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise ConfigError(
            "The client certificate cannot be used",
            where=str(identity.certificate),
            todo="Give PEM files, the key without password and belonging to the certificate, as "
            "fhir.client_certificate and fhir.client_key",
        ) from error


def _add(context: ssl.SSLContext, ca_file: Path, todo: str) -> None:
    try:
        context.load_verify_locations(ca_file)
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError(
            "The CA bundle cannot be read",
            where=str(ca_file),
            todo=todo,
        ) from error
