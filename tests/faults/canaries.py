"""A hospital full of canaries, and a search for them in everything that is not the store.

Every string, identifier and date of its records is unique. Of every FHIR type there are records
in which every element that can hold one has one, and every type that a choice offers.
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
from typing import Any

import uvicorn

from service.cql.model import json_names
from service.cql.types import ListType, NamedType, Type
from service.fhir.compartment import SHARED, patient_link
from service.fhir.compartment import resource_types as types_of_the_model
from service.fhir.model import qualified, r4

DATES = {"date", "dateTime", "instant", "time"}
TEXTS = {
    *("string", "code", "id", "uri", "url", "canonical", "oid", "uuid", "markdown"),
    *("base64Binary", "xhtml"),
}
APART = {"contained", "extension", "modifierExtension", "meta", "text", "id", "resourceType"}
ABSTRACT = {"Resource", "DomainResource"}
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

    def resources(self, type_name: str, patient: str) -> list[dict[str, Any]]:
        """Records of a type, of a patient, with a canary in every element.

        The n-th record has of each choice of types the n-th, and there are as many as the widest
        choice needs.
        """
        made = [self._resource(type_name, patient, 0)]
        turns = _turns(NamedType(qualified(type_name)))
        return made + [self._resource(type_name, patient, turn) for turn in range(1, turns)]

    def _resource(self, type_name: str, patient: str, turn: int) -> dict[str, Any]:
        made = self._filled(NamedType(qualified(type_name)), turn, ())
        made |= {"resourceType": type_name, "id": self.token()}
        made["meta"] = self._filled(NamedType(qualified("Meta")), turn, ())
        if "text" in r4().elements(qualified(type_name)):
            made["text"] = {"status": "generated", "div": f"<div>{self.token()}</div>"}
            inner = {"resourceType": "Organization", "id": self.token(), "name": self.token()}
            made["contained"] = [inner]
            made["extension"] = [{"url": self.token(), "valueString": self.token()}]
            made["modifierExtension"] = [{"url": self.token(), "valueString": self.token()}]
        if link := patient_link(type_name):
            self._link(made, link.split("."), patient)
        return made

    def _link(self, made: dict[str, Any], path: list[str], patient: str) -> None:
        """Make it the patient's, by the element that says so."""
        for step in path:
            found = made[step]
            made = found[0] if isinstance(found, list) else found
        made["reference"] = f"Patient/{patient}"

    def _filled(self, kind: NamedType, turn: int, around: tuple[str, ...]) -> dict[str, Any]:
        """An object with a canary in each element; a type that can hold itself is entered once."""
        found: dict[str, Any] = {} if not around else {"id": self.token()}
        for name, of in r4().elements(kind.name).items():
            if name in APART:
                continue
            told = {key: one for key, one in json_names(name, of).items() if _can_tell(one)}
            if told:
                key = list(told)[turn % len(told)]
                value = self._value(told[key], turn, (*around, kind.name))
                if value is not None:
                    found[key] = [value] if isinstance(of, ListType) else value
        return found

    def _value(self, kind: NamedType, turn: int, around: tuple[str, ...]) -> Any:
        if kind.local in DATES:
            return self.moment(kind.local)
        if _is_text(kind):
            return self.token()
        return None if kind.name in around else self._filled(kind, turn, around)


def resource_types() -> list[str]:
    """Every resource type of R4."""
    return sorted(types_of_the_model() - ABSTRACT)


def storable_types() -> list[str]:
    """Those that a measure can ask for: a patient's, and what a patient's records refer to."""
    return [
        name
        for name in resource_types()
        if name == "Patient" or name in SHARED or patient_link(name)
    ]


def _is_text(kind: NamedType) -> bool:
    """Whether it is written as a string; an enumeration has a type of its own in R4's model."""
    return kind.local in TEXTS or r4().primitive(kind.name) == "String"


def _can_tell(kind: NamedType) -> bool:
    """Whether a string or a date stands in it, and not a number or a truth alone."""
    primitive = r4().primitive(kind.name)
    return (
        kind.local in DATES or _is_text(kind) or (primitive is None and kind.name in r4().classes)
    )


def _turns(kind: Type, around: tuple[str, ...] = ()) -> int:
    """The widest choice of types in it."""
    assert isinstance(kind, NamedType)
    most = 1
    for name, of in r4().elements(kind.name).items():
        told = [one for one in json_names(name, of).values() if _can_tell(one)]
        if name in APART or not told:
            continue
        inner = [one for one in told if "." in one.local and one.name not in around]
        wide = [_turns(one, (*around, kind.name)) for one in inner]
        most = max(most, len(told), *wide)
    return most


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
