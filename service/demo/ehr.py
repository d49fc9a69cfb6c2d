"""A FHIR server that plays the EHR: `sekmet-fhir`, which this project did not write.

    with run_ehr(folder, [EhrClient("weir", jwks)]) as ehr:
        ehr.base_url                       # http://127.0.0.1:<port>/fhir

SMART Backend Services is required for everything but /metadata and discovery. All that the server
writes (database, exports, log) is in ``folder``.
"""

import json
import secrets
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from service.demo.process import answers, started
from service.errors import EhrError

PORTS = range(12000, 32000)


@dataclass(frozen=True)
class EhrClient:
    """A backend client as the EHR registers it: its public keys and the scopes it may ask for.

    ``secret`` is for the hospital's own administration, which needs no key.
    """

    client_id: str
    jwks: Mapping[str, Any] = field(default_factory=dict)
    scopes: str = "system/*.read"
    secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Ehr:
    """A running server; ``base_url`` is the FHIR base that it gives in its own links."""

    base_url: str
    port: int
    log: Path


@contextmanager
def run_ehr(
    folder: Path,
    clients: Sequence[EhrClient],
    *,
    name: str = "Weir demo hospital",
    base_url: str | None = None,
    port: int | None = None,
    token_seconds: int = 3600,
    validate: bool = True,
    enforce_scopes: bool = False,
) -> Iterator[Ehr]:
    """Start the server on 127.0.0.1, wait until it answers, and stop it at the end.

    ``folder`` may hold the database of an earlier run. ``base_url`` is given when something stands
    in front of the server. With ``enforce_scopes`` the server wants system/*.read for exports.
    Raises EhrError when it does not start; its log says why.
    """
    if find_spec("sekmet") is None:
        raise EhrError("The demo's EHR is not installed", todo="pip install 'weir[demo]'")
    folder.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    ehr = Ehr(base_url or f"http://127.0.0.1:{port}/fhir", port, folder / "ehr.log")
    settings = _settings(ehr, folder, clients, name)
    settings["server_auth"] |= {"token_lifetime": token_seconds, "enforce_scopes": enforce_scopes}
    settings["validation"] = {"inbound": "strict" if validate else "off"}
    (folder / "settings.yaml").write_text(json.dumps(settings, indent=2))  # JSON is YAML
    command = [sys.executable, "-m", "sekmet.cli", "serve", "--config", "settings.yaml"]
    with started(command, ehr.log, folder) as process:
        if not answers(process, f"http://127.0.0.1:{ehr.port}/fhir/metadata"):
            raise EhrError(
                "The demo EHR did not start", where=str(ehr.log), todo="Its log says why"
            )
        yield ehr


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody has at this moment.

    It is none of those that the system gives to connections by itself (from 32768 on with Linux,
    from 49152 on elsewhere), so that it is still free when a server that was started is ready.
    """
    while True:
        port = PORTS[secrets.randbelow(len(PORTS))]
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _settings(ehr: Ehr, folder: Path, clients: Sequence[EhrClient], name: str) -> dict[str, Any]:
    registered = [
        {
            "client_id": client.client_id,
            "jwks": dict(client.jwks),
            "scopes": client.scopes,
            "client_secret": client.secret,
        }
        for client in clients
    ]
    return {
        "base_url": ehr.base_url,
        "host": "127.0.0.1",
        "port": ehr.port,
        "data_dir": str(folder / "data"),
        "facility_name": name,
        "software_name": "sekmet-fhir",
        "own_private_key_path": str(folder / "keys" / "own.pem"),
        "server_auth": {"types": ["smart"], "smart_clients": registered},
        # The simulator would invent answers to what is loaded; its delay would slow each export.
        "simulator": {"enabled": False, "delay_seconds": 0},
        "log_inbound": False,
    }
