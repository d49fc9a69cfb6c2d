"""From a package's CQL to its ELM, and whether the two still belong together.

``build.json`` in the package records the SHA-256 of each CQL text and of the ELM made from it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from service.cql.translator import built_in_source, translate
from service.errors import MeasureError, TranslationError
from service.measure.content import read_json

RECORD = "build.json"
TODO = "Run `weir measure build` on the package"


def build(folder: Path) -> list[str]:
    """Translate every ``cql/*.cql`` to ``elm/*.json``, record the hashes, name the libraries.

    Included libraries that the translator brings along (FHIRHelpers) get their ELM too. Raises
    TranslationError with file and lines, or MeasureError when there is no CQL.
    """
    sources, made = translated(folder)
    (folder / "elm").mkdir(exist_ok=True)
    for old in (folder / "elm").glob("*.json"):
        old.unlink()
    for name, elm in made.items():
        (folder / "elm" / f"{name}.json").write_bytes(elm)
    record = {
        "translator": _translator(made),
        "libraries": {
            name: {"cql": _sha256(sources[name].encode()), "elm": _sha256(made[name])}
            for name in sorted(made)
        },
    }
    (folder / RECORD).write_bytes(msgspec.json.format(msgspec.json.encode(record)) + b"\n")
    return sorted(made)


def translated(folder: Path) -> tuple[dict[str, str], dict[str, bytes]]:
    """The CQL of the package's libraries by name, and the ELM that it translates to, as files."""
    sources = {file.stem: file.read_text("utf-8") for file in sorted(folder.glob("cql/*.cql"))}
    if not sources:
        raise MeasureError("There is no CQL", where=str(folder / "cql"), todo="Add cql/<name>.cql")
    made: dict[str, bytes] = {}
    waiting = list(sources)
    while waiting:
        name = waiting.pop()
        elm = _translate(folder, name, sources)
        made[name] = msgspec.json.encode(elm) + b"\n"
        for included in set(_includes(elm)) - sources.keys():
            if (source := built_in_source(included)) is not None:
                sources[included] = source
                waiting.append(included)
    return sources, made


def parted(folder: Path) -> Iterator[str]:
    """What does not match the record: CQL or ELM changed, added or gone since the last build.

    The CQL of a built-in library is not in the package; its ELM is held to the record.
    """
    recorded = read_json(folder / RECORD)["libraries"]
    cql = {file.stem: _sha256(file.read_bytes()) for file in folder.glob("cql/*.cql")}
    elm = {file.stem: _sha256(file.read_bytes()) for file in folder.glob("elm/*.json")}
    for name in sorted(cql.keys() | elm.keys() | recorded.keys()):
        hashes = recorded.get(name, {})
        if name in cql and cql[name] != hashes.get("cql"):
            yield f"cql/{name}.cql has changed since the ELM was made. {TODO}"
        if elm.get(name) != hashes.get("elm"):
            yield f"elm/{name}.json is not the ELM that was made from the CQL. {TODO}"


def _translate(folder: Path, name: str, sources: Mapping[str, str]) -> dict[str, Any]:
    own = (folder / "cql" / f"{name}.cql").exists()
    others = {other: cql for other, cql in sources.items() if other != name} if own else {}
    try:
        elm = translate(sources[name], libraries=others)
    except TranslationError as error:
        raise TranslationError(
            error.what, where=f"{folder}/cql/{name}.cql", todo=error.todo
        ) from None
    identifier = elm["library"]["identifier"].get("id")
    if identifier != name:
        raise MeasureError(
            f"The library in {name}.cql is called {identifier}",
            where=str(folder),
            todo="Rename one",
        )
    return elm if own else _without_annotations(elm)


def _includes(elm: Mapping[str, Any]) -> Iterator[str]:
    for include in (elm["library"].get("includes") or {}).get("def") or ():
        yield include["path"]


def _without_annotations(node: Any) -> Any:
    """ELM without its narrative, which nobody reads of a built-in library."""
    if isinstance(node, dict):
        return {key: _without_annotations(one) for key, one in node.items() if key != "annotation"}
    return [_without_annotations(one) for one in node] if isinstance(node, list) else node


def _translator(made: Mapping[str, bytes]) -> str:
    """The name and version of the translator, as the ELM states it."""
    elm = msgspec.json.decode(next(iter(made.values())))
    notes = elm["library"].get("annotation") or ()
    version = next((one["translatorVersion"] for one in notes if "translatorVersion" in one), "")
    return f"@cqframework/cql {version}"


def _sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
