"""A hospital full of canaries, and a search for them in everything that is not the store.

Every string, identifier and date of its records is unique, and of every FHIR type there is a
record in which every element that can hold one has one.
"""

import base64
import json
import re
import secrets
import threading
import urllib.parse
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import uvicorn

ELEMENTS = json.loads(
    (Path(__file__).parents[2] / "service" / "fhir" / "r4_elements.json").read_text()
)
DATES = {"date", "dateTime", "instant", "time"}
TEXTS = {
    *("string", "code", "id", "uri", "url", "canonical", "oid", "uuid", "markdown"),
    *("base64Binary", "xhtml"),
}
DEPTH = 3
SHAPE = re.compile(rb"zq[0-9a-f]{18}|18\d\d-\d\d-\d\d")


@dataclass
class Canaries:
    """Makes tokens and dates that stand nowhere else, and remembers them."""

    told: set[str] = field(default_factory=set)
    _days: Iterator[int] = field(default_factory=count)

    def token(self) -> str:
        made = f"zq{secrets.token_hex(9)}"
        self.told.add(made)
        return made

    def moment(self, kind: str) -> str:
        """An instant of the years around 1870; each once."""
        n = next(self._days)
        day = f"18{60 + n // 336 % 40}-{n // 28 % 12 + 1:02}-{n % 28 + 1:02}"
        clock = f"{n % 23:02}:{n // 23 % 60:02}:{n // 1380 % 60:02}"
        made = {"date": day, "time": clock}.get(kind, f"{day}T{clock}+03:17")
        if kind != "time":
            self.told |= {made, day}
        return made

    def resource(self, type_name: str, patient: str) -> dict[str, Any]:
        """A record of a type, of a patient, with a canary in every element."""
        made = self._filled(type_name, DEPTH)
        made |= {"resourceType": type_name, "id": self.token(), "language": self.token()}
        made["text"] = {"status": "generated", "div": f"<div>{self.token()}</div>"}
        made["meta"] = {"source": self.token(), "tag": [{"code": self.token()}]}
        made["extension"] = [{"url": self.token(), "valueString": self.token()}]
        for name in ("subject", "patient"):
            if name in ELEMENTS[type_name]["elements"]:
                made[name] = {"reference": f"Patient/{patient}", "display": self.token()}
        return made

    def _filled(self, type_name: str, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, kind in ELEMENTS.get(type_name, {}).get("elements", {}).items():
            one = next((each for each in kind.split("|") if each in TEXTS | DATES), kind)
            key = name + one[0].upper() + one[1:] if "|" in kind else name
            value = self._value(one.rstrip("*"), depth - 1)
            if value is not None:
                found[key] = [value] if one.endswith("*") else value
        return found

    def _value(self, kind: str, depth: int) -> Any:
        if kind in DATES:
            return self.moment(kind)
        if kind in TEXTS or kind not in ELEMENTS:
            return self.token() if kind in TEXTS else None
        if "value" in ELEMENTS[kind].get("elements", {}) and kind[0].isupper() and depth >= 0:
            return self.token()  # an enumeration, which R4's model gives a type of its own
        return self._filled(kind, depth) or None if depth > 0 else None


def resource_types() -> list[str]:
    """Every resource type of R4."""
    return sorted(name for name, of in ELEMENTS.items() if of.get("resource"))


def found_in(canaries: set[str], contents: Sequence[tuple[str, bytes]]) -> list[str]:
    """Where a canary stands: raw, in other case, reversed, in hex, base64, percent-encoded, UTF-16,
    or packed."""
    return [
        f"{place}: {found.decode()}"
        for place, content in contents
        for view in _views(content)
        for found in SHAPE.findall(view)
        if found.decode() in canaries
    ]


def _views(content: bytes) -> Iterator[bytes]:
    """A content, and whatever it may be the dress of, in lower case."""
    plain = [content, content.replace(b"\0", b""), content[::-1]]
    plain.append(urllib.parse.unquote_to_bytes(content))
    for run in re.findall(rb"[0-9A-Fa-f]{20,}", content):
        plain += [
            bytes.fromhex(run[shift : shift + (len(run) - shift) // 2 * 2].decode())
            for shift in (0, 1)
        ]
    for run in re.findall(rb"[A-Za-z0-9+/_-]{12,}", content):
        standard = run.replace(b"-", b"+").replace(b"_", b"/")
        for shift in range(4):
            cut = standard[shift:]
            cut = cut[:-1] if len(cut) % 4 == 1 else cut
            plain.append(base64.b64decode(cut + b"=" * (-len(cut) % 4)))
    for start in re.finditer(rb"\x1f\x8b|\x78[\x01\x9c\xda]", content):
        with suppress(zlib.error):
            plain.append(zlib.decompressobj(47).decompress(content[start.start() :]))
    yield from (view.lower() for view in plain)


@dataclass
class Hospital:
    """A FHIR server of a few lines: sign-in, Group $export, and files. ``spoil`` may answer first:
    given a path, a status and a body, or None to go on."""

    files: dict[str, list[dict[str, Any]]]
    url: str = ""
    spoil: Callable[[str], tuple[int, bytes] | None] = lambda path: None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        status, headers, body = self._answer(scope["path"])
        spoiled = self.spoil(scope["path"])
        if spoiled is not None:
            status, body = spoiled
        headers = {"content-type": "application/fhir+json", **headers}
        raw = [(k.encode(), v.encode()) for k, v in headers.items()]
        raw.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": body})

    def _answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        if path.endswith("smart-configuration"):
            return 200, {}, _json({"token_endpoint": f"{self.url}/token", "capabilities": []})
        if path.endswith("/token"):
            return 200, {}, _json({"access_token": "a", "token_type": "bearer", "expires_in": 900})
        if path.endswith("/metadata"):
            return 200, {}, _json({"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1"})
        if path.endswith("$export"):
            return 202, {"Content-Location": f"{self.url}/fhir/status"}, b""
        if path.endswith("/status"):
            return 200, {}, _json(self._manifest())
        name = path.rpartition("/")[2]
        if "/files/" in path and name in self.files:
            lines = b"".join(_json(each) + b"\n" for each in self.files[name])
            return 200, {"content-type": "application/fhir+ndjson"}, lines
        return 200, {}, _json({"resourceType": "Bundle", "type": "searchset", "total": 0})

    def _manifest(self) -> dict[str, Any]:
        output = [
            {"type": name, "url": f"{self.url}/fhir/files/{name}", "count": len(of)}
            for name, of in self.files.items()
        ]
        return {
            "transactionTime": "2026-01-02T00:00:00Z",
            "request": f"{self.url}/fhir/Group/g/$export",
            "requiresAccessToken": True,
            "output": output,
            "error": [],
        }


@contextmanager
def run_hospital(hospital: Hospital) -> Iterator[Hospital]:
    """Serve it from a thread on 127.0.0.1."""
    config = uvicorn.Config(
        hospital, host="127.0.0.1", port=0, log_config=None, log_level="critical", lifespan="off"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.02)
    hospital.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        yield hospital
    finally:
        server.should_exit = True
        thread.join(10)


def _json(content: Any) -> bytes:
    return json.dumps(content).encode()
