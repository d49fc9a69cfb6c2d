"""Checks of the way to a server: whether it is allowed, its name, the proxy, TLS, its clock."""

import os
import shutil
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from service.errors import EhrError, StoppedError, WeirError
from service.fhir.exchange import send
from service.fhir.http import is_loopback
from service.fhir.pace import Pace
from service.gateway.config import NetworkConfig
from service.gateway.way_out import open_way_out
from service.site.checkup import Check, bad, good, look, skipped

SKEW = timedelta(seconds=60)  # assertions live for four minutes
EXPIRES = timedelta(days=30)
FREE = 2 * 10**9  # bytes


def check_traffic(pace: Pace) -> Check:
    """Whether the EHR may be spoken to at all, or someone at the site has stopped that."""
    try:
        pace.check()
    except StoppedError as error:
        return bad("Traffic", error.what, error.todo or "")
    return good("Traffic", "to the EHR is not stopped")


def check_name(url: str, *, proxied: bool) -> Check:
    """Whether the host's name can be resolved here; a proxy may do that for us."""
    host = urlsplit(url).hostname or ""
    try:
        found = {each[4][0] for each in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except OSError:
        if proxied:
            return good("DNS", f"{host} is not known here; the proxy resolves it")
        return bad("DNS", f"{host} is not known", "Check the address and this host's DNS")
    return good("DNS", f"{host} has {len(found)} address{'es' if len(found) > 1 else ''}")


def proxy_of(url: str) -> str | None:
    """The proxy that the environment names for an address; None for none."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if is_loopback(host) or proxy_bypass(host):
        return None
    proxies = getproxies()
    return proxies.get(parts.scheme) or proxies.get("all")


def check_proxy(url: str) -> Check:
    """Whether the proxy answers, where there is one."""
    proxy = proxy_of(url)
    if proxy is None:
        return good("Proxy", "none; the EHR is spoken to directly")
    parts = urlsplit(proxy if "//" in proxy else f"//{proxy}")
    where = f"{parts.hostname}:{parts.port or 80}"
    try:
        socket.create_connection((parts.hostname or "", parts.port or 80), timeout=10).close()
    except OSError:
        return bad("Proxy", f"{where} does not answer", "Check HTTPS_PROXY and NO_PROXY")
    return good("Proxy", f"{where} answers")


def check_tls(client: httpx.Client, url: str) -> Check:
    """Whether a connection can be made and trusted, and for how long its certificate is good."""
    try:
        request = client.build_request("GET", url)
        response = send(client, request, stream=True)
    except WeirError as error:
        return bad("TLS", error.what, error.todo or "")
    try:
        stream = response.extensions.get("network_stream")
        tls = stream.get_extra_info("ssl_object") if stream is not None else None
        if tls is None:
            return good("TLS", "not used: the EHR is on this machine")
        return _certificate(tls.version(), tls.getpeercert())
    finally:
        response.close()


def _certificate(version: str, certificate: dict[str, object]) -> Check:
    ends = datetime.strptime(str(certificate["notAfter"]), "%b %d %H:%M:%S %Y %Z")
    left = ends.replace(tzinfo=UTC) - datetime.now(UTC)
    what = f"{version}; the certificate is trusted and good for {left.days} days"
    if left < EXPIRES:
        return look("TLS", what, ask="to renew the server's certificate")
    return good("TLS", what)


def check_clock(told: str | None) -> Check:
    """Whether the EHR's clock and ours agree."""
    try:
        skew = parsedate_to_datetime(told or "") - datetime.now(UTC)
    except (TypeError, ValueError):
        return look("Clock", "the EHR does not tell the time", "Check this machine's clock")
    seconds = round(abs(skew.total_seconds()))
    if abs(skew) <= SKEW:
        return good("Clock", f"{seconds} seconds apart")
    ahead = "ahead of" if skew > timedelta() else "behind"
    what = f"the EHR's clock is {seconds} seconds {ahead} this machine's"
    return bad("Clock", what, "Keep this machine's clock by NTP", ask="to keep its clock by NTP")


def check_disk(data_dir: Path, pulled: int = 0, spool: Path | None = None) -> Check:
    """Whether there is room, and it may be written, as the spool may. Nothing is.

    ``pulled`` is how many bytes the last pull of everything had, if there was one.
    """
    place = _there(data_dir)
    for key, folder in (("data_dir", place), ("spool", _there(spool or data_dir))):
        if not (folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)):
            todo = f"Give {key} to the user of this program"
            return bad("Disk", f"{folder} cannot be written", todo)
    free = shutil.disk_usage(place).free
    used = sum(file.stat().st_size for file in place.glob("store/*")) if place == data_dir else 0
    needed = max(FREE, 2 * pulled + used)  # a pull, its tables, and a second store
    what = f"{free / 1e9:.1f} GB free at {place}"
    if free < needed:
        return bad("Disk", what, f"Make room: {needed / 1e9:.0f} GB are advised")
    return good("Disk", what)


def _there(folder: Path) -> Path:
    """The folder, or what is there of the way to it."""
    return folder if folder.exists() else _there(folder.parent)


def check_network(network: NetworkConfig | None) -> Iterator[Check]:
    """Whether the network answers where reports are sent; nothing is sent there."""
    if network is None or network.kind == "file":
        yield skipped("Network", "reports are not sent from here")
        return
    host = urlsplit(network.url).hostname
    try:
        way = open_way_out(network)
        with way.client:
            response = send(way.client, way.client.build_request("GET", _metadata(network)))
        yield _answer_of_the_network(host or "", response)
    except EhrError as error:
        yield bad("Network", f"{host}: {error.what}", error.todo or "")
    except WeirError as error:
        yield bad("Network", error.what, error.todo or "")


def _metadata(network: NetworkConfig) -> str:
    """What a Weir network and a FHIR server tell of themselves, beside where they take reports."""
    return f"{network.url}/fhir/metadata" if network.kind == "weir" else f"{network.url}/metadata"


def _answer_of_the_network(host: str, response: httpx.Response) -> Check:
    told = f"{host} answers HTTP {response.status_code}"
    if response.is_success and b'"CapabilityStatement"' in response.content:
        return good("Network", told)
    if response.status_code in (401, 403):
        return look("Network", f"{told} before anyone has signed in, so no more is known")
    what = f"{told} where reports are sent: something else than the network may be there"
    return look("Network", what, "Check network.url and network.kind")
